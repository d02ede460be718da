"""The table of element properties against the packages it is from."""

import warnings

import numpy as np
import pytest
from zoo.plugins.magpie import PROPERTIES, STATISTICS, element_statistics, element_table

from zoo.data.crystal import SYMBOLS, Crystal


@pytest.fixture(scope="module")
def matminers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matminer.featurizers.composition import ElementProperty

        return ElementProperty.from_preset("magpie", impute_nan=False)


def test_properties_are_matminers(matminers):
    assert list(PROPERTIES) == matminers.features
    assert list(STATISTICS) == matminers.stats
    known = matminers.data_source.all_elemental_props
    for column, name in zip(element_table(*PROPERTIES).T, PROPERTIES, strict=True):
        np.testing.assert_array_equal(column[1:], [known[name].get(symbol, np.nan) for symbol in SYMBOLS[1:]])


def test_masses_and_radii_are_pymatgens():
    from pymatgen.core import Element

    elements = [Element(symbol) for symbol in SYMBOLS[1:]]
    masses, radii = element_table("Mass", "Radius")[1:].T
    np.testing.assert_array_equal(masses, [float(element.atomic_mass) for element in elements])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where an element has no radius
        expected = [np.nan if element.atomic_radius is None else float(element.atomic_radius) for element in elements]
    np.testing.assert_array_equal(radii, expected)


def test_statistics_of_random_compositions_are_matminers(matminers):
    """One to six elements, up to the end of the table, with ties among the most frequent."""
    from pymatgen.core import Composition

    rng = np.random.default_rng(3)
    crystals = []
    for _ in range(60):
        numbers = np.repeat(rng.choice(np.arange(1, 119), rng.integers(1, 7), replace=False), rng.integers(1, 3))
        crystals.append(Crystal(numbers, 9 * np.eye(3), rng.random((len(numbers), 3))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [matminers.featurize(Composition("".join(SYMBOLS[z] for z in c.numbers))) for c in crystals]
    np.testing.assert_allclose(element_statistics(crystals), np.array(expected, dtype=float), rtol=1e-12, atol=1e-10)
