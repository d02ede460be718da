"""The short way for plain CIFs gives what pymatgen gives, to the last bit, or leaves the text to it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from zoo.data.crystal import Crystal
from zoo.data.structures import parse
from zoo.data.structures.cif import parse_cif
from zoo.data.structures.plain_cif import read_plain_cif
from zoo.errors import InputError

ROOT = Path(__file__).parents[3]


def by_pymatgen(text: str) -> Crystal:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Crystal.from_structure(parse_cif(text, parse.MAX_ATOMS))


def assert_same(found: Crystal | None, expected: Crystal) -> None:
    assert found is not None
    np.testing.assert_array_equal(found.numbers, expected.numbers)
    np.testing.assert_array_equal(found.lattice, expected.lattice)
    np.testing.assert_array_equal(found.frac, expected.frac)


@pytest.fixture(scope="module")
def cells() -> list[Structure]:
    """A hundred crystals of the examples."""
    tables = [pd.read_csv(ROOT / "examples" / f"{name}.csv", comment="#") for name in ("dielectric", "bulk_modulus")]
    texts = [text for table in tables for text in table.structure.iloc[:: len(table) // 50].iloc[:50]]
    return [Poscar.from_str(text).structure for text in texts]


def charged(cell: Structure) -> Structure:
    copy = cell.copy()
    copy.add_oxidation_state_by_element({element.symbol: 2 for element in cell.composition.elements})
    return copy


@pytest.mark.filterwarnings("ignore:Site labels are not unique")
@pytest.mark.parametrize(
    ("options", "with_charges"),
    [({}, False), ({"symprec": 0.01}, False), ({"symprec": 0.01, "significant_figures": 4}, False), ({}, True)],
    ids=["P1", "symmetrised", "rounded", "charged"],
)
def test_equal_to_pymatgen_on_real_crystals(
    options: dict[str, float], with_charges: bool, cells: list[Structure]
) -> None:
    """Four hundred files in all; every one of them is plain."""
    for cell in cells:
        text = str(CifWriter(charged(cell) if with_charges else cell, **options))
        assert_same(read_plain_cif(text), by_pymatgen(text))


@pytest.mark.parametrize(("symbol", "side"), [("He", 4.24), ("Ne", 4.46), ("Ar", 5.31)])
def test_noble_gases_are_plain_by_themselves_alone(symbol: str, side: float) -> None:
    """They have no electronegativity, which pymatgen sorts sites by: beside another element no rule gives its order."""
    solid = Structure.from_spacegroup("Fm-3m", Lattice.cubic(side), [symbol], [[0, 0, 0]])
    mixed = Structure(solid.lattice, [symbol, "Xe", symbol, "Xe"], solid.frac_coords)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        texts = [str(CifWriter(solid, symprec=symprec)) for symprec in (None, 0.01)]
        beside = str(CifWriter(mixed))
    for text in texts:
        assert_same(read_plain_cif(text), by_pymatgen(text))
    assert read_plain_cif(beside) is None
    assert len(by_pymatgen(beside)) == 4


PLAIN = """# a comment
data_CsCl
_symmetry_space_group_name_H-M   'P m -3 m'
_cell_length_a   4.123(2)
_cell_length_b   4.123(2)
_cell_length_c   4.123(2)
_cell_angle_alpha   90
_cell_angle_beta   90.
_cell_angle_gamma   90.000
_chemical_formula_sum   'Cs1 Cl1'
loop_
 _symmetry_equiv_pos_as_xyz
  'x, y, z'
  '-x, -y, -z'
  'y, z, x'
  'x, -y+1/2, z+0.5'
loop_
 _atom_site_type_symbol
 _atom_site_label
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
  Cs  Cs0  0.3333  0.0  .25  1
  Cl  Cl1  0.1(1)  5e-1  -0.6667  1.0
"""

VARIANTS = {
    "as it is": ("", ""),
    "comment lines": ("loop_\n _atom", "# here\n\n  # and here\nloop_\n _atom"),
    "the newer name of the operations": ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz"),
    "double quotes": ("'y, z, x'", '"y, z, x"'),
    "operations without quotes": ("'y, z, x'", "y,z,x"),
    "signs in front": ("'y, z, x'", "'+y, +z, +x'"),
    "capital letters": ("'y, z, x'", "'Y, Z, X'"),
    "translation first": ("'x, -y+1/2, z+0.5'", "'x, 1/2-y, 1/2+z'"),
    "charges": ("  Cs  Cs0", "  Cs1+  Cs0"),
    "labels alone": (" _atom_site_type_symbol\n", ""),
    "no formula": ("_chemical_formula_sum   'Cs1 Cl1'\n", ""),
    "no occupancy": (" _atom_site_occupancy\n", ""),
    "tabs": ("_cell_length_a   ", "_cell_length_a\t"),
    "an item more": ("_cell_length_a", "_journal_year   2021\n_cell_length_a"),
    "a loop more": ("loop_\n _atom", "loop_\n_citation_id\n_citation_year\n1 1999\n2 2001\nloop_\n _atom"),
    "a hexagonal cell": ("_cell_angle_gamma   90.000", "_cell_angle_gamma   120.0"),
    "no line end": ("1.0\n", "1.0"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_equal_to_pymatgen_on_odd_but_plain_texts(name: str) -> None:
    text = PLAIN.replace(*VARIANTS[name])
    if name == "labels alone":
        text = text.replace("  Cs  Cs0", "  Cs0").replace("  Cl  Cl1", "  Cl1")
    if name == "no occupancy":
        text = text.replace(".25  1\n", ".25\n").replace("-0.6667  1.0\n", "-0.6667\n")
    if name == "a hexagonal cell":
        text = text.replace("  'y, z, x'\n", "")
    if name != "as it is":
        assert text != PLAIN
    assert_same(read_plain_cif(text), by_pymatgen(text))


LEFT = {
    "partial occupancy": (".25  1\n", ".25  0.5\n"),
    "a symbol that is no element": ("  Cs  Cs0", "  Xx  Cs0"),
    "deuterium": ("  Cl  Cl1", "  D  D1"),
    "water": ("  Cl  Cl1", "  OH2  Cl1"),
    "a coordinate that is missing": ("5e-1", "?"),
    "an operation with another name": ("_symmetry_equiv_pos_as_xyz", "_my_own_xyz"),
    "an operation that is none": ("'y, z, x'", "'y, y, x'"),
    "an operation with words in it": ("'y, z, x'", "'y, z, x, and more'"),
    "no operations for a space group": ("'x, y, z'\n  '-x, -y, -z'\n  'y, z, x'\n  'x, -y+1/2, z+0.5'\n", ""),
    "two blocks": ("# a comment", "data_first\n_cell_length_a 3"),
    "no block": ("data_CsCl\n", ""),
    "text over lines": ("_cell_length_a   4", "_note\n;\nsome text\n;\n_cell_length_a   4"),
    "a value on the next line": ("_cell_length_a   4.123(2)", "_cell_length_a\n4.123(2)"),
    "a length that is missing": ("_cell_length_a   4.123(2)\n", ""),
    "a flat cell": ("_cell_angle_gamma   90.000", "_cell_angle_gamma   179.9"),
    "a site twice": ("  Cl  Cl1", "  Cs  Cs2  0.3333  0.0  .25  1\n  Cl  Cl1"),
    "an element of the formula that no site holds": ("'Cs1 Cl1'", "'Cs1 Cl1 O1'"),
    "a broken formula": ("'Cs1 Cl1'", "'Cs1 Cl1 n'"),
    "magnetic moments": ("_cell_length_a   4", "_atom_site_moment_label Cs\n_cell_length_a   4"),
    "a row too short": (".25  1\n", ".25\n"),
    "letters beyond ASCII": ("# a comment", "# Å"),
    "a value twice": ("_cell_length_a   4", "_cell_length_b   4\n_cell_length_a   4"),
    "a comment in a row": (".25  1\n", ".25  1 # yes\n"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_plain_is_left_to_pymatgen(name: str) -> None:
    text = PLAIN.replace(*LEFT[name])
    assert text != PLAIN
    assert read_plain_cif(text) is None


def test_both_ways_end_in_one_door() -> None:
    """`structures.parse` takes the short way where there is one, and words refusals as ever where there is none."""
    assert_same(parse.parse(PLAIN), by_pymatgen(PLAIN))
    with pytest.raises(InputError, match="partial occupancy"):
        parse.parse(PLAIN.replace(*LEFT["partial occupancy"]))
    assert len(parse.parse(PLAIN.replace(*LEFT["a value on the next line"]))) == len(by_pymatgen(PLAIN))


def test_the_short_way_needs_no_pymatgen() -> None:
    code = "import sys; from zoo.data.structures.parse import parse; parse(sys.stdin.read()); "
    code += "print('pymatgen' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], input=PLAIN, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
