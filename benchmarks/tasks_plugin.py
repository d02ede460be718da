"""Properties of the benchmark that are no tasks of zoo itself: a plugin in a single file."""

from zoo.contracts import Task

exfoliation = Task(
    name="exfoliation-energy",
    target="exfoliation_en",
    unit="meV/atom",
    # Layers that are held by covalent bonds, which a few entries are, need more than 1 eV/atom.
    valid=(0.0, 5000.0),
    description="Energy per atom to take a single layer from a layered crystal (OptB88vdW).",
    citation="K. Choudhary et al., Scientific Reports 7, 5179 (2017), doi:10.1038/s41598-017-05402-0",
)

perovskite = Task(
    name="perovskite-formation-energy",
    target="e_form",
    unit="eV",
    # Per cell of five atoms, not per atom.
    valid=(-10.0, 20.0),
    description="Energy of formation of a hypothetical ABX3 perovskite, per cell of five atoms.",
    citation="I. E. Castelli et al., Energy & Environmental Science 5, 9034 (2012), doi:10.1039/c2ee22341d",
)

measured_gap = Task(
    name="measured-gap",
    target="gap_experiment",
    unit="eV",
    valid=(0.01, 30.0),
    description="Measured band gap of a non-metal.",
    citation="P. Borlido et al., Journal of Chemical Theory and Computation 15, 5069 (2019), "
    "doi:10.1021/acs.jctc.9b00322",
)

piezoelectric = Task(
    name="piezoelectric-modulus",
    target="eij_max",
    unit="C/m²",
    transform="log10",
    # Smaller moduli are below the noise of the calculation. In log10 they would decide the error.
    valid=(0.01, 100.0),
    description="Largest longitudinal modulus of the piezoelectric tensor.",
    citation="M. de Jong et al., Scientific Data 2, 150053 (2015), doi:10.1038/sdata.2015.53",
)
