"""JSON and JSON lines → rows of cells."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, cast

from zoo._utils.bounded import MalformedError, unique_keys
from zoo.data.structures.containers.ase_database import is_ase_json, json_systems
from zoo.data.structures.parse import is_structure
from zoo.data.tables.formats.containers import numbered
from zoo.data.tables.formats.reader import INDEX, Row, Select, TableReader
from zoo.data.tables.formats.text import lines, open_text
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_CRYSTALS = ("structure", "atoms", "cif", "poscar")

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
    if is_structure(data):
        raise OneStructureError(f"{path}: one crystal structure, not a table")
    if is_ase_json(data):
        return numbered(path, lambda: json_systems(data), len(data["ids"]))
    try:
        records = [flat(record) for record in _json_records(data)]
    except (ValueError, TypeError, AttributeError):
        raise InputError(
            f"{path}: not a table in a known layout; zoo reads a list of objects, pandas' orient='split', "
            "and an object of columns"
        ) from None
    if not records:
        raise InputError(f"{path}: there are no rows")
    columns = _column_names(records)
    if not columns:
        raise InputError(f"{path}: a list, but not of objects")

    def rows(_columns: Sequence[str], _select: Select | None) -> Iterator[Row]:
        for number, record in enumerate(records, 1):
            yield _json_row(number, record)

    return TableReader(path, columns, rows, count=len(records))


def _load_json(path: Path) -> Any:
    try:
        with open_text(path) as file:
            return json.load(file, object_pairs_hook=unique_keys)
    except RecursionError:
        raise InputError(f"{path}: broken JSON: nested too deeply") from None
    except json.JSONDecodeError as error:
        hint = "; if each line is a separate object, name the file .jsonl" if error.msg == "Extra data" else ""
        raise InputError(f"{path}: broken JSON at line {error.lineno}: {error.msg}{hint}") from None
    except MalformedError as error:
        raise InputError(f"{path}: broken JSON: {error}") from None
    except UnicodeError:  # open_text's, which names the file
        raise
    except ValueError:
        raise InputError(f"{path}: broken JSON: an integer of thousands of digits") from None


def _json_records(data: Any) -> list[Any]:
    """Convert the JSON layouts of pandas, matminer and matbench to a list of objects."""
    if isinstance(data, list):
        return [{"structure": each} if is_structure(each) else each for each in data]
    if by_identifier := _by_identifier(data):
        return by_identifier
    if data.get("@class") == "DataFrame" and isinstance(data.get("data"), str):  # as monty writes a data frame
        return _json_records(json.loads(data["data"], object_pairs_hook=unique_keys))
    if "columns" in data and "data" in data:
        columns, table = data["columns"], data["data"]
        index = data.get("index", [])
        if len(index) == len(table) and any(isinstance(label, str) for label in index) and INDEX not in columns:
            columns, table = (
                [INDEX, *columns],
                [[label, *row] for label, row in zip(index, table, strict=True)],
            )
        return [dict(zip(columns, row, strict=True)) if len(row) == len(columns) else row for row in table]
    if ("schema" in data or len(data) == 1 or "meta" in data) and isinstance(data.get("data"), list):
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


def _by_identifier(data: Any) -> list[dict[str, Any]]:
    """Convert an object of identifiers to structures, to text of structures or to documents; empty if it is none."""
    if any(name in data for name in _CRYSTALS):  # a document, or columns
        return [data] if is_structure(data.get("structure")) or is_structure(data.get("atoms")) else []
    values = list(data.values())
    if (values and all(map(is_structure, values))) or all(isinstance(value, str) and "\n" in value for value in values):
        return [{INDEX: label, "structure": value} for label, value in data.items()]
    if values and all(isinstance(value, dict) and any(name in value for name in _CRYSTALS) for value in values):
        return [{INDEX: label, **value} for label, value in data.items()]
    return []


def flat(record: Any) -> Any:
    """Return a record with the numbers and words of nested objects as cells, ``bulk_modulus.vrh`` for example.

    That is how documents of the Materials Project hold them; objects that are crystals or arrays stay as they are.
    """
    if not isinstance(record, dict) or not any(isinstance(value, dict) for value in record.values()):
        return record
    cells: dict[str, Any] = {}
    for name, value in record.items():
        if not isinstance(value, dict) or name in _CRYSTALS or "data" in value or is_structure(value):
            cells[name] = value
        elif isinstance(value.get("string"), str) and "@class" in value:  # an identifier, as emmet writes it
            cells[name] = value["string"]
        else:
            inner = [(f"{name}.{key}", each) for key, each in value.items() if not key.startswith("@")]
            words: dict[str, Any] = {
                key: each
                for key, each in inner
                if isinstance(each, str | int | float | bool | None) and key not in record
            }
            cells |= words or {name: value}
    return cells


def _column_names(records: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for record in records if isinstance(record, dict) for name in record))


def _json_row(number: int, record: Any) -> Row:
    if isinstance(record, dict):
        return Row(number, record)
    if isinstance(record, MalformedError):
        return Row(number, {}, f"broken JSON: {record}")
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
                    yield flat(json.loads(line, object_pairs_hook=unique_keys))
                except MalformedError as error:
                    yield error
                except (ValueError, RecursionError):
                    yield None

    columns = _column_names(itertools.islice(records(), _JSONL_SAMPLE))
    if not columns:
        raise InputError(f"{path}: none of the first lines is a JSON object")
    known, notes = set(columns), list[str]()

    def rows(_columns: Sequence[str], _select: Select | None) -> Iterator[Row]:
        for number, record in enumerate(records(), 1):
            if not notes and isinstance(record, dict) and (late := [name for name in record if name not in known]):
                notes.append(
                    f"{path.name}: keys that none of the first {_JSONL_SAMPLE} lines has are not read, such as "
                    f"{late[0]!r} in row {number}"
                )
            yield _json_row(number, record)

    return TableReader(path, columns, rows, notes=notes)
