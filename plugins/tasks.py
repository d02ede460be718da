"""Tasks included in zoo.

Each range contains all values in published data sets, with a margin, and is narrow enough to detect a column in the
wrong unit (Pa or kbar instead of GPa, kJ/mol instead of eV/atom, meV instead of eV, total instead of per-atom values).
Logarithms cannot be detected: log10 of 100 GPa is 2, which is also a possible modulus.

An alias must denote the same quantity in the same unit in all data sets. This excludes ``log10(K_VRH)`` (not in GPa),
``formation_energy`` (the total of the cell in matminer's *flla*), ``e_form`` (eV/atom in one Matbench set, eV per cell
in another), ``bulk_modulus_kv`` (the Voigt bound in JARVIS) and ``e_total`` (the tensor in matminer's
*dielectric_constant*). ``--target COLUMN`` accepts any of them.

The recommended backbone is the best one in docs/benchmarks/transfer.md if the task or a similar one was measured, and
otherwise one trained on the property itself.
"""

from __future__ import annotations

from zoo.registry.contracts import Task

_MATERIALS_PROJECT = "A. Jain et al., APL Materials 1, 011002 (2013), doi:10.1063/1.4812323"
_ELASTIC = "M. de Jong et al., Scientific Data 2, 150009 (2015), doi:10.1038/sdata.2015.9"
_DIELECTRIC = "I. Petousis et al., Scientific Data 4, 160134 (2017), doi:10.1038/sdata.2016.134"
_GW = "M. J. van Setten et al., Physical Review B 96, 155207 (2017), doi:10.1103/PhysRevB.96.155207"

formation_energy = Task(
    name="formation-energy",
    target="formation_energy_per_atom",
    label="Formation energy ΔE_f",
    unit="eV/atom",
    # The most stable compounds (of lanthanum, yttrium and thorium) reach -4.6, hypothetical cells in data sets +5.4.
    valid=(-6.0, 7.0),
    description="Energy of formation from the elements, per atom.",
    citation=_MATERIALS_PROJECT,
    aliases=("formation_energy_peratom", "e_form_per_atom"),
    recommended_backbone="dEf-91k",
)

band_gap = Task(
    name="band-gap",
    target="band_gap",
    label="Band gap E_g",
    unit="eV",
    # Solid helium has the widest gap, 17.9 eV in PBE.
    valid=(0.0, 20.0),
    description="Kohn-Sham band gap in the PBE approximation; 0 for metals.",
    citation=_MATERIALS_PROJECT,
    aliases=("gap pbe", "gap_pbe", "pbe_gap", "bandgap"),
    recommended_backbone="Eg-NM",
)

metallicity = Task(
    name="metallicity",
    target="is_metal",
    label="Metallicity",
    kind="classification",
    classes=("non-metal", "metal"),
    description="Whether a crystal is a metal in the PBE approximation or has a band gap.",
    citation=_MATERIALS_PROJECT,
    recommended_backbone="multi-113k",
)

bulk_modulus = Task(
    name="bulk-modulus",
    target="K_VRH",
    label="Bulk modulus K_VRH",
    unit="GPa",
    transform="log10",
    # From solid helium and nitrogen, about 1 GPa, to diamond, 436 GPa.
    valid=(0.1, 600.0),
    description="Bulk modulus, average of the Voigt and Reuss bounds (Hill).",
    citation=_ELASTIC,
    aliases=("k_vrh", "bulk_modulus_vrh", "elasticity.K_VRH"),
    recommended_backbone="multi-113k",
)

shear_modulus = Task(
    name="shear-modulus",
    target="G_VRH",
    label="Shear modulus G_VRH",
    unit="GPa",
    transform="log10",
    # Diamond has 525 GPa.
    valid=(0.1, 600.0),
    description="Shear modulus, average of the Voigt and Reuss bounds (Hill).",
    citation=_ELASTIC,
    aliases=("g_vrh", "shear_modulus_vrh", "elasticity.G_VRH"),
    recommended_backbone="multi-113k",
)

dielectric = Task(
    name="dielectric",
    target="eps_total",
    label="Dielectric constant ε_r",
    unit="",
    transform="log10",
    # Vacuum has 1. Soft polar modes can raise computed values to several thousand.
    valid=(1.0, 10_000.0),
    description="Static dielectric constant, electrons and ions together, mean of the tensor's diagonal.",
    citation=_DIELECTRIC,
    aliases=("poly_total", "epsilon_total"),
    recommended_backbone="multi-113k",
)

refractive_index = Task(
    name="refractive-index",
    target="n",
    label="Refractive index n",
    unit="",
    # Nearly closed gaps give indices of several tens; 100 corresponds to an electronic dielectric constant of 10,000.
    valid=(1.0, 100.0),
    description="Static refractive index, the square root of the electronic dielectric constant's mean.",
    citation=_DIELECTRIC,
    aliases=("refractive_index",),
    recommended_backbone="multi-113k",
)

# The target itself identifies non-metals: a metal's quasi-particle gap is 0, and 10 meV is below the resolution of GW
# calculations. Requiring a column `band_gap` would exclude tables with GW gaps only.
# Gaps from other starting points or schemes (G0W0@LDA, QSGW) differ by tenths of an eV and are not aliases.
gw_gap = Task(
    name="gw-gap",
    target="gap_gw",
    label="Quasi-particle gap E_g",
    unit="eV",
    valid=(0.01, 30.0),
    description="Quasi-particle band gap of a non-metal, G0W0 on PBE.",
    citation=_GW,
    aliases=("gap_g0w0_pbe", "gap_g0w0", "gw_gap"),
    recommended_backbone="multi-113k",
)
