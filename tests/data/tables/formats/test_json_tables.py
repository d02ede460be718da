"""The layouts of JSON that pandas, matminer and matbench write, and broken files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from support.rocksalt import (
    BULK,
    NESTED,
    assert_rock_salt,
    reasons,
)

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
}


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
