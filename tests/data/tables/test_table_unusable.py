"""A table that cannot be used is refused in one line that says why."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.rocksalt import DICTS, ROWS, message, write_csv

if TYPE_CHECKING:
    from pathlib import Path

CONTENTS: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.csv", b"", "the file is empty"),
    "blank": ("a.csv", b"\n  \n", "the file is empty"),
    "comments": ("a.csv", b"# nothing\n# more\n", "there is nothing but comments"),
    "header": ("a.csv", b"structure,K_VRH\n", "there is no row"),
    "binary": (
        "a.csv",
        b"\x89PNG\0\0\1",
        "a binary file, not a table; zoo reads .csv, .tsv, .json, .jsonl and .parquet",
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
        "there are no crystals: no column structure, cif, poscar or file, nor the columns atomic_numbers, lattice, "
        "frac_coords; add one, or name a folder of structure files with --structures (columns: id, K_VRH)",
    ),
    "no target": (
        "a.csv",
        b"id,structure,B0\nx,,1\n",
        "no column for the task bulk-modulus: it takes K_VRH or bulk_modulus, or name the column with --target, in a "
        "recipe with column "
        "(columns: id, structure, B0)",
    ),
    "gzip": ("a.csv.gz", b"id,structure", "broken gzip file"),
    "half gzip": ("a.csv.gz", gzip.compress(b"id,structure,K_VRH\n" * 99)[:-20], "broken gzip file"),
    "excel": (
        "a.xlsx",
        b"PK\3\4",
        "not a table by its name; zoo reads .csv, .tsv, .json, .jsonl and .parquet, the text ones also as .gz",
    ),
    "no parquet": ("a.parquet", b"PAR1 but no more", "not a Parquet file, or a damaged one"),
    "empty parquet": ("a.parquet", b"", "the file is empty"),
    "broken json": ("a.json", b'[{"a": 1},\n]', "broken JSON at line 2: Expecting value"),
    "deep json": ("a.json", b"[" * 100_000, "broken JSON: nested too deeply"),
    "lines": (
        "a.json",
        b'{"a": 1}\n{"a": 2}',
        "broken JSON at line 2: Extra data; if each line is an object of its own, name it .jsonl",
    ),
    "number": (
        "a.json",
        b"3",
        "no table in a known shape; zoo reads a list of objects, pandas' orient='split', and an object of columns",
    ),
    "numbers": ("a.json", b"[1, 2]", "a list, but not of objects"),
    "structure": ("a.json", json.dumps(DICTS["NaCl"]).encode(), "one crystal structure, not a table"),
    "no jsonl": ("a.jsonl", b"hello\n", "none of the first lines is a JSON object"),
    "one column": ("id_prop.csv", b"a\nb\n", "there is no second column with the targets"),
}


@pytest.mark.parametrize("what", CONTENTS)
def test_bad_table(tmp_path: Path, what: str) -> None:
    name, content, reason = CONTENTS[what]
    (tmp_path / name).write_bytes(content)
    assert message(tmp_path / name) == reason


def test_missing_tables(tmp_path: Path) -> None:
    assert message(tmp_path / "none.csv") == "there is no such file"
    assert message(tmp_path).startswith("a folder without id_prop.csv is no table")
    path = write_csv(tmp_path / "data.csv", ROWS)
    assert message(path, target="K") == "there is no column 'K' (columns: material_id, structure, K_VRH)"
    assert message(path, structures=tmp_path / "no") == f"--structures {tmp_path / 'no'}: there is no such folder"
    write_csv(path, [{"K_VRH": 1}])
    assert message(path, structures=tmp_path).startswith("--structures needs a column of identifiers (id, material_id")


def test_many_columns_are_listed_in_part(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [{f"c{i}": i for i in range(50)}])
    assert message(path).endswith("c18, c19 and 30 more)")


def test_damaged_parquet_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row that is lost counts, so that few readable ones are not taken for a table."""
    monkeypatch.setattr("zoo.data.tables.readers._BATCH", 50)
    path = tmp_path / "data.parquet"
    pd.DataFrame(ROWS * 50).assign(material_id=range(200)).to_parquet(
        path, compression=None, row_group_size=50, use_dictionary=False
    )
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(3).column(0).data_page_offset
    data[start : start + 20] = b"\xff" * 20
    path.write_bytes(data)
    assert message(path).startswith("50 of 200 rows cannot be used, more than the 0.1 of --max-rejected (50 × the file")
    assert message(path).endswith("row 151: the file is damaged there")
