"""Crystals are recognised by their structure: in any description, and with the Materials Project's identifiers."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.analysis import known_crystals
from zoo.analysis.known_crystals import NEAR, SAME, KnownCrystals, Match, fingerprints
from zoo.data.crystal import Crystal
from zoo.errors import InputError
from zoo.registry import backbones
from zoo.registry.backbones import CRYSTALS_FILE

if TYPE_CHECKING:
    from pymatgen.core import Structure

SHELF = Path(__file__).parents[2] / "cards" / "ids" / CRYSTALS_FILE


def crystal(structure: Structure) -> Crystal:
    return Crystal.from_structure(structure)


@pytest.fixture(scope="module")
def shelf() -> KnownCrystals:
    return KnownCrystals.read(SHELF)


def descriptions(structure: Structure) -> dict[str, Structure]:
    """Return the same crystal with other atoms first, another origin, orientation and cell, and rounded."""
    import spglib
    from pymatgen.core import Lattice, Structure
    from scipy.spatial.transform import Rotation

    moved = structure.copy()
    moved.translate_sites(range(len(moved)), [0.31, 0.77, 0.13])
    bigger = structure.copy()
    bigger.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    turn = Rotation.from_rotvec([0.4, -1.1, 0.6]).as_matrix()
    turned = Structure(Lattice(structure.lattice.matrix @ turn), structure.species, structure.frac_coords)
    noisy = structure.copy()
    noisy.perturb(1e-4)
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    lattice, frac, numbers = spglib.find_primitive(cell, symprec=1e-3)
    return {
        "reversed": Structure.from_sites(list(structure)[::-1]),
        "moved": moved,
        "bigger": bigger,
        "turned": turned,
        "noisy": noisy,
        "primitive": Structure(lattice, numbers, frac),
        "Niggli": structure.get_reduced_structure("niggli"),
    }


def test_a_crystal_is_recognised_in_any_description(real_structures: list[Structure]) -> None:
    rows = [(str(row), crystal(structure)) for row, structure in enumerate(real_structures)]
    known = KnownCrystals.build(rows)
    assert len(known) == len(rows)
    for row, structure in enumerate(real_structures[:15]):
        for what, copy in descriptions(structure).items():
            (found,) = known.matches([crystal(copy)])
            assert found[0] == Match(str(row), same=True), what


def test_ids_of_several_lines_do_not_break_the_list(tmp_path: Path, real_structures: list[Structure]) -> None:
    rows = [("a\nb", crystal(real_structures[0])), ("c", crystal(real_structures[1]))]
    KnownCrystals.build(rows).write(tmp_path / CRYSTALS_FILE)
    assert sorted(KnownCrystals.read(tmp_path / CRYSTALS_FILE).ids) == ["a b", "c"]


def test_strain_is_nearly_the_same_and_other_structures_are_not() -> None:
    """Ideal polytypes have equal first neighbours; orders on one lattice differ in the second neighbours alone."""
    from pymatgen.core import Lattice, Structure

    length = 5.41 / 2**0.5
    zincblende = Structure.from_spacegroup("F-43m", Lattice.cubic(5.41), ["Zn", "S"], [[0, 0, 0], [0.25] * 3])
    wurtzite = Structure.from_spacegroup(
        "P6_3mc",
        Lattice.hexagonal(length, length * (8 / 3) ** 0.5),
        ["Zn", "S"],
        [[1 / 3, 2 / 3, u] for u in (0, 0.375)],
    )
    rocksalt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.1), ["Zn", "S"], [[0, 0, 0], [0.5, 0, 0]])
    faces = [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    l1_2 = Structure(Lattice.cubic(3.75), ["Au", "Cu", "Cu", "Cu"], [[0, 0, 0], *faces])
    layers = [[0, 0.5, z] for z in (0.25, 0.75)] + [[0.5, 0, z] for z in (0.25, 0.75)]
    d0_22 = Structure(
        Lattice.tetragonal(3.75, 7.5),
        ["Au"] * 2 + ["Cu"] * 6,
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0, 0, 0.5], *layers],
    )
    stretched = zincblende.copy()
    stretched.apply_strain(0.02)
    swapped = zincblende.copy()
    swapped.replace_species({"Zn": "Cd"})
    known = KnownCrystals.build([("zincblende", crystal(zincblende)), ("L1_2", crystal(l1_2))])
    found = known.matches([*map(crystal, (stretched, wurtzite, rocksalt, d0_22, swapped))])
    assert found == [[Match("zincblende", same=False)], [], [], [], []]


def test_experimental_crystals_have_the_identifiers_of_the_materials_project(shelf: KnownCrystals) -> None:
    """Cells measured by X-rays (Wyckoff, Crystal Structures, 1963), which density functionals miss by up to 2 %."""
    from pymatgen.core import Lattice, Structure

    measured = {
        "mp-22862": Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.640), ["Na", "Cl"], [[0] * 3, [0.5, 0, 0]]),
        "mp-22865": Structure(Lattice.cubic(4.123), ["Cs", "Cl"], [[0] * 3, [0.5] * 3]),
        "mp-149": Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.431), ["Si"], [[0] * 3]),
        "mp-66": Structure.from_spacegroup("Fd-3m", Lattice.cubic(3.567), ["C"], [[0] * 3]),
        "mp-30": Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.615), ["Cu"], [[0] * 3]),
        "mp-2657": Structure.from_spacegroup(
            "P4_2/mnm", Lattice.tetragonal(4.594, 2.958), ["Ti", "O"], [[0] * 3, [0.306, 0.306, 0]]
        ),
        "mp-1143": Structure.from_spacegroup(
            "R-3c", Lattice.hexagonal(4.759, 12.993), ["Al", "O"], [[0, 0, 0.352], [0.306, 0, 0.25]]
        ),
    }
    found = shelf.matches([*map(crystal, measured.values())])
    assert {name: [match.id for match in matches[:1]] for name, matches in zip(measured, found, strict=True)} == {
        name: [name] for name in measured
    }


def test_the_shelf_lists_what_its_backbones_were_trained_on(shelf: KnownCrystals) -> None:
    ids = frozenset[str]().union(*map(backbones.training_ids, backbones.shelf()))
    listed = set(shelf.ids)
    assert listed <= ids
    assert len(ids - listed) < 10  # those without a graph
    assert SHELF.stat().st_size < 1_600_000


def test_a_list_is_read_as_it_was_written(real_structures: list[Structure], tmp_path: Path) -> None:
    rows = [(f"Ω{row}", crystal(structure)) for row, structure in enumerate(real_structures[:9])]
    known = KnownCrystals.build(rows)
    known.write(tmp_path / "a" / CRYSTALS_FILE)
    known.write(tmp_path / "b" / CRYSTALS_FILE)
    assert (tmp_path / "a" / CRYSTALS_FILE).read_bytes() == (tmp_path / "b" / CRYSTALS_FILE).read_bytes()
    again = KnownCrystals.read(tmp_path / "a" / CRYSTALS_FILE)
    assert again.ids == known.ids
    assert again.keys.tolist() == known.keys.tolist()
    assert again.fingerprints.tolist() == known.fingerprints.tolist()
    path = tmp_path / "a" / CRYSTALS_FILE
    assert known_crystals.read_cached(path) is known_crystals.read_cached(path)
    assert known_crystals.read_cached(tmp_path / "none.gz") is None
    some = known.only({"Ω3", "Ω7", "another"})
    assert sorted(some.ids) == ["Ω3", "Ω7"]
    assert some.matches([rows[3][1], rows[4][1]]) == [[Match("Ω3", same=True)], []]
    empty = KnownCrystals.build([])
    empty.write(tmp_path / CRYSTALS_FILE)
    assert KnownCrystals.read(tmp_path / CRYSTALS_FILE).matches([rows[0][1]]) == [[]]


def test_a_crystal_without_a_graph_is_in_no_list_and_has_no_match(real_structures: list[Structure]) -> None:
    fine = crystal(real_structures[0])
    double = Crystal(np.array([11, 11]), 5 * np.eye(3), np.zeros((2, 3)))
    known = KnownCrystals.build([("double", double), ("fine", fine)])
    assert known.ids == ["fine"]
    assert known.matches([double, fine]) == [[], [Match("fine", same=True)]]
    assert np.isnan(fingerprints([double])).all()


def test_a_file_that_is_no_list_is_named(tmp_path: Path) -> None:
    whole = SHELF.read_bytes()
    for content in (b"", b"text", gzip.compress(b"text"), whole[: len(whole) // 2]):
        (tmp_path / CRYSTALS_FILE).write_bytes(content)
        with pytest.raises(InputError, match=r"crystals\.safetensors\.gz: not a list of known crystals"):
            KnownCrystals.read(tmp_path / CRYSTALS_FILE)


def test_the_same_is_nearer_than_nearly_the_same() -> None:
    assert all(same < near for same, near in zip(SAME, NEAR, strict=True))


def test_the_nearest_of_the_same_composition_come_first() -> None:
    """Rock salt and the cesium chloride structure of one compound, and rock salt stretched by 1 % and 5 %."""
    from pymatgen.core import Lattice, Structure

    def salt(length: float) -> Crystal:
        return crystal(
            Structure.from_spacegroup("Fm-3m", Lattice.cubic(length), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]])
        )

    other = Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.47), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    known = KnownCrystals.build(
        [("other", crystal(other)), ("5 %", salt(5.64 * 1.05)), ("same", salt(5.64)), ("0.5 %", salt(5.64 * 1.005))]
    )
    found = known.nearest(salt(5.64))
    assert [each.id for each in found] == ["same", "0.5 %", "5 %", "other"]
    assert found[0].distance == 0
    assert found[0].volume == 1
    assert found[1].distance <= 1 < found[2].distance
    assert found[2].volume == pytest.approx(1.05**3, rel=0.005)
    assert found[3].volume == pytest.approx(3.47**3 / 2 / (5.64**3 / 8), rel=0.005)
    assert known.nearest(Crystal(np.array([14]), 2.5 * np.eye(3), np.zeros((1, 3)))) == []
