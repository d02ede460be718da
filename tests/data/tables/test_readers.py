"""Table files in every format give the same rows; one that cannot be a table is refused in one line."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.rocksalt import (
    BULK,
    DICTS,
    FRAME,
    NESTED,
    ROWS,
    assert_rock_salt,
    message,
    write_csv,
)

from zoo.data.tables.formats.json_tables import OneStructureError
from zoo.data.tables.readers import is_table, open_table
from zoo.data.tables.table import read_table

if TYPE_CHECKING:
    from collections.abc import Callable


CONTENTS: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.csv", b"", "the file is empty"),
    "blank": ("a.csv", b"\n  \n", "the file is empty"),
    "comments": ("a.csv", b"# nothing\n# more\n", "there are only comments"),
    "header": ("a.csv", b"structure,K_VRH\n", "there are no rows"),
    "binary": (
        "a.csv",
        b"\x89PNG\0\0\1",
        "a binary file, not a table; zoo reads .csv, .tsv, .json, .jsonl, .parquet and .xlsx",
    ),
    "latin1": (
        "a.csv",
        "structure,K_VRH,author\n,1,Müller\n".encode("latin-1"),
        "not UTF-8 text (byte 0xfc); save it in UTF-8 encoding",
    ),
    "twice": ("a.csv", b"structure,K_VRH,K_VRH\n,1,2\n", "two columns are called 'K_VRH'; rename one"),
    "quotes": ("a.csv", b'"structure\n', "the header cannot be read: broken quoting: unexpected end of data"),
    "no crystal": (
        "a.csv",
        b"id,K_VRH\nx,1\n",
        "no crystals found: there is no column structure, cif, poscar, file or formula, nor the columns "
        "atomic_numbers, lattice, frac_coords; name the column with --structure, or a folder of structure files with "
        "--structures (columns: id, K_VRH)",
    ),
    "no target": (
        "a.csv",
        b"id,structure,B0\nx,,1\n",
        "no column for the task bulk-modulus: add K_VRH or bulk_modulus, or name the column with --target (in a "
        "recipe: column) "
        "(columns: id, structure, B0)",
    ),
    "gzip": ("a.csv.gz", b"id,structure", "broken gzip file"),
    "half gzip": ("a.csv.gz", gzip.compress(b"id,structure,K_VRH\n" * 99)[:-20], "broken gzip file"),
    "old excel": (
        "a.xls",
        b"PK\3\4",
        "not a table, judging by its name; save it as .xlsx; zoo reads .csv, .tsv, .json, .jsonl, .parquet and .xlsx, "
        "the text formats also as .gz, .bz2, .xz, .zst and .zip, and .extxyz, .db of ASE, and archives of structure "
        "files (.zip, .tar.gz …)",
    ),
    "no parquet": ("a.parquet", b"PAR1 but no more", "not a Parquet file, or a damaged one"),
    "empty parquet": ("a.parquet", b"", "the file is empty"),
    "broken json": ("a.json", b'[{"a": 1},\n]', "broken JSON at line 2: Expecting value"),
    "deep json": ("a.json", b"[" * 100_000, "broken JSON: nested too deeply"),
    "lines": (
        "a.json",
        b'{"a": 1}\n{"a": 2}',
        "broken JSON at line 2: Extra data; if each line is a separate object, name the file .jsonl",
    ),
    "number": (
        "a.json",
        b"3",
        "not a table in a known layout; zoo reads a list of objects, pandas' orient='split', and an object of columns",
    ),
    "numbers": ("a.json", b"[1, 2]", "a list, but not of objects"),
    "structure": ("a.json", json.dumps(DICTS["NaCl"]).encode(), "one crystal structure, not a table"),
    "no jsonl": ("a.jsonl", b"hello\n", "none of the first lines is a JSON object"),
    "one column": ("id_prop.csv", b"a\nb\n", "there is no second column to hold the targets"),
}


@pytest.mark.parametrize("what", CONTENTS)
def test_bad_table(tmp_path: Path, what: str) -> None:
    name, content, reason = CONTENTS[what]
    (tmp_path / name).write_bytes(content)
    assert message(tmp_path / name) == reason


def test_missing_tables(tmp_path: Path) -> None:
    assert message(tmp_path / "none.csv") == "there is no such file"
    assert message(tmp_path).startswith("a folder without id_prop.csv is not a table")
    path = write_csv(tmp_path / "data.csv", ROWS)
    assert message(path, target="K") == "there is no column 'K' (columns: material_id, structure, K_VRH)"
    assert (
        message(path, structures=tmp_path / "no")
        == f"--structures {tmp_path / 'no'}: there is no such folder, nor such a .zip"
    )
    write_csv(path, [{"K_VRH": 1}])
    assert message(path, structures=tmp_path).startswith("--structures needs a column of identifiers (id, material_id")


def test_many_columns_are_listed_in_part(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [{f"c{i}": i for i in range(50)}])
    assert message(path).endswith("c18, c19 and 30 more)")


def _writers() -> dict[str, Callable[[Path], object]]:
    return {
        "data.csv": lambda path: FRAME.to_csv(path, index=False),
        "data.CSV": lambda path: FRAME.to_csv(path),
        "comments.csv": lambda path: path.write_text("# a\n\n# b\n" + FRAME.to_csv(index=False)),
        "semicolons.csv": lambda path: FRAME.to_csv(path, sep=";", index=False),
        "excel.csv": lambda path: FRAME.to_csv(path, encoding="utf-16", sep="\t", index=False),
        "bom.csv": lambda path: FRAME.to_csv(path, encoding="utf-8-sig", index=False),
        "labelled.csv": lambda path: path.write_text(FRAME.to_csv().removeprefix(",")),
        "commas.csv": lambda path: FRAME.assign(empty="").rename(columns={"empty": ""}).to_csv(path, index=False),
        "data.tsv": lambda path: FRAME.to_csv(path, sep="\t", index=False),
        "data.csv.gz": lambda path: FRAME.to_csv(path, index=False),
        "data.json.gz": lambda path: path.write_bytes(gzip.compress(json.dumps(NESTED).encode())),
        "data.jsonl": lambda path: path.write_text("\n".join(map(json.dumps, NESTED)) + "\n\n"),
        "data.parquet": lambda path: FRAME.to_parquet(path),
        "labelled.parquet": lambda path: FRAME.set_index("material_id").to_parquet(path),
    }


@pytest.mark.parametrize("name", _writers())
def test_formats(tmp_path: Path, name: str) -> None:
    _writers()[name](tmp_path / name)
    table = read_table(tmp_path / name, BULK)
    assert_rock_salt(table.records)
    assert table.target_column == "K_VRH"
    assert table.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def test_a_table_is_known_by_its_name(tmp_path: Path) -> None:
    assert all(is_table(Path(name)) for name in ("a.csv", "a.TSV", "a.json.gz", "a.ndjson", "a.pq"))
    assert not any(is_table(Path(name)) for name in ("a.cif", "a.parquet.gz", "POSCAR", "csv"))
    (tmp_path / "one.json").write_text(json.dumps(DICTS["NaCl"]))
    with pytest.raises(OneStructureError, match="one crystal structure, not a table"):
        open_table(tmp_path / "one.json")
