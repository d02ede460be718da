"""Tables of four rock-salt crystals with their bulk moduli, and what is said of such tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.registry.contracts import Task

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.data.tables.records import Record

BULK = Task("bulk-modulus", "K_VRH", "GPa", transform="log10", valid=(0.1, 1000), aliases=("bulk_modulus",))

ROCK_SALT = {"NaCl": 5.64, "KCl": 6.29, "MgO": 4.21, "LiF": 4.03}
"""Rock-salt crystals by their lattice constants in Å."""
MODULI = {"NaCl": 24.0, "KCl": 17.4, "MgO": 160.0, "LiF": 67.0}
"""Their bulk moduli in GPa."""


def rock_salt(name: str) -> Structure:
    elements = {"NaCl": ["Na", "Cl"], "KCl": ["K", "Cl"], "MgO": ["Mg", "O"], "LiF": ["Li", "F"]}[name]
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(ROCK_SALT[name]), elements, [[0, 0, 0], [0.5, 0.5, 0.5]])


STRUCTURES = {name: rock_salt(name) for name in ROCK_SALT}
CIFS = {name: str(CifWriter(structure)) for name, structure in STRUCTURES.items()}
SALT = CIFS["NaCl"]
POSCARS = {name: Poscar(structure).get_str() for name, structure in STRUCTURES.items()}
DICTS = {name: structure.as_dict() for name, structure in STRUCTURES.items()}
FRAME = pd.DataFrame({"material_id": list(MODULI), "structure": list(CIFS.values()), "K_VRH": list(MODULI.values())})
ROWS: list[dict[str, Any]] = FRAME.to_dict("records")
NESTED = [{**row, "structure": DICTS[row["material_id"]]} for row in ROWS]


def assert_rock_salt(records: list[Record]) -> None:
    """The four crystals with their moduli, in order."""
    assert [record.id for record in records] == list(MODULI)
    assert [record.target for record in records] == list(MODULI.values())
    assert [record.row for record in records] == [1, 2, 3, 4]
    assert [record.crystal.volume for record in records] == pytest.approx([a**3 for a in ROCK_SALT.values()])


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def message(path: Path, task: Task = BULK, **options: Any) -> str:
    """The one line that a table is refused with."""
    with pytest.raises(InputError) as error:
        read_table(path, task, **options)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith((str(path), "--"))
    return str(error.value).removeprefix(f"{path}: ")


def reasons(path: Path, task: Task = BULK, **options: Any) -> list[str]:
    """The rejected rows of a table, one line each, without the path."""
    table = read_table(path, task, max_rejected=1.0, **options)
    for rejection in table.rejected:
        assert "\n" not in str(rejection)
    return [str(rejection).removeprefix(f"{path} ") for rejection in table.rejected]
