"""The inputs of ``tests/data/cases``: each is the right crystal, or refused for the right reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.data.structures.files import is_structure_file, other_files
from zoo.data.structures.parse import read_file
from zoo.errors import InputError

CASES = Path(__file__).parents[1] / "cases"

RIGHT = {
    "attached-hydrogens/attached_q.cif": ("Cl1 Na1", 2),
    "data-in-text/data_in_text.cif": ("Si1", 1),
    "dotted-names/ddlm_dots.cif": ("Cl1 Na1", 2),
    "dummy-site/calc_dum.cif": ("Cl1 Na1", 2),
    "global-block/global_first.cif": ("Cl1 Na1", 2),
    "global-block/global_last.cif": ("Cl1 Na1", 2),
    "label-guesses/NB.cif": ("C2 N2 O1", 5),
    "nbsp/nbsp.cif": ("Cl1 Na1", 2),
    "no-label-column/atomtypes_nolabel.cif": ("Cl1 Na1", 2),
    "occupancy-dot/dot_all.cif": ("O1 Ti1", 2),
    "occupancy-dot/dot_some.cif": ("O3 Ti1", 4),
    "occupancy-rounding/occ_1001.cif": ("Cl1 Na1", 2),
    "oh-labels/OH_label.cif": ("Na1 O1", 2),
    "oh-labels/diaspore.cif": ("Al1 H1 O2", 16),
    "origin-choice/spinel_none_o2coords.cif": ("Al2 Mg1 O4", 56),
    "poscar-integer-cartesian/floatcart.vasp": ("Cl1 Na1", 2),
    "poscar-integer-cartesian/intcart.vasp": ("Cl1 Na1", 2),
    "poscar-negative-scale-cartesian/basic.vasp": ("Cl1 Na1", 2),
    "poscar-negative-scale-cartesian/neg_cart.vasp": ("Cl1 Na1", 2),
    "poscar-upper-case/UPPER.vasp": ("Cl1 Na1", 2),
    "poscar-upper-case/lower.vasp": ("Cl1 Na1", 2),
    "rhombohedral-axes/cor_rhomb_HM.cif": ("Al2 O3", 10),
    "rhombohedral-axes/cor_rhomb_IT.cif": ("Al2 O3", 10),
    "settings-not-known/cor_hex_H.cif": ("Al2 O3", 30),
    "settings-not-known/cor_rhomb_R.cif": ("Al2 O3", 10),
    "settings-not-known/spinel_o1.cif": ("Al2 Mg1 O4", 56),
    "special-positions/Se4.cif": ("Se1", 3),
    "special-positions/wurtzite3.cif": ("S1 Zn1", 4),
    "symops-incomplete/missing_one.cif": ("Cl1 Li1", 8),
    "symops-incomplete/no_centering.cif": ("Cl1 Na1", 8),
    "symops-incomplete/no_identity.cif": ("Cl1 Li1", 8),
    "tag-case/UPPER.cif": ("Cl1 Na1", 2),
    "water-with-hydrogens/wat_with_H.cif": ("C1 Ca1 H2 O2", 6),
}
REFUSED = {
    "duplicate-tag/dupcell.cif": "_cell_length_a is given twice",
    "formula-mismatch/extra_elem.cif": "the sites hold Ho, which the formula in the file",
    "formula-mismatch/partialH.cif": "hydrogen atoms are missing",
    "group-symbols/CO3.cif": "'CO3' names a group of atoms",
    "group-symbols/HF_type.cif": "'HF' names a group of atoms",
    "group-symbols/NH4.cif": "'NH4' names a group of atoms",
    "group-symbols/NO3.cif": "'NO3' names a group of atoms",
    "impossible-distances/alt011.cif": "atoms 0.11 Å apart",
    "impossible-distances/group_noocc.cif": "disordered sites",
    "impossible-distances/nm.cif": "is the cell in nm?",
    "label-guesses/Ca_no_formula.cif": "'CA1' could mean several elements",
    "label-guesses/pauling_label.cif": "'Na,K' does not identify an element",
    "mixed-h-site/mixed_H_O.cif": "partial occupancy (H:0.9, O:0.1)",
    "modulated/ssg.cif": "a modulated structure",
    "poscar-counts/counts_mismatch.vasp": "3 symbols (Na Cl K) for 2 counts",
    "same-block-name/three.cif": "the CIF holds 3 structures",
    "symmetry-against-cell/angle_typo.cif": "the cell does not have the symmetry",
    "symmetry-against-cell/cubic_group_tetragonal_cell.cif": "the cell does not have the symmetry",
    "xdatcar/XDATCAR": "a trajectory of 2 frames",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_crystal(name: str) -> None:
    crystal = read_file(CASES / name)
    assert (crystal.formula, len(crystal)) == RIGHT[name]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_reason(name: str) -> None:
    with pytest.raises(InputError) as error:
        read_file(CASES / name)
    assert REFUSED[name] in str(error.value)
    assert "\n" not in str(error.value)


def test_every_structure_file_among_the_cases_is_tried() -> None:
    tried = {
        path.relative_to(CASES).as_posix() for path in CASES.rglob("*") if path.is_file() and is_structure_file(path)
    }
    elsewhere = ("id-prop-header/", "ids-repeat/", "skipped-in-folder/")
    assert {name for name in tried if not name.startswith(elsewhere)} == RIGHT.keys() | REFUSED.keys()


def test_negative_scale_applies_to_cartesian_coordinates() -> None:
    one, other = (read_file(CASES / f"poscar-negative-scale-cartesian/{name}.vasp") for name in ("basic", "neg_cart"))
    assert other.lattice == pytest.approx(one.lattice, abs=1e-3)
    assert other.frac == pytest.approx(one.frac, abs=1e-3)


def test_names_that_vasp_users_give() -> None:
    folder = CASES / "skipped-in-folder" / "names"
    files = [path for path in folder.iterdir() if is_structure_file(path)]
    assert len(files) == 18
    assert other_files(folder) == []
    assert {read_file(path).formula for path in files} == {"Cl1 Na1"}
