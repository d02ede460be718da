"""Compressed tables, and those that unpack to far more than a table."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from support.rocksalt import BULK, CIFS, DICTS, FRAME, NESTED, assert_rock_salt, message

from zoo.data.tables.formats.compressed import sole_table, uncompressed_name
from zoo.data.tables.inputs import count_records, iter_records, skipped_files
from zoo.data.tables.readers import is_table, open_table
from zoo.data.tables.records import Record
from zoo.data.tables.table import read_table
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

CSV = FRAME.to_csv(index=False).encode()
PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("name", ["k.csv", "k.json", "K.JSONL"])
def test_compressed(tmp_path: Path, suffix: str, name: str) -> None:
    lines = "\n".join(map(json.dumps, NESTED)).encode()
    data = {"k.csv": CSV, "k.json": json.dumps(NESTED).encode(), "K.JSONL": lines}[name]
    path = tmp_path / f"{name}.{suffix}"
    path.write_bytes(PACKERS[suffix](data))
    assert is_table(path)
    assert uncompressed_name(path) == name.lower()
    assert_rock_salt(read_table(path, BULK).records)


def test_a_zip_of_one_table(tmp_path: Path) -> None:
    """As pandas writes it, and as a journal's supplement holds it."""
    FRAME.to_csv(tmp_path / "k.csv.zip", index=False)
    supplement = {"si/README.txt": b"see the paper", "si/K.csv": CSV, "__MACOSX/si/._K.csv": b"\0"}
    others = [
        zipped(tmp_path / "si.zip", supplement),
        zipped(tmp_path / "j.zip", {"k.json": json.dumps(NESTED).encode()}),
    ]
    for path in (tmp_path / "k.csv.zip", *others):
        assert_rock_salt(read_table(path, BULK).records)
        assert count_records([path]) in (4, None)
        assert skipped_files([path]) == {}
        assert len([record for record in iter_records([path]) if isinstance(record, Record)]) == 4


def test_other_zips_are_archives_of_structures(tmp_path: Path) -> None:
    cifs = {f"{name}.cif": cif.encode() for name, cif in CIFS.items()}
    one = {"NaCl.json": json.dumps(DICTS["NaCl"]).encode()}
    for members in (cifs, {**cifs, "id_prop.csv": CSV}, one):
        path = zipped(tmp_path / "s.zip", members)
        found = [record.id for record in iter_records([path])]
        assert found == [name.partition(".")[0] for name in members if not name.startswith("id_prop")]
    assert sole_table(zipped(tmp_path / "two.zip", {"a.csv": CSV, "b.csv": CSV})) is None
    with pytest.raises(InputError, match="no structure file in this archive"):
        open_table(tmp_path / "two.zip")


@pytest.mark.parametrize("suffix", PACKERS)
def test_damaged_and_too_large(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"k.csv.{suffix}"
    kind = "gzip" if suffix == "gz" else suffix
    for broken in (CSV, PACKERS[suffix](CSV * 50)[:-30]):
        path.write_bytes(broken)
        assert message(path) == f"broken {kind} file"
    monkeypatch.setattr("zoo.data.tables.formats.compressed.ALWAYS_BYTES", 1_000_000)
    path.write_bytes(PACKERS[suffix](b"id,structure,K_VRH\n" + b" " * 20_000_000))
    assert message(path) == "unpacks to far more than a table of this size; unpack it yourself"


def test_a_zip_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.tables.formats.compressed.ALWAYS_BYTES", 1_000_000)
    path = zipped(tmp_path / "k.zip", {"k.csv": b"id,structure,K_VRH\n" + b" " * 20_000_000})
    assert message(path) == "unpacks to far more than a table of this size; unpack it yourself"
