"""The layouts of JSON that pandas, matminer and matbench write, and broken files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pymatgen.core import Structure
from support.rocksalt import (
    BULK,
    CIFS,
    NESTED,
    assert_rock_salt,
    reasons,
)

from zoo.data.structures.dictionary import read_literal
from zoo.data.structures.parse import read_file
from zoo.data.tables.formats.json_tables import OneStructureError
from zoo.data.tables.readers import open_table
from zoo.data.tables.table import read_table
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
    "by-identifier": lambda rows: {row["material_id"]: row for row in rows},
    "index": lambda rows: json.loads(pd.DataFrame(rows).set_index("material_id").to_json(orient="index")),
    "response": lambda rows: {"data": rows, "meta": {"total": len(rows)}},
    "jarvis": lambda rows: [
        {"jid": row["material_id"], "K_VRH": row["K_VRH"], "atoms": jarvis(row["structure"])} for row in rows
    ],
    "emmet": lambda rows: [
        {**row, "material_id": {"@module": "emmet.core.mpid", "@class": "MPID", "string": row["material_id"]}}
        for row in rows
    ],
}


def jarvis(structure: dict[str, Any]) -> dict[str, Any]:
    return {
        "lattice_mat": structure["lattice"]["matrix"],
        "coords": [site["abc"] for site in structure["sites"]],
        "elements": [site["species"][0]["element"] for site in structure["sites"]],
        "cartesian": False,
    }


def test_structures_by_identifier(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    structures = {row["material_id"]: row["structure"] for row in NESTED}
    for values in (structures.values(), CIFS.values(), map(jarvis, structures.values())):
        path.write_text(json.dumps(dict(zip(structures, values, strict=True))))
        records = read_table(path, None).records
        assert [record.id for record in records] == list(structures)
        assert [record.crystal.formula for record in records] == ["Cl1 Na1", "Cl1 K1", "Mg1 O1", "F1 Li1"]


def test_single_structures_in_json(tmp_path: Path) -> None:
    structure = NESTED[0]["structure"]
    crystal = Structure.from_dict(structure)
    columns = {
        "atomic_numbers": list(crystal.atomic_numbers),
        "lattice": crystal.lattice.matrix.tolist(),
        "frac_coords": crystal.frac_coords.tolist(),
    }
    path = tmp_path / "one.json"
    for value in (structure, jarvis(structure), columns):
        path.write_text(json.dumps(value))
        with pytest.raises(OneStructureError):
            open_table(path)
        assert read_file(path).formula == "Cl1 Na1"
    path.write_text(json.dumps({name: [value] * 2 for name, value in columns.items()}))  # columns of two rows
    assert len(read_table(path, None).records) == 2
    path.write_text(json.dumps(NESTED[0]))
    (record,) = read_table(path, None).records
    assert record.id == NESTED[0]["material_id"]


def test_nested_fields_are_columns(tmp_path: Path) -> None:
    """As documents of the Materials Project hold moduli and symmetry."""
    path = tmp_path / "docs.json"
    rows = [
        {
            "material_id": row["material_id"],
            "structure": row["structure"],
            "bulk_modulus": {"voigt": row["K_VRH"] + 1, "reuss": row["K_VRH"] - 1, "vrh": row["K_VRH"]},
            "symmetry": {"symbol": "Fm-3m", "@class": "SymmetryData"},
        }
        for row in NESTED
    ]
    for name, text in (("docs.json", json.dumps(rows)), ("docs.jsonl", "\n".join(map(json.dumps, rows)))):
        path = tmp_path / name
        path.write_text(text)
        columns = open_table(path).columns
        assert "symmetry.symbol" in columns
        assert "symmetry" not in columns
        assert_rock_salt(read_table(path, BULK, target="bulk_modulus.vrh").records)


@pytest.mark.parametrize("shape", JSON_SHAPES)
def test_json_shapes(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(JSON_SHAPES[shape](NESTED)))
    assert_rock_salt(read_table(path, BULK).records)


def test_broken_lines_of_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join([json.dumps(NESTED[0]), '{"K_VRH": ', "[]", json.dumps(NESTED[1])]))
    assert reasons(path) == [f"row {row}: not a JSON object with the table's columns" for row in (2, 3)]


@pytest.mark.parametrize("name", ["table.json", "table.jsonl"])
def test_an_integer_of_thousands_of_digits(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(f'[{{"id": {"9" * 5000}}}]' if name == "table.json" else f'{{"id": "a"}}\n{{"id": {"9" * 5000}}}\n')
    if name == "table.json":
        with pytest.raises(InputError, match="broken JSON: an integer of thousands of digits"):
            open_table(path)
    else:
        assert [bool(row.problem) for row in open_table(path).rows(["id"], None)] == [False, True]


def test_a_key_given_twice_is_no_table(tmp_path: Path) -> None:
    """The second value would replace the first without a word."""
    path = tmp_path / "table.json"
    path.write_text('[{"id": "a", "K_VRH": 1, "K_VRH": 2}]')
    with pytest.raises(InputError, match="broken JSON: the key 'K_VRH' is given twice"):
        open_table(path)
    path = tmp_path / "table.jsonl"
    path.write_text('{"id": "a", "K_VRH": 1}\n{"id": "b", "K_VRH": 1, "K_VRH": 2}\n')
    problems = [row.problem for row in open_table(path).rows(["id"], None)]
    assert problems == ["", "broken JSON: the key 'K_VRH' is given twice"]
    with pytest.raises(InputError, match="the key 'lattice' is given twice"):
        read_literal('{"lattice": 1, "lattice": 2}')
    with pytest.raises(InputError, match="broken JSON"):
        read_literal("{'lattice': 1, 'lattice': 2}")


@pytest.mark.parametrize("text", ["[]", '{"data": [], "meta": {}}', '{"columns": ["id"], "index": [], "data": []}'])
def test_a_table_without_rows_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"table\.json: there are no rows$"):
        open_table(path)


def test_keys_that_appear_late_are_told(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    lines = [{**NESTED[0], "material_id": f"a{row}"} for row in range(102)]
    lines[-1] |= {"remark": "measured twice"}
    path.write_text("\n".join(map(json.dumps, lines)))
    table = read_table(path, BULK)
    assert len(table.records) == 102
    told = "table.jsonl: keys that none of the first 100 lines has are not read, such as 'remark' in row 102"
    assert table.notes == (told,)
    path.write_text("\n".join(map(json.dumps, lines[:-1])))
    assert read_table(path, BULK).notes == ()
