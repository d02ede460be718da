"""What is predicted: files, folders and tables, read as they are asked for."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write as write_traj
from support.rocksalt import CIFS, DICTS, FRAME, POSCARS, ROWS, SALT, write_csv

from zoo.data.tables.inputs import count_records, iter_records
from zoo.data.tables.records import Record, Rejection
from zoo.errors import InputError

EXAMPLES = Path(__file__).parents[3] / "examples"
DATA = Path(__file__).parents[2] / "data"


def test_crystals_in_folders_of_a_folder_are_told(tmp_path: Path) -> None:
    """They are not read; without a word, they would be missing."""
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "salt.cif").write_text(SALT)
    not_entered = "folders in it are not entered (a and b): give them as inputs, or an archive of all"
    with pytest.raises(InputError, match=rf"no structure file in this folder .*; {re.escape(not_entered)}$"):
        iter_records([tmp_path])
    (tmp_path / "salt.cif").write_text(SALT)
    stream = iter_records([tmp_path])
    assert [record.id for record in stream] == ["salt"]
    assert stream.notes == [f"{tmp_path}: {not_entered}"]
    each = iter_records([tmp_path / "a", tmp_path / "b"])
    assert ([record.id for record in each], each.notes) == (["a/salt.cif", "b/salt.cif"], [])


def test_inputs_of_all_kinds(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.cif").write_text(CIFS["KCl"])
    (folder / "a.vasp").write_text(POSCARS["MgO"])
    (folder / "c.json").write_text(json.dumps(DICTS["LiF"]))
    (folder / "d.cif").write_text("broken")
    table = write_csv(tmp_path / "data.csv", [{"id": "t1", "structure": SALT}, {"id": "t2", "structure": "?"}])
    (tmp_path / "one.json").write_text(json.dumps(DICTS["NaCl"]))
    shutil.copy(DATA / "POSCAR_si", tmp_path / "CONTCAR")
    shutil.copy(DATA / "POSCAR_si", tmp_path / "silicon.txt")
    paths = [folder, table, tmp_path / "one.json", tmp_path / "CONTCAR", tmp_path / "silicon.txt", tmp_path / "x.y.cif"]
    (tmp_path / "x.y.cif").write_text(SALT)
    results = list(iter_records(paths))
    assert [r.id for r in results] == ["a", "b", "c", "d", "t1", "t2", "one", "CONTCAR", "silicon.txt", "x.y"]
    assert [r.crystal.chemsys for r in results if isinstance(r, Record)] == [
        *("Mg-O", "Cl-K", "F-Li", "Cl-Na", "Cl-Na", "Si", "Si", "Cl-Na")
    ]
    assert all(r.target is None for r in results if isinstance(r, Record))
    assert [str(r) for r in results if isinstance(r, Rejection)] == [
        f"{folder / 'd.cif'}: broken CIF: no line begins with data_",
        f"{table} row 2 (t2), column structure = '?': neither CIF nor POSCAR text, nor a pymatgen dictionary",
    ]
    assert count_records([path for path in paths if path.suffix != ".json"]) == 9
    assert count_records(paths) is None


def test_inputs_of_ids_with_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cifs").mkdir()
    (tmp_path / "cifs" / "s.cif").write_text(SALT)
    path = write_csv(tmp_path / "data.csv", [{"id": "s"}, {"id": "s"}, {"id": "lost"}])
    results = list(iter_records([path], structures=tmp_path / "cifs"))
    assert [type(result) for result in results] == [Record, Record, Rejection]


def test_lists_of_structures(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(list(DICTS.values())))
    results = list(iter_records([path]))
    assert [r.crystal.formula for r in results if isinstance(r, Record)] == ["Cl1 Na1", "Cl1 K1", "Mg1 O1", "F1 Li1"]


def test_unusable_inputs_raise_before_the_first_is_read(tmp_path: Path) -> None:
    good = write_csv(tmp_path / "data.csv", ROWS)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\0")
    write_traj(tmp_path / "md.traj", bulk("Si"))
    (tmp_path / "empty.csv").touch()
    (tmp_path / "folder").mkdir()
    write_csv(tmp_path / "ids.csv", [{"id": "x"}])
    for name, reason in {
        "none.cif": "there is no such file or folder",
        "folder": "no structure file in this folder (.cif, .vasp, POSCAR, .json …)",
        "notes.txt": "neither a table nor a structure file, judging by its name (neither CIF nor POSCAR text, nor",
        "picture.png": "neither a table nor a structure file, judging by its name (a binary file, not a structure)",
        "md.traj": "neither a table nor a structure file, judging by its name (a binary file, not a structure); write",
        "empty.csv": "the file is empty",
        "ids.csv": "no crystals found: ",
    }.items():
        with pytest.raises(InputError) as error:
            iter_records([good, tmp_path / name])
        assert str(error.value).startswith(f"{tmp_path / name}: {reason}")
        assert "\n" not in str(error.value)


def test_inputs_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    """A table far longer than what is read: taking two rows leaves the rest unread."""
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "structure"])
        writer.writerows([i, SALT] for i in range(20_000))
    stream = iter_records([path])
    assert [next(stream).id, next(stream).id] == ["0", "1"]
    path.write_text("")  # nobody looks at it any more than buffers did
    assert sum(1 for _ in stream) < 200


def test_counts(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "data.parquet")
    paths = [EXAMPLES / "dielectric.csv", tmp_path / "data.parquet", DATA / "nacl.cif", DATA]
    assert count_records(paths) == 1056 + 4 + 1 + 2
    assert count_records([tmp_path / "none.csv"]) is None


def test_links_to_missing_files_are_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "salt.cif").write_text(SALT)
    (tmp_path / "lost.cif").symlink_to(tmp_path / "moved" / "lost.cif")
    lost, salt = iter_records([tmp_path])
    assert isinstance(salt, Record)
    assert str(lost) == f"{tmp_path / 'lost.cif'}: there is no such file"
