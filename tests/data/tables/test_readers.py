"""Table files in every format give the same rows; one that cannot be a table is refused in one line."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.rocksalt import (
    BULK,
    CIFS,
    DICTS,
    FRAME,
    MODULI,
    NESTED,
    POSCARS,
    ROWS,
    assert_rock_salt,
    message,
    reasons,
    write_csv,
)

from zoo.data.tables.readers import OneStructureError, is_table, open_table
from zoo.data.tables.table import read_table
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


CONTENTS: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.csv", b"", "the file is empty"),
    "blank": ("a.csv", b"\n  \n", "the file is empty"),
    "comments": ("a.csv", b"# nothing\n# more\n", "there is only comments"),
    "header": ("a.csv", b"structure,K_VRH\n", "there are no rows"),
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
        "no crystals found: there is no column structure, cif, poscar or file, nor the columns atomic_numbers, "
        "lattice, frac_coords; add one, or name a folder of structure files with --structures (columns: id, K_VRH)",
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
    "excel": (
        "a.xlsx",
        b"PK\3\4",
        "not a table, judging by its name; zoo reads .csv, .tsv, .json, .jsonl and .parquet, "
        "the text formats also as .gz",
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
    assert message(path, structures=tmp_path / "no") == f"--structures {tmp_path / 'no'}: there is no such folder"
    write_csv(path, [{"K_VRH": 1}])
    assert message(path, structures=tmp_path).startswith("--structures needs a column of identifiers (id, material_id")


def test_many_columns_are_listed_in_part(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [{f"c{i}": i for i in range(50)}])
    assert message(path).endswith("c18, c19 and 30 more)")


def test_damaged_parquet_is_reported(tmp_path: Path) -> None:
    """Every row that is lost counts, so that few readable ones are not taken for a table."""
    path = tmp_path / "data.parquet"
    pd.DataFrame(ROWS * 192).assign(material_id=range(768)).to_parquet(
        path, compression=None, row_group_size=512, use_dictionary=False
    )
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data[start : start + 20] = b"\xff" * 20
    path.write_bytes(data)
    assert message(path).startswith(
        "256 of 768 rows cannot be used, more than the 0.1 of --max-rejected (256 × the file"
    )
    assert message(path).endswith("row 513: the file is damaged here")


def test_matminers_csv_as_it_is(tmp_path: Path) -> None:
    """A comment above the header, row labels without a name, CIF and POSCAR, Python literals."""
    path = tmp_path / "elastic_tensor.csv"
    with path.open("w", newline="") as file:
        file.write("# ref: Jong, M. De, Chen, W. (2015).\n")
        writer = csv.writer(file)
        writer.writerow(["idx", "K_VRH", "elastic_tensor", "structure", "poscar", "material_id"])
        for i, (name, value) in enumerate(MODULI.items()):
            writer.writerow([i, i, value, "[[1.0, 2.0], [2.0, 1.0]]", f"#\\#CIF1.1\n{CIFS[name]}", POSCARS[name], name])
    table = read_table(path, BULK)
    assert_rock_salt(table.records)
    assert table.structure_source == "column structure (also present: column poscar)"


def test_flla_holds_python_literals(tmp_path: Path) -> None:
    assert_rock_salt(read_table(write_csv(tmp_path / "flla.csv", NESTED), BULK).records)
    assert "{'@module'" in (tmp_path / "flla.csv").read_text()


@pytest.mark.parametrize("given", ["folder", "file"])
def test_id_prop(tmp_path: Path, given: str) -> None:
    for name, cif in CIFS.items():
        (tmp_path / f"{name}.cif").write_text(cif)
    path = tmp_path / "id_prop.csv"
    path.write_text("".join(f"{name},{value}\n" for name, value in MODULI.items()) + "ghost,3.0\n")
    table = read_table(tmp_path if given == "folder" else path, BULK, max_rejected=0.2)
    assert_rock_salt(table.records)
    assert table.source == path
    assert [str(rejection) for rejection in table.rejected] == [
        f"{path} row 5 (ghost), column id = 'ghost': "
        f"no structure file: ghost (.cif, .vasp, .json …) is not in {tmp_path}"
    ]


def test_id_prop_with_a_header_is_an_ordinary_table(tmp_path: Path) -> None:
    assert_rock_salt(read_table(write_csv(tmp_path / "id_prop.csv", ROWS), BULK).records)


def _monty(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """As matminer's store_dataframe_as_json and matbench write it."""
    frame = pd.DataFrame(rows).set_index("material_id")
    return {
        "index": list(frame.index),
        "columns": list(frame.columns),
        "data": frame.values.tolist(),  # noqa: PD011
    }


def _frame_of_monty(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """As a newer monty writes a data frame."""
    frame = pd.DataFrame([{**row, "structure": json.dumps(row["structure"])} for row in rows])
    return {"@module": "pandas", "@class": "DataFrame", "data": frame.to_json()}


JSON_SHAPES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "records": lambda rows: rows,
    "split": lambda rows: json.loads(pd.DataFrame(rows).to_json(orient="split")),
    "table": lambda rows: json.loads(
        pd.DataFrame(rows).astype({"structure": object}).to_json(orient="table", index=False)
    ),
    "columns": lambda rows: json.loads(pd.DataFrame(rows).to_json(orient="columns")),
    "lists": lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
    "labelled-columns": lambda rows: json.loads(pd.DataFrame(rows).set_index("material_id").to_json()),
    "matbench": _monty,
    "monty": _frame_of_monty,
}


@pytest.mark.parametrize("shape", JSON_SHAPES)
def test_json_shapes(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(JSON_SHAPES[shape](NESTED)))
    assert_rock_salt(read_table(path, BULK).records)


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


def test_broken_lines_of_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join([json.dumps(NESTED[0]), '{"K_VRH": ', "[]", json.dumps(NESTED[1])]))
    assert reasons(path) == [f"row {row}: not a JSON object with the table's columns" for row in (2, 3)]


def test_ragged_rows_and_broken_quotes(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", ROWS)
    with path.open("a") as file:
        file.write('a,b\nc,"d"e,1\nf,g,1,2\nh,"i,1\n')
    assert reasons(path) == [
        "row 5 (a): 2 fields where 3 are expected",
        "row 6: broken quoting: ',' expected after '\"'",
        "row 7 (f): 4 fields where 3 are expected",
        "row 8: broken quoting: unexpected end of data",
    ]


def test_a_quote_that_is_not_closed_rejects_every_row_that_it_swallows(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", ROWS)
    with path.open("a") as file:
        file.write('x,"5 mm pellet,1\n' + "y,z,1\n" * 30)
    found = reasons(path)
    assert found[0] == f"row {len(ROWS) + 1}: broken quoting: unexpected end of data"
    assert len(found) == 31
    with pytest.raises(InputError, match=r"31 of \d+ rows cannot be used, more than the 0\.1 of --max-rejected"):
        read_table(path, BULK)


def test_an_opened_table_tells_its_columns_and_its_rows(tmp_path: Path) -> None:
    table = open_table(write_csv(tmp_path / "data.csv", ROWS))
    assert table.columns == ("material_id", "structure", "K_VRH")
    assert (table.headerless, table.count) == (False, None)
    assert [(row.number, row.cells["material_id"], row.problem) for row in table.rows((), None)] == [
        (number, name, "") for number, name in enumerate(MODULI, 1)
    ]
    FRAME.to_parquet(tmp_path / "data.parquet")
    parquet = open_table(tmp_path / "data.parquet")
    assert parquet.count == 4
    wanted = parquet.rows(["material_id"], ("material_id", lambda name, number: name == "MgO" or number == 1))
    assert [(row.number, dict(row.cells)) for row in wanted] == [
        (1, {"material_id": "NaCl"}),
        (3, {"material_id": "MgO"}),
    ]


def test_a_table_is_known_by_its_name(tmp_path: Path) -> None:
    assert all(is_table(Path(name)) for name in ("a.csv", "a.TSV", "a.json.gz", "a.ndjson", "a.pq"))
    assert not any(is_table(Path(name)) for name in ("a.cif", "a.parquet.gz", "POSCAR", "csv"))
    (tmp_path / "one.json").write_text(json.dumps(DICTS["NaCl"]))
    with pytest.raises(OneStructureError, match="one crystal structure, not a table"):
        open_table(tmp_path / "one.json")


@pytest.mark.parametrize("name", ["table.json", "table.jsonl"])
def test_an_integer_of_thousands_of_digits(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(f'[{{"id": {"9" * 5000}}}]' if name == "table.json" else f'{{"id": "a"}}\n{{"id": {"9" * 5000}}}\n')
    if name == "table.json":
        with pytest.raises(InputError, match="broken JSON: an integer of thousands of digits"):
            open_table(path)
    else:
        assert [bool(row.problem) for row in open_table(path).rows(["id"], None)] == [False, True]
