"""Structure files by their names, their identifiers, and their text."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
from pathlib import Path

import pytest

from zoo.data.structures.files import (
    decode,
    find_file,
    folders_within,
    format_of,
    identifiers,
    other_files,
    read_text,
    structure_files,
)
from zoo.errors import InputError

DATA = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.cif", "cif"),
        ("A.CIF.GZ", "cif"),
        ("a.mmcif.xz", "cif"),
        ("a.cif.txt", "cif"),
        ("a.vasp", "poscar"),
        ("POSCAR", "poscar"),
        ("mp-149_POSCAR", "poscar"),
        ("CONTCAR.old", "poscar"),
        ("a.json", "json"),
        ("a.json.txt", None),
        ("a.xsf", "other"),
        ("poscar.py", None),
        ("data.csv", None),
        ("notes.txt", None),
    ],
)
def test_format_by_name(name: str, kind: str | None) -> None:
    assert format_of(name) == kind


def test_identifiers_are_as_short_as_they_can_be() -> None:
    paths = [Path(name) for name in ("/d/a.cif", "/d/a.vasp", "/d/b.cif.gz", "/d/x/POSCAR", "/d/y/POSCAR")]
    assert identifiers(paths) == ["a.cif", "a.vasp", "b", "x/POSCAR", "y/POSCAR"]
    assert identifiers([paths[2], paths[2]]) == ["b", "b"]


@pytest.mark.parametrize(
    ("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_text_of_packed_files(tmp_path: Path, suffix: str, pack: object) -> None:
    path = tmp_path / f"a.cif{suffix}"
    path.write_bytes(pack(b"data_x\r\n_cell_length_a 5\r"))  # type: ignore[operator]
    assert read_text(path) == "data_x\n_cell_length_a 5\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_encodings(encoding: str) -> None:
    text = "data_x\n_publ_author_name 'M\u00fcller'\n"
    assert decode(text.encode(encoding)) == text


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match=r"^a binary file, not a structure$"):
        decode(b"\x00\x01\x02\xff" * 100)


def test_other_files_are_named_except_hidden_ones(tmp_path: Path) -> None:
    for name in ("a.cif", "readme.md", "atom_init.json", ".hidden"):
        (tmp_path / name).touch()
    assert other_files(tmp_path) == ["atom_init.json", "readme.md"]


def test_folders_with_structure_files_are_named(tmp_path: Path) -> None:
    for name in ("b/x.cif", "a/POSCAR", "notes/readme.md", "c/deeper/x.cif", ".hidden/x.cif", "x.cif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert folders_within(tmp_path) == ["a", "b"]


def test_structure_files_are_sorted_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        "b.cif",
        "a.vasp",
        "POSCAR_3",
        "notes.txt",
        "data.csv",
        "atom_init.json",
        ".hidden.cif",
        "c.cif.gz",
    ):
        shutil.copy(DATA / "nacl.cif", tmp_path / name)
    (tmp_path / "d.cif").mkdir()
    assert [path.name for path in structure_files(tmp_path)] == ["POSCAR_3", "a.vasp", "b.cif", "c.cif.gz"]


def test_find_file(tmp_path: Path) -> None:
    for name in ("mp-1.cif", "mp-2.vasp", "mp-3.json.gz", "mp-1.5.cif"):
        (tmp_path / name).touch()
    for wanted, found in [
        ("mp-1", "mp-1.cif"),
        ("mp-2", "mp-2.vasp"),
        ("mp-3", "mp-3.json.gz"),
        ("mp-1.5", "mp-1.5.cif"),
        ("mp-2.vasp", "mp-2.vasp"),
    ]:
        assert find_file(tmp_path, wanted) == tmp_path / found
    for wanted in ("mp-9", "mp\0", "x" * 5000):
        with pytest.raises(InputError, match="no structure file: "):
            find_file(tmp_path, wanted)
