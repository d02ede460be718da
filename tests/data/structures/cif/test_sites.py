"""Sites of a CIF: elements from symbols or labels, coordinates with their precision, and what is disordered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.data.structures.cif.blocks import read_blocks
from zoo.data.structures.cif.sites import read_sites
from zoo.data.structures.statements import Statements
from zoo.errors import InputError

SALT = (Path(__file__).parents[2] / "nacl.cif").read_text()
LATTICE = np.eye(3) * 5.6402


def sites(text: str, lattice: np.ndarray = LATTICE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (block,) = read_blocks(text)
    return read_sites(block, lattice, Statements(), 0)


def with_sites(columns: str, *rows: str) -> str:
    names = "\n".join(f"_atom_site_{name}" for name in columns.split())
    return f"data_x\nloop_\n{names}\n" + "\n".join(rows)


XYZ = "fract_x fract_y fract_z"


def test_rock_salt() -> None:
    numbers, frac, units = sites(SALT)
    assert numbers.tolist() == [11, 17]
    assert frac.tolist() == [[0, 0, 0], [0.5, 0.5, 0.5]]
    assert units.tolist() == [[5e-4] * 3] * 2  # exact, but for rounding


def test_precision_is_half_a_unit_of_the_last_digit() -> None:
    _, frac, units = sites(with_sites(f"type_symbol {XYZ}", "O 0.3064(2) 0.25 .12345"))
    np.testing.assert_allclose(frac, [[0.3064, 0.25, 0.12345]])
    np.testing.assert_allclose(units, [[0.5e-4, 0.5e-2, 0.5e-5]])


def test_thirds_are_exact() -> None:
    _, frac, _ = sites(with_sites(f"type_symbol {XYZ}", "Mg 0.3333 0.66667 0.3343"))
    assert frac.tolist() == [[1 / 3, 2 / 3, 0.3343]]


@pytest.mark.parametrize(("label", "number"), [("Fe1", 26), ("O2A", 8), ("Cl3", 17), ("D1", 1), ("Si", 14)])
def test_labels_without_symbols(label: str, number: int) -> None:
    assert sites(with_sites(f"label {XYZ}", f"{label} 0 0 0"))[0].tolist() == [number]


def test_dummies_and_empty_sites_hold_no_atom() -> None:
    text = with_sites(f"type_symbol occupancy calc_flag {XYZ}", "Na 1 . 0 0 0", "Cl 0 . .5 .5 .5", "Cl 1 dum .5 0 0")
    assert sites(text)[0].tolist() == [11]


def test_cartesian_coordinates_through_the_matrix_of_the_file() -> None:
    matrix = "".join(
        f"_atom_sites_fract_transf_matrix[{i}][{j}] {0.25 if i == j else 0}\n" for i in (1, 2, 3) for j in (1, 2, 3)
    )
    vector = "".join(f"_atom_sites_fract_transf_vector[{i}] 0\n" for i in (1, 2, 3))
    loop = "loop_\n_atom_site_type_symbol\n_atom_site_cartn_x\n_atom_site_cartn_y\n_atom_site_cartn_z\nPo 1 2 3\n"
    text = f"data_x\n{matrix}{vector}{loop}"
    np.testing.assert_allclose(sites(text, np.eye(3) * 4)[1], [[0.25, 0.5, 0.75]])
    with pytest.raises(InputError, match="does not belong to its cell"):
        sites(text, np.eye(3) * 5)
    with pytest.raises(InputError, match="there are no fractional coordinates"):
        sites(f"data_x\n{loop}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            with_sites(f"type_symbol occupancy {XYZ}", "Cu 0.75 0 0 0", "Au 0.25 0 0 0"),
            "partial occupancy (Cu:0.75, Au:0.25); zoo needs ordered structures",
        ),
        (with_sites(f"type_symbol occupancy {XYZ}", "Cu 1.5 0 0 0"), "broken CIF: an occupancy of 1.5, more than 1"),
        (with_sites(f"type_symbol occupancy {XYZ}", "Cu x 0 0 0"), "broken CIF: the occupancy 'x' is not a number"),
        (
            with_sites(f"type_symbol disorder_group {XYZ}", "O 1 0 0 0", "O 2 .1 0 0"),
            "disordered sites (disorder group ",
        ),
        (with_sites(XYZ, "0 0 0"), "broken CIF: the sites have neither a type symbol nor a label"),
        (with_sites("type_symbol fract_x fract_y", "O 0 0"), "broken CIF: the sites need three coordinates each"),
        (with_sites(f"type_symbol {XYZ}", "O 0 0 x"), "the CIF has the coordinate 'x', which is not a number"),
        (with_sites(f"type_symbol {XYZ}", "O 0 0 nan"), "the lattice or a coordinate is not a finite number"),
        (with_sites(f"type_symbol occupancy {XYZ}", "O 0 0 0 0"), "the structure has no atoms"),
        (
            with_sites(f"type_symbol attached_hydrogens {XYZ}", "O 2 0 0 0"),
            "the CIF implies hydrogen atoms that have no coordinates",
        ),
    ],
)
def test_sites_that_hold_no_one_element_are_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        sites(text)
    assert str(error.value).startswith(reason)


def test_what_a_second_loop_says_of_the_sites_is_not_overlooked() -> None:
    text = with_sites(f"label {XYZ}", "Na1 0 0 0", "Cl1 .5 .5 .5")
    shares = "loop_\n_atom_site_label\n_atom_site_occupancy\nNa1 0.5\nCl1 1\n"
    with pytest.raises(InputError, match="_atom_site_occupancy is not in the loop of the coordinates"):
        sites(f"{text}\n{shares}")
