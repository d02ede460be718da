"""Databases that ASE has written are read without ASE, as ASE reads them; nothing in them is executed."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from pymatgen.io.ase import AseAtomsAdaptor

from zoo.data.structures.atoms import parse_ase
from zoo.data.structures.containers.ase_database import count_systems, is_ase_json, json_systems, systems
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core import Structure


def write(path: Path, structures: list[Structure]) -> None:
    with connect(path) as database:
        for number, structure in enumerate(structures):
            atoms = Atoms(AseAtomsAdaptor.get_atoms(structure))
            atoms.calc = SinglePointCalculator(atoms, energy=-1.5 * number)
            pairs = {"material": f"mp-{number}", "K_VRH": 100.5 + number, "stable": True}
            database.write(atoms, key_value_pairs=pairs, data={"anything": np.eye(2)})


@pytest.mark.parametrize("name", ["a.db", "a.json"])
def test_databases_are_read_as_ase_reads_them(tmp_path: Path, name: str, real_structures: list[Structure]) -> None:
    path = tmp_path / name
    write(path, real_structures[:12])
    with connect(path) as database:
        expected = list(database.select())
    if name == "a.db":
        assert count_systems(path) == 12
        found = list(systems(path))
    else:
        data = json.loads(path.read_text())
        assert is_ase_json(data)
        found = list(json_systems(data))
    assert len(found) == len(expected) == 12
    for (number, cells, arrays), row in zip(found, expected, strict=True):
        assert number == str(row.id)
        assert cells == {**row.key_value_pairs, "energy": row.energy}
        assert arrays is not None
        crystal, atoms = parse_ase(arrays), row.toatoms()
        assert crystal.numbers.tolist() == atoms.numbers.tolist()
        np.testing.assert_allclose(crystal.lattice, atoms.cell[:])
        np.testing.assert_allclose(crystal.frac @ crystal.lattice, atoms.positions, atol=1e-9)


def test_a_deleted_entry_keeps_the_numbers_of_the_others(tmp_path: Path, real_structures: list[Structure]) -> None:
    for name in ("a.db", "a.json"):
        write(tmp_path / name, real_structures[:3])
        with connect(tmp_path / name) as database:
            database.delete([2])
    assert [number for number, _, _ in systems(tmp_path / "a.db")] == ["1", "3"]
    assert [number for number, _, _ in json_systems(json.loads((tmp_path / "a.json").read_text()))] == ["1", "3"]


def test_periodicity_is_kept(tmp_path: Path) -> None:
    with connect(tmp_path / "a.db") as database:
        database.write(Atoms("Si", cell=[4, 4, 9], pbc=[True, True, False]))
    ((_, _, arrays),) = systems(tmp_path / "a.db")
    assert arrays is not None
    with pytest.raises(InputError, match=r"pbc = T T F"):
        parse_ase(arrays)


def changed(path: Path, *statements: str) -> Path:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


def test_broken_arrays_are_none(tmp_path: Path, real_structures: list[Structure]) -> None:
    path = tmp_path / "a.db"
    write(path, real_structures[:5])
    changed(
        path,
        "UPDATE systems SET positions = substr(positions, 9) WHERE id = 1",
        "UPDATE systems SET cell = NULL WHERE id = 2",
        "UPDATE systems SET pbc = 'yes' WHERE id = 3",
        "UPDATE systems SET key_value_pairs = '{broken' WHERE id = 4",
    )
    found = list(systems(path))
    assert [arrays is None for _, _, arrays in found] == [True, True, True, False, False]
    assert found[3][1] == {"energy": -4.5}
    entry = json.loads('{"1": 3, "ids": [1, 7], "nextid": 8}')
    assert list(json_systems(entry)) == [("1", {}, None), ("7", {}, None)]


def test_what_is_no_database_of_ase_is_refused(tmp_path: Path, real_structures: list[Structure]) -> None:
    (tmp_path / "text.db").write_text("hello" * 1000)
    (tmp_path / "other.db").touch()
    changed(tmp_path / "other.db", "CREATE TABLE people (name TEXT)")
    changed(tmp_path / "few.db", "CREATE TABLE systems (id INTEGER, numbers BLOB)")
    changed(
        tmp_path / "view.db",
        "CREATE TABLE real (id INTEGER)",
        "CREATE VIEW systems AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n",
    )
    write(tmp_path / "cut.db", real_structures[:5])
    (tmp_path / "cut.db").write_bytes((tmp_path / "cut.db").read_bytes()[:9000])
    for name in ("text.db", "other.db", "few.db", "view.db", "cut.db"):
        with pytest.raises(InputError, match=rf"{name}: not a database of ASE"):
            list(systems(tmp_path / name))


def test_reading_changes_nothing(tmp_path: Path, real_structures: list[Structure]) -> None:
    write(tmp_path / "a b?.db", real_structures[:2])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(list(systems(tmp_path / "a b?.db"))) == 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_key_value_pairs_that_are_none(tmp_path: Path, real_structures: list[Structure]) -> None:
    path = tmp_path / "a.db"
    write(path, real_structures[:2])
    with sqlite3.connect(path) as database:
        database.execute("""UPDATE systems SET key_value_pairs = '["K_VRH", 1]' WHERE id = 1""")
    (first, cells, arrays), (_, others, _) = systems(path)
    assert (first, cells, arrays is None) == ("1", {"energy": 0.0}, False)
    assert others["material"] == "mp-1"
