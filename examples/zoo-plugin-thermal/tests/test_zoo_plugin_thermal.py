"""The plugin keeps its contracts, and physics."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from zoo_plugin_thermal import LindemannTerms, debye_temperature, lindemann

from zoo.testing import parametrize_with_checks

# Structure type, lattice constant in Å, Debye temperature in K: C. Kittel, Introduction to Solid State Physics,
# 8th ed., tables 1.3 and 5.1.
ELEMENTS = {
    "Li": ("bcc", 3.491, 344),
    "Na": ("bcc", 4.225, 158),
    "K": ("bcc", 5.225, 91),
    "Rb": ("bcc", 5.585, 56),
    "Cs": ("bcc", 6.045, 38),
    "Ca": ("fcc", 5.58, 230),
    "Sr": ("fcc", 6.08, 147),
    "Ba": ("bcc", 5.02, 110),
    "V": ("bcc", 3.03, 380),
    "Nb": ("bcc", 3.30, 275),
    "Ta": ("bcc", 3.30, 240),
    "Cr": ("bcc", 2.88, 630),
    "Mo": ("bcc", 3.15, 450),
    "W": ("bcc", 3.16, 400),
    "Fe": ("bcc", 2.87, 470),
    "Rh": ("fcc", 3.80, 480),
    "Ir": ("fcc", 3.84, 420),
    "Ni": ("fcc", 3.52, 450),
    "Pd": ("fcc", 3.89, 274),
    "Pt": ("fcc", 3.92, 240),
    "Cu": ("fcc", 3.61, 343),
    "Ag": ("fcc", 4.09, 225),
    "Au": ("fcc", 4.08, 165),
    "Al": ("fcc", 4.05, 428),
    "Pb": ("fcc", 4.95, 105),
    "C": ("diamond", 3.567, 2230),
    "Si": ("diamond", 5.430, 645),
    "Ge": ("diamond", 5.658, 374),
}
FCC = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
SITES = {
    "bcc": [[0, 0, 0], [0.5, 0.5, 0.5]],
    "fcc": FCC,
    "diamond": [*FCC, *([x + 0.25, y + 0.25, z + 0.25] for x, y, z in FCC)],
}


@pytest.fixture(scope="module")
def elements():
    """Return the crystals of the elements, and their Debye temperatures."""
    structures = [
        Structure(Lattice.cubic(a), [symbol] * len(SITES[kind]), SITES[kind])
        for symbol, (kind, a, _) in ELEMENTS.items()
    ]
    return structures, np.array([theta for *_, theta in ELEMENTS.values()], dtype=float)


@parametrize_with_checks([debye_temperature, LindemannTerms(), lindemann])
def test_conforms(plugin, check):
    """Each plugin passes each check that applies to it."""
    check(plugin)


def test_the_range_holds_the_elements(elements):
    """No published value is rejected."""
    assert [theta for theta in elements[1] if debye_temperature.problem(theta)] == []


def test_terms(elements):
    """Copper: its atomic mass, a quarter of its cell, and its melting temperature."""
    structures, _ = elements
    row = LindemannTerms().featurize(structures)[list(ELEMENTS).index("Cu")]
    np.testing.assert_allclose(10**row, [63.546, 3.61**3 / 4, 1357.77], rtol=1e-4)


def test_lindemann_was_right(elements):
    """The fitted exponents are those that Lindemann derived, -1/2, -1/3 and 1/2."""
    structures, theta = elements
    model = lindemann.build(0).fit(LindemannTerms().featurize(structures), np.log10(theta))
    np.testing.assert_allclose(model[-1].coef_, [-0.5, -0.33, 0.5], atol=0.25)
    off = np.abs(model.predict(LindemannTerms().featurize(structures)) - np.log10(theta))
    assert np.median(off) < np.log10(1.2)
