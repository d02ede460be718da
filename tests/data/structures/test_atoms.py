"""Atoms of ASE and JARVIS: the same crystals as ASE's own, and nothing that is not one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io.cif import read_cif
from ase.io.jsonio import encode
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from zoo.data.structures.atoms import check_occupancy, check_periodic, from_ase, from_jarvis, parse_ase, parse_jarvis
from zoo.errors import InputError

ZINCBLENDE = bulk("ZnS", "zincblende", a=5.41)


def same(crystal: Any, atoms: Atoms) -> None:
    assert crystal.numbers.tolist() == atoms.numbers.tolist()
    np.testing.assert_allclose(crystal.lattice, atoms.cell[:])
    np.testing.assert_allclose(crystal.frac, atoms.get_scaled_positions(wrap=False), atol=1e-12)


def test_triclinic_cells_and_atoms_outside_of_them() -> None:
    atoms = Atoms("TiO2", [[0, 0, 0], [-3.1, 0.2, 9.4], [2, 2, 2]], cell=[5, 6, 7, 80, 95, 110], pbc=True)
    same(from_ase(atoms), atoms)
    same(parse_ase(atoms.todict()), atoms)


def test_ases_json_has_its_own_form_of_arrays() -> None:
    same(parse_ase(json.loads(encode(ZINCBLENDE.todict()))), ZINCBLENDE)
    rows = {"numbers": [30, 16], "positions": ZINCBLENDE.positions.tolist(), "cell": ZINCBLENDE.cell.tolist()}
    same(parse_ase({**rows, "pbc": [True] * 3}), ZINCBLENDE)
    assert parse_ase({"numbers": [14], "positions": [0, 0, 0], "cell": [3, 3, 3], "pbc": 1}).volume == pytest.approx(27)


def test_a_disordered_crystal_that_ase_has_read_is_refused(tmp_path: Any) -> None:
    """ASE keeps only the most frequent element of a site, and the truth in ``info``."""
    alloy = Structure(Lattice.cubic(3.75), [{"Cu": 0.75, "Au": 0.25}], [[0, 0, 0]])
    (tmp_path / "alloy.cif").write_text(str(CifWriter(alloy)))
    atoms = next(iter(read_cif(str(tmp_path / "alloy.cif"), slice(None))))
    assert atoms.get_chemical_formula() == "Cu"
    with pytest.raises(InputError, match=r"^partial occupancy \(Cu:0\.75, Au:0\.25\)"):
        from_ase(atoms)
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    (tmp_path / "salt.cif").write_text(str(CifWriter(salt)))
    assert from_ase(next(iter(read_cif(str(tmp_path / "salt.cif"), slice(None))))).formula == "Cl1 Na1"


def test_occupancies_per_atom() -> None:
    atoms = ZINCBLENDE.copy()
    atoms.set_array("occupancies", np.array([1.0, 1.0]))
    same(from_ase(atoms), atoms)
    atoms.arrays["occupancies"][1] = 0.4
    with pytest.raises(InputError, match=r"^partial occupancy \(0\.4\)"):
        from_ase(atoms)
    check_occupancy({"info": None})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cell": [3, 3, 3, 90, 90, 90]}, "the cell has 6 numbers, not 9"),
        ({"cell": np.zeros((3, 3))}, "an Atoms without a cell"),
        ({"positions": [[0, 0, 0]]}, "3 coordinates do not fit 2 atoms"),
        ({"positions": "far"}, "positions is not a list of numbers"),
        ({"positions": [[0, 0, 0], [0, 0, np.nan]]}, "positions holds a value that is not a finite number"),
        ({"numbers": [30.5, 16]}, "not a whole number"),
        ({"numbers": [30] * 20_000, "positions": np.zeros((20_000, 3))}, "20000 atoms; at most 10000 are allowed"),
        ({"pbc": False}, "not periodic"),
        ({"cell": {"array": {"__ndarray__": [3]}}}, "cell is not a list of numbers"),
    ],
)
def test_dictionaries_of_ase_that_are_broken(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_ase({**ZINCBLENDE.todict(), **changes})


def test_periodicity() -> None:
    check_periodic(True)
    check_periodic([1, 1, 1])
    with pytest.raises(InputError, match=r"pbc = F T T"):
        check_periodic((False, True, True))


def test_jarvis_in_both_kinds_of_coordinates() -> None:
    fractions = {
        "lattice_mat": ZINCBLENDE.cell.tolist(),
        "elements": ["Zn", "S"],
        "coords": [[0, 0, 0], [0.25, 0.25, 0.25]],
        "cartesian": False,
    }
    same(parse_jarvis(fractions), ZINCBLENDE)
    same(parse_jarvis({**fractions, "coords": ZINCBLENDE.positions.tolist(), "cartesian": True}), ZINCBLENDE)

    class Given:
        def to_dict(self) -> dict[str, Any]:
            return fractions

    same(from_jarvis(Given()), ZINCBLENDE)
    for changes, reason in (
        ({"elements": "ZnS"}, "'elements' is not a list"),
        ({"lattice_mat": [1, 2]}, "the lattice has 2 numbers"),
        ({"abc": [3.8]}, "the dictionary says abc"),
    ):
        with pytest.raises(InputError, match=reason):
            parse_jarvis({**fractions, **changes})
