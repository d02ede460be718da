"""Compositions in place of crystals."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pymatgen.core import Composition as Pymatgen
from pymatgen.core import Element

from zoo.data.composition import Composition, composition_vectors, is_composition, is_formula
from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import build_graphs
from zoo.errors import InputError
from zoo.registry import plugins

if TYPE_CHECKING:
    from pymatgen.core import Structure


@pytest.mark.parametrize(
    ("formula", "amounts"),
    [
        ("NaCl", {"Na": 1, "Cl": 1}),
        ("Ca(OH)2", {"Ca": 1, "O": 2, "H": 2}),
        ("Na4Cl4", {"Na": 1, "Cl": 1}),  # reduced
        ("Li0.5CoO2", {"Li": 1, "Co": 2, "O": 4}),
        ("Fe0.3333O", {"Fe": 1, "O": 3}),  # a third
        ("SiO₂", {"Si": 1, "O": 2}),
        ("CuSO4·5H2O", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("Na", {"Na": 1}),
        (" O2 Si1 ", {"Si": 1, "O": 2}),
    ],
)
def test_formulas(formula: str, amounts: dict[str, int]) -> None:
    found = Composition.parse(formula)
    numbers, counts = np.unique(found.numbers, return_counts=True)
    assert {Element.from_Z(z).symbol: n for z, n in zip(numbers, counts, strict=True)} == amounts
    assert len(found) == sum(amounts.values())
    assert found.to_pymatgen().almost_equals(Pymatgen(amounts))
    assert Composition.from_pymatgen(Pymatgen(amounts)).digest == found.digest


@pytest.mark.parametrize(
    "formula", ["", "nacl.cif", "Xy2", "LixCoO2", "NaCl2+", "Na0", "POSCAR", 5, None, "2", "Na-Cl"]
)
def test_what_is_no_formula(formula: object) -> None:
    with pytest.raises(InputError):
        Composition.parse(formula)


def test_amounts_that_are_no_simple_ratios() -> None:
    with pytest.raises(InputError, match="no ratios of whole numbers"):
        Composition.parse("Li99999O7")


def test_it_is_what_is_left_of_a_crystal(real_structures: list[Structure]) -> None:
    for structure in real_structures:
        crystal = Crystal.from_structure(structure)
        found = Composition.of(crystal)
        assert (found.formula, found.elements, found.chemsys) == (crystal.formula, crystal.elements, crystal.chemsys)
        assert found.digest != crystal.digest
        assert Composition.of(found) is found
        assert pickle.loads(pickle.dumps(found)).digest == found.digest
        assert crystal.has_structure
        assert not found.has_structure


def test_it_has_no_geometry() -> None:
    found = Composition.parse("NaCl")
    for use in (lambda: found.lattice, lambda: found.frac, lambda: found.volume, found.to_structure):
        with pytest.raises(InputError, match="only the formula Cl1Na1 is known, and no structure"):
            use()


def test_a_graph_needs_a_structure(real_structures: list[Structure]) -> None:
    crystals = [Crystal.from_structure(real_structures[0]), Composition.parse("NaCl")]
    first, second, third = build_graphs([*crystals, crystals[0]])
    assert isinstance(second, InputError)
    np.testing.assert_array_equal(first.distances, third.distances)  # type: ignore[union-attr]


def test_vectors_of_compositions_are_those_of_structures(real_structures: list[Structure]) -> None:
    magpie = plugins.featurizer("magpie")
    compositions = [Composition.of(Crystal.from_structure(each)) for each in real_structures]
    np.testing.assert_array_equal(
        composition_vectors("magpie", magpie, compositions), magpie.featurize(real_structures)
    )
    with pytest.raises(InputError, match="magpie-structure reads structures"):
        composition_vectors("magpie-structure", plugins.featurizer("magpie-structure"), compositions)


def test_what_looks_like_one() -> None:
    assert is_composition(Pymatgen("NaCl"))
    assert not is_composition("NaCl")
    assert all(map(is_formula, ["NaCl", "Ca(OH)2", "Li0.5CoO2", "Mg3[Si2O5](OH)4"]))
    assert not any(map(is_formula, ["mp-149", "glass 1", "Xx2", "", "12", None, "1" * 5000 + "x"]))


@pytest.mark.parametrize("formula", ["CuSO4.5H2O", "Na2SO4.10H2O", "CuSO₄.5H₂O"])
def test_a_point_before_water_may_be_that_of_a_hydrate(formula: str) -> None:
    with pytest.raises(InputError, match=r"may be a hydrate or a decimal; for a hydrate, write ·\d+H2O$"):
        Composition.parse(formula)
    assert Composition.parse(formula.replace(".", "·")).elements[0] == "H"
