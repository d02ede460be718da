"""Archives, databases of ASE and extended XYZ as tables: identifiers, values, rejections."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from ase import Atoms
from ase.db import connect
from ase.io.extxyz import write_xyz
from pymatgen.io.ase import AseAtomsAdaptor
from support.rocksalt import BULK, CIFS, MODULI, STRUCTURES, assert_rock_salt

from zoo.data.tables.formats.containers import is_container, open_container
from zoo.data.tables.inputs import count_records, iter_records, skipped_files
from zoo.data.tables.records import Record, Rejection
from zoo.data.tables.table import read_table
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def atoms(name: str, /, **info: object) -> Atoms:
    made = Atoms(AseAtomsAdaptor.get_atoms(STRUCTURES[name]))
    made.info = info
    return made


def write(path: Path, *given: Atoms) -> Path:
    with path.open("w") as file:
        write_xyz(file, list(given))
    return path


def ids(path: Path) -> list[str]:
    return [each.id for each in iter_records([path])]


def test_targets_and_identifiers_in_extended_xyz(tmp_path: Path) -> None:
    path = write(tmp_path / "k.xyz", *(atoms(name, material_id=name, K_VRH=MODULI[name]) for name in MODULI))
    assert_rock_salt(read_table(path, BULK).records)


def test_targets_and_identifiers_in_databases_of_ase(tmp_path: Path) -> None:
    for name in ("k.db", "k.json"):
        with connect(tmp_path / name) as database:
            for formula in MODULI:
                database.write(atoms(formula), name=formula, K_VRH=MODULI[formula])
        assert_rock_salt(read_table(tmp_path / name, BULK).records)
        assert [record.id for record in read_table(tmp_path / name, BULK, only=["MgO"]).records] == ["MgO"]


def test_identifiers_of_crystals_that_have_none(tmp_path: Path) -> None:
    assert ids(write(tmp_path / "relax.extxyz", atoms("NaCl"), atoms("KCl"))) == ["relax:1", "relax:2"]
    assert ids(write(tmp_path / "one.xyz", atoms("NaCl"))) == ["one"]
    same = write(tmp_path / "same.xyz", atoms("NaCl", name="slow"), atoms("KCl", name="slow"))
    assert ids(same) == ["same:1", "same:2"]
    with connect(tmp_path / "a.db") as database:
        for name in MODULI:
            database.write(atoms(name))
        database.delete([2])
    assert ids(tmp_path / "a.db") == ["a:1", "a:3", "a:4"]


def test_a_folder_may_hold_extended_xyz(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    write(folder / "a.extxyz", atoms("NaCl"))
    write(folder / "b.extxyz", atoms("MgO"), atoms("KCl"))
    (folder / "c.cif").write_text(CIFS["LiF"])
    (folder / "molecule.xyz").write_text("1\nargon\nAr 0 0 0\n")
    found = list(iter_records([folder]))
    assert [each.id for each in found] == ["a", "b:1", "b:2", "c", "molecule"]
    assert [each.crystal.chemsys for each in found if isinstance(each, Record)] == ["Cl-Na", "Mg-O", "Cl-K", "F-Li"]
    assert isinstance(found[-1], Rejection)
    assert "the frame has no Lattice" in str(found[-1])
    assert count_records([folder]) is None


def test_archives_are_read_like_folders(tmp_path: Path) -> None:
    path = tmp_path / "new.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, text in {**CIFS, "broken": "?"}.items():
            file.writestr(f"new/{name}.cif", text)
        file.writestr("new/notes.md", "")
    found = list(iter_records([path]))
    assert [each.id for each in found] == [*CIFS, "broken"]
    assert str(found[-1]) == f"{path} row 5 (broken): broken CIF: no line begins with data_"
    assert count_records([path]) == 5
    assert skipped_files([path]) == {path: ["new/notes.md"]}


def test_a_bad_frame_is_one_rejection(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xyz", *(atoms(name) for name in MODULI))
    path.write_text(path.read_text().replace("K ", "Qq ", 1) + "5\n")
    found = list(iter_records([path]))
    assert [isinstance(each, Record) for each in found] == [True, False, True, True, False]
    assert "unknown element 'Qq'" in str(found[1])
    assert "ends after 0 of 5 atoms; the file is not read any further" in str(found[4])


@pytest.mark.parametrize("name", ["a.zip", "a.db", "a.extxyz", "a.tar.gz"])
def test_empty_and_broken_files(tmp_path: Path, name: str) -> None:
    assert is_container(tmp_path / name)
    for content in (b"", b"broken"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            open_container(tmp_path / name)
    if name == "a.db":
        (tmp_path / name).unlink()
        with connect(tmp_path / name) as database:
            database.write(atoms("NaCl"))
            database.delete([1])
        with pytest.raises(InputError, match="the database is empty"):
            open_container(tmp_path / name)
