"""JSON and JSON lines → rows of cells."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, cast

from zoo.data.tables.formats.reader import INDEX, Row, Select, TableReader
from zoo.data.tables.formats.text import lines, open_text
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_JSONL_SAMPLE = 100
"""Number of JSONL lines from which the columns are determined."""


class OneStructureError(InputError):
    """A JSON file that holds one crystal structure, not a table."""


def open_json(path: Path) -> TableReader:
    """Open a JSON file; it is loaded whole.

    Raises
    ------
    OneStructureError
        If it holds a single structure.
    InputError
        If it is broken, or no table.
    """
    data = _load_json(path)
    if _is_structure(data):
        raise OneStructureError(f"{path}: one crystal structure, not a table")
    try:
        records = _json_records(data)
    except (ValueError, TypeError, AttributeError):
        raise InputError(
            f"{path}: not a table in a known layout; zoo reads a list of objects, pandas' orient='split', "
            "and an object of columns"
        ) from None
    columns = _column_names(records)
    if records and not columns:
        raise InputError(f"{path}: a list, but not of objects")

    def rows(_columns: Sequence[str], _select: Select | None) -> Iterator[Row]:
        for number, record in enumerate(records, 1):
            yield _json_row(number, record)

    return TableReader(path, columns, rows, count=len(records))


def _load_json(path: Path) -> Any:
    try:
        with open_text(path) as file:
            return json.load(file)
    except RecursionError:
        raise InputError(f"{path}: broken JSON: nested too deeply") from None
    except json.JSONDecodeError as error:
        hint = "; if each line is a separate object, name the file .jsonl" if error.msg == "Extra data" else ""
        raise InputError(f"{path}: broken JSON at line {error.lineno}: {error.msg}{hint}") from None
    except UnicodeError:  # open_text's, which names the file
        raise
    except ValueError:
        raise InputError(f"{path}: broken JSON: an integer of thousands of digits") from None


def _is_structure(data: object) -> bool:
    return isinstance(data, dict) and "sites" in data and "lattice" in data


def _json_records(data: Any) -> list[Any]:
    """Convert the JSON layouts of pandas, matminer and matbench to a list of objects."""
    if isinstance(data, list):
        return [{"structure": each} if _is_structure(each) else each for each in data]
    if data.get("@class") == "DataFrame" and isinstance(data.get("data"), str):  # as monty writes a data frame
        return _json_records(json.loads(data["data"]))
    if "columns" in data and "data" in data:
        columns, table = data["columns"], data["data"]
        index = data.get("index", [])
        if len(index) == len(table) and any(isinstance(label, str) for label in index) and INDEX not in columns:
            columns, table = (
                [INDEX, *columns],
                [[label, *row] for label, row in zip(index, table, strict=True)],
            )
        return [dict(zip(columns, row, strict=True)) if len(row) == len(columns) else row for row in table]
    if "schema" in data and isinstance(data.get("data"), list):
        return cast("list[Any]", data["data"])
    values = list(data.values())
    if values and all(isinstance(value, dict) for value in values):
        labels = list(dict.fromkeys(label for value in values for label in value))
        counted = all(label.isdigit() for label in labels)
        return [
            {**({} if counted else {INDEX: label}), **{name: data[name].get(label) for name in data}}
            for label in labels
        ]
    if values and all(isinstance(value, list) for value in values):
        return [dict(zip(data, row, strict=True)) for row in zip(*values, strict=True)]
    raise ValueError


def _column_names(records: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for record in records if isinstance(record, dict) for name in record))


def _json_row(number: int, record: Any) -> Row:
    if isinstance(record, dict):
        return Row(number, record)
    return Row(number, {}, "not a JSON object with the table's columns")


def open_jsonl(path: Path) -> TableReader:
    """Open a file with a JSON object in each line; the first hundred lines tell the columns.

    Raises
    ------
    InputError
        If none of these is an object.
    """

    def records() -> Iterator[Any]:
        for line in lines(path):
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError):
                    yield None

    columns = _column_names(itertools.islice(records(), _JSONL_SAMPLE))
    if not columns:
        raise InputError(f"{path}: none of the first lines is a JSON object")

    def rows(_columns: Sequence[str], _select: Select | None) -> Iterator[Row]:
        for number, record in enumerate(records(), 1):
            yield _json_row(number, record)

    return TableReader(path, columns, rows)
