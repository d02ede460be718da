"""Whole CIFs of real crystals: cell, symmetry, the order of atoms, and statements that contradict each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.data.structures.cif.reader import parse_cif
from zoo.errors import InputError

SALT = (Path(__file__).parents[2] / "nacl.cif").read_text()
CORUNDUM = """data_Al2O3
_symmetry_space_group_name_H-M 'R -3 c'
_cell_length_a 4.759
_cell_length_b 4.759
_cell_length_c 12.991
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120
_cell_formula_units_Z 6
_cell_volume 254.8
_chemical_formula_sum 'Al2 O3'
loop_
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
O 0.3064 0 0.25
Al 0 0 0.3522
"""


def test_rock_salt_from_its_space_group() -> None:
    salt = parse_cif(SALT)
    assert salt.numbers.tolist() == [11] * 4 + [17] * 4  # by electronegativity
    assert salt.volume == pytest.approx(5.6402**3)
    halves = {tuple(row) for row in (salt.frac[:4] * 2).astype(int).tolist()}
    assert halves == {(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)}


def test_corundum() -> None:
    corundum = parse_cif(CORUNDUM)
    assert corundum.numbers.tolist() == [13] * 12 + [8] * 18
    assert corundum.volume == pytest.approx(4.759**2 * 12.991 * np.sqrt(3) / 2)
    lengths = np.linalg.norm(corundum.lattice, axis=1)
    assert lengths == pytest.approx([4.759, 4.759, 12.991])
    apart = corundum.frac[:1] - corundum.frac[12:]
    apart -= np.round(apart)
    distances = np.sort(np.linalg.norm(apart @ corundum.lattice, axis=1))
    assert distances[:6] == pytest.approx([1.855] * 3 + [1.972] * 3, abs=0.005)  # AlO6 of Al2O3


def test_the_rhombohedral_setting_is_told_by_the_cell() -> None:
    sites = CORUNDUM.replace("O 0.3064 0 0.25", "O 0.5564 0.9436 0.25").replace("Al 0 0 0.3522", "Al .3522 .3522 .3522")
    sites = (
        sites.replace(" 4.759", " 5.128")
        .replace(" 12.991", " 5.128")
        .replace(" 90", " 55.29")
        .replace(" 120", " 55.29")
    )
    sites = sites.replace("Z 6", "Z 2").replace("254.8", "84.9")
    assert np.bincount(parse_cif(sites).numbers)[[8, 13]].tolist() == [6, 4]


def test_listed_operations_are_used() -> None:
    loop = "loop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n'-x, -y, -z'\n"
    text = SALT.replace("'Fm-3m'", "'P -1'").replace("225", "2").replace("loop_", f"{loop}loop_")
    assert parse_cif(text.replace("0.5 0.5 0.5", "0.25 0.25 0.25").replace("Na Cl", "Na Cl2")).formula == "Cl2 Na1"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Z 6", "Z 4", "Z = 4"),
        ("254.8", "300", "300 Å³"),
        ("'Al2 O3'", "'Al2 O4'", "the formula in the file is"),
        ("_cell_length_b 4.759", "_cell_length_b 4.9", "the cell does not have the symmetry"),
        ("_cell_length_c 12.991", "_cell_length_c 0", "the cell has no volume"),
        ("_cell_angle_gamma 120", "_cell_angle_gamma x", "_cell_angle_gamma is 'x', not a number"),
        ("_cell_length_a 4.759\n", "", "_cell_length_a is missing"),
        ("'R -3 c'", "'F9'", "its space group 'F9' is not known"),
    ],
)
def test_contradictions_are_refused(old: str, new: str, reason: str) -> None:
    assert old in CORUNDUM
    with pytest.raises(InputError) as error:
        parse_cif(CORUNDUM.replace(old, new))
    assert reason in str(error.value)


def test_one_structure_and_no_more() -> None:
    with pytest.raises(InputError, match="the CIF holds 2 structures"):
        parse_cif(SALT + CORUNDUM)
    with pytest.raises(InputError, match="the CIF holds no crystal structure"):
        parse_cif("data_x\n_cell_length_a 5\n")


@pytest.mark.parametrize("density", ["3.99", "3.987(2)", "4.2"])
def test_the_density_of_corundum_is_confirmed(density: str) -> None:
    """3.99 g/cm³ in the literature; measured ones may differ by a few percent."""
    stated = CORUNDUM.replace("_cell_volume 254.8", f"_exptl_crystal_density_diffrn {density}")
    assert len(parse_cif(stated)) == 30


def test_a_density_that_the_atoms_do_not_have_is_refused() -> None:
    stated = CORUNDUM.replace("_cell_volume 254.8", "_exptl_crystal_density_diffrn 9.9")
    with pytest.raises(InputError, match=r"the file says 9\.9 g/cm³; its atoms give 3\.9\d g/cm³"):
        parse_cif(stated)


def test_two_origins_that_put_heavy_atoms_elsewhere_are_refused() -> None:
    iron = CORUNDUM.replace("R -3 c", "P 4/n{}").replace(" 4.759", " 8").replace(" 12.991", " 7").replace(" 120", " 90")
    iron = iron.replace("_cell_volume 254.8", "").replace("Z 6", "Z 8").replace("Al2 O3", "Fe")
    iron = iron.replace("O 0.3064 0 0.25\nAl 0 0 0.3522", "Fe 0.25 0.4872 0.8333")
    nearest = []
    for origin in (":1", ":2"):
        crystal = parse_cif(iron.format(origin))
        apart = crystal.frac[1:] - crystal.frac[0]
        apart -= np.round(apart)
        nearest.append(np.linalg.norm(apart @ crystal.lattice, axis=1).min())
    assert abs(nearest[0] - nearest[1]) > 0.1
    with pytest.raises(InputError, match="does not say which setting"):
        parse_cif(iron.format(""))


NO_FORMULA = CORUNDUM.replace("_chemical_formula_sum 'Al2 O3'\n", "").replace("_cell_formula_units_Z 6\n", "")
NOTHING = NO_FORMULA.replace("_symmetry_space_group_name_H-M 'R -3 c'\n", "")


@pytest.mark.parametrize(
    "statement",
    [
        "_space_group_name_H-M_ref 'R -3 c'",
        "_symmetry_space_group_name_HM 'R -3 c'",
        "_symmetry_space_group_name_H-M ?",
        "_symmetry_cell_setting trigonal",
        "_space_group_magn.number_BNS 167.103",
    ],
)
def test_symmetry_that_cannot_be_read_is_not_taken_for_p1(statement: str) -> None:
    with pytest.raises(InputError, match="but no space group or symmetry operations that zoo can read"):
        parse_cif(NOTHING.replace("data_Al2O3", f"data_Al2O3\n{statement}"))


def test_all_atoms_without_a_word_on_symmetry_are_a_crystal() -> None:
    assert len(parse_cif(NOTHING)) == 2
    stated = "_symmetry_cell_setting triclinic\n_chemical_formula_sum 'Al O'\n_cell_formula_units_Z 1"
    assert len(parse_cif(NOTHING.replace("data_Al2O3", f"data_Al2O3\n{stated}"))) == 2


@pytest.mark.parametrize("other", ["_space_group_name_H-M_alt 'P 1'", "_space_group_name_Hall '-P 2ybc'"])
def test_two_space_groups_are_refused(other: str) -> None:
    with pytest.raises(InputError, match="names two space groups"):
        parse_cif(CORUNDUM.replace("data_Al2O3", f"data_Al2O3\n{other}"))


def _with_multiplicities(text: str, oxygen: int, aluminium: int) -> str:
    text = text.replace("_atom_site_type_symbol\n", "_atom_site_type_symbol\n_atom_site_symmetry_multiplicity\n")
    return text.replace("O 0.3064", f"O {oxygen} 0.3064").replace("Al 0", f"Al {aluminium} 0")


def test_multiplicities_are_those_of_the_sites_or_the_orders_of_their_symmetry() -> None:
    assert len(parse_cif(_with_multiplicities(NO_FORMULA, 18, 12))) == 30
    assert len(parse_cif(_with_multiplicities(NO_FORMULA, 2, 3))) == 30  # as SHELX writes them
    with pytest.raises(InputError, match="site 1 has the multiplicity 18; the symmetry repeats it 36 times"):
        parse_cif(_with_multiplicities(NO_FORMULA.replace("0.3064 0 0.25", "0.3064 0 0.19"), 18, 12))
    with pytest.raises(InputError, match="site 1 has the multiplicity 18"):
        parse_cif(_with_multiplicities(NOTHING, 18, 12))
