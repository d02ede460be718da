"""Copies of crystals are found whatever their cell, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.analysis import leaks
from zoo.data.crystal import Crystal
from zoo.data.splits import Split
from zoo.data.tables.records import Record
from zoo.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure


def crystal(structure: Structure) -> Crystal:
    return Crystal.from_structure(structure)


def split(train: list[int], val: list[int], test: list[int]) -> Split:
    return Split(0, *(np.array(rows, dtype=np.int64) for rows in (train, val, test)))


def salt(length: float = 5.64, anion: str = "Cl") -> Structure:
    from pymatgen.core import Lattice, Structure

    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(length), ["Na", anion], [[0, 0, 0], [0.5, 0, 0]])


def caesium_like() -> Structure:
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice.cubic(3.47), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def test_the_same_crystal_in_other_cells_and_what_is_another(real_structures: list[Structure]) -> None:
    structure = real_structures[3]
    bigger = structure.copy()
    bigger.make_supercell([[2, 0, 0], [0, 1, 0], [0, 1, 1]])
    moved = structure.copy()
    moved.translate_sites(range(len(moved)), [0.3, 0.1, 0.7])
    stretched = salt(5.80)
    crystals = [*map(crystal, (structure, salt(), bigger, stretched, caesium_like(), moved, salt(anion="Br")))]
    same, near, unchecked = leaks.copies(crystals)
    assert unchecked == 0
    assert same[0] == same[2] == same[5]
    assert len(set(same[[0, 1, 3, 4, 6]])) == 5
    assert near[1] == near[3]
    assert len(set(near[[0, 1, 4, 6]])) == 4


def test_nothing_else_is_taken_for_a_copy_and_nothing_is_missed(real_structures: list[Structure]) -> None:
    """Against the matcher alone on all pairs, on crystals and on slightly distorted copies of them."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    shaken = [structure.copy() for structure in real_structures[:12]]
    for structure in shaken:
        structure.perturb(0.02)
    everything = [*real_structures[:24], *shaken]
    _, near, _ = leaks.copies([crystal(structure) for structure in everything])
    matcher = StructureMatcher()
    for i, one in enumerate(everything):
        for j in range(i):
            same_formula = one.composition.reduced_formula == everything[j].composition.reduced_formula
            expected = same_formula and matcher.fit(one, everything[j])
            assert (near[i] == near[j]) == expected, (i, j)


def test_fingerprints_do_not_depend_on_the_cell_or_the_scale(real_structures: list[Structure]) -> None:
    for structure in real_structures[:10]:
        bigger = structure.copy()
        bigger.make_supercell([1, 2, 1])
        bigger.scale_lattice(bigger.volume * 1.2)
        one, other = leaks.fingerprints([crystal(structure), crystal(bigger)])
        assert other == pytest.approx(one, abs=1e-5)


def test_many_polymorphs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "MAX_COMPARISONS", 3)
    near_misses = [salt() for _ in range(6)]
    for k, structure in enumerate(near_misses):
        structure.apply_strain([0.004 * k, 0, 0])
    _same, near, unchecked = leaks.copies([crystal(structure) for structure in near_misses])
    assert unchecked > 0
    assert len(set(near)) == 3  # three joins were allowed


def test_what_test_rows_share(real_structures: list[Structure]) -> None:
    crystals = [*map(crystal, (salt(), salt(), caesium_like(), salt(anion="Br"), *real_structures[:4]))]
    records = [Record(f"mp-{i}", each, 1.0, i, "t.csv") for i, each in enumerate(crystals)]
    # mp-0 and mp-1 are copies, mp-2 has their composition, mp-3 none of their elements alone.
    splits = {(2, 0): split([4, 5], [0], [1, 2, 6]), (1, 0): split([4], [0], [1, 2, 6])}
    found = leaks.find(records, splits, {"told": frozenset({"mp-1", "mp-7"}), "silent": None}, "random")
    assert found.duplicates == [["mp-0", "mp-1"]]
    assert found.seeds == [leaks.SeedLeaks(0, 3, duplicates=1, near=1, compositions=2, chemsys=2)]
    assert found.pretrained == [
        leaks.PretrainedRows("told", True, 2, [1]),
        leaks.PretrainedRows("silent", False, 0, [0]),
    ]
    text = "\n".join(found.lines())
    assert "2 of 8 rows are copies of one another" in text
    assert "33.3 % have a copy among the training rows" in text
    assert "told was trained, perhaps on another property, on 2 of the 8 crystals and 33.3 % of the test rows" in text
    assert "silent does not say" in text
    with pytest.raises(InputError, match=r"33\.3 % of the test rows have a near copy .*--split composition keeps them"):
        found.check()


def test_strict_refuses_compositions_and_pretraining_too(real_structures: list[Structure]) -> None:
    crystals = [*map(crystal, (salt(), caesium_like(), *real_structures[:4]))]
    records = [Record(f"mp-{i}", each, 1.0, i, "t.csv") for i, each in enumerate(crystals)]
    shared = leaks.find(records, {(2, 0): split([0, 2], [3], [1, 4])}, {}, "random")
    with pytest.raises(InputError, match=r"50\.0 % of the test rows have their composition among the training rows"):
        shared.check()
    apart = {(2, 0): split([0, 1], [3], [4, 5])}
    leaks.find(records, apart, {"told": frozenset({"mp-0"})}, "composition").check()
    with pytest.raises(InputError, match="told was trained on 1 of the 6 crystals, and 1 are test rows; --unseen"):
        leaks.find(records, apart, {"told": frozenset({"mp-4"})}, "composition").check()
    with pytest.raises(InputError, match="silent does not say"):
        leaks.find(records, apart, {"silent": None}, "composition").check()
