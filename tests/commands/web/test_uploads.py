"""Files of an upload: names, limits, and nothing left behind."""

from __future__ import annotations

import io
import tempfile
from typing import TYPE_CHECKING

import pytest

from zoo.commands.web.uploads import LIMITS, read_uploads
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

POSCAR = b"Si\n1.0\n0 2.7155 2.7155\n2.7155 0 2.7155\n2.7155 2.7155 0\nSi\n2\nDirect\n0 0 0\n0.25 0.25 0.25\n"


def test_files_of_one_name_are_told_apart_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = read_uploads([("POSCAR", io.BytesIO(POSCAR)), (r"C:\work\POSCAR", io.BytesIO(POSCAR))])
    assert [record.id for record in found.records] == ["1/POSCAR", "2/POSCAR"]
    assert [found.names[record.file] for record in found.records] == ["POSCAR", "POSCAR"]
    assert [record.crystal.formula for record in found.records] == ["Si1", "Si1"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", ".", "..", "/", ".hidden", "a\0b", "ü" * 400, "con/../x\n"])
def test_any_name_is_a_file_in_the_temporary_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = read_uploads([(name, io.BytesIO(POSCAR))])
    assert len(found.records) + len(found.rejected) == 1
    assert list(tmp_path.iterdir()) == []


def test_crystals_and_atoms_are_limited() -> None:
    frame = '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 pbc="T T T"\nSi 0 0 0\n'
    many = io.BytesIO(frame.encode() * (LIMITS.crystals + 1))
    with pytest.raises(InputError, match="501 crystals or more; at most 500 at once"):
        read_uploads([("a.xyz", many)])
    ten = "\n".join(f"{x / 10} {y / 10} {z / 10}" for x in range(10) for y in range(10) for z in range(10))
    thousand = f"Cu\n1.0\n30 0 0\n0 30 0\n0 0 30\nCu\n1000\nDirect\n{ten}".encode()
    with pytest.raises(InputError, match="cells of 11,000 atoms or more; at most 10,000 at once"):
        read_uploads([(f"{number}.vasp", io.BytesIO(thousand)) for number in range(12)])
    one_more = thousand.replace(b"\n1000\n", b"\n1001\n") + b"\n0.05 0.05 0.05"
    found = read_uploads([("large.vasp", io.BytesIO(one_more)), ("POSCAR", io.BytesIO(POSCAR))])
    assert [each.reason for each in found.rejected] == ["a cell of 1,001 atoms; at most 1,000 here, or use zoo predict"]
    assert len(found.records) == 1
