"""Databases of ASE, in SQLite (``.db``) and JSON → crystals with their key-value pairs.

The arrays are read from where ASE keeps them (ase/db/sqlite.py, ase/db/jsondb.py; formats 4 to 9). ASE is not needed,
and the column ``data``, which may hold anything, is not read.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from zoo.data.crystal import MAX_ATOMS
from zoo.data.structures.atoms import ASE_KEYS
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_VALUE = 32_000_000
"""Largest value in bytes that is read from a database."""

_COLUMNS = ("numbers", "positions", "cell", "pbc", "key_value_pairs")
_RESULTS = ("energy", "magmom")  # of a calculator, as single numbers


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading; a file cannot make SQLite call functions or load extensions."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
            connection.text_factory = lambda data: data.decode(errors="replace")
            made = connection.execute(
                "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'systems'"
            ).fetchone()
            if made is None or not str(made[0]).upper().startswith("CREATE TABLE"):
                raise InputError(f"{path}: not a database of ASE: it has no table of systems")
            yield connection
    except sqlite3.Error as error:
        raise InputError(f"{path}: not a database of ASE, or a damaged one ({error})") from None


def count_systems(path: Path) -> int:
    """Return the number of crystals in an SQLite database.

    Raises
    ------
    InputError
        If the file is not a database of ASE.
    """
    with _opened(path) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM systems").fetchone()[0])


def systems(path: Path) -> Iterator[tuple[str, dict[str, Any], dict[str, Any] | None]]:
    """Yield the number, key-value pairs and arrays of each row of an SQLite database; None for arrays that are broken.

    Raises
    ------
    InputError
        If the file is not a database of ASE, or is damaged.
    """
    with _opened(path) as connection:
        held = {row[1] for row in connection.execute("PRAGMA table_info(systems)")}
        if lost := [name for name in ("id", *_COLUMNS) if name not in held]:
            raise InputError(f"{path}: not a database of ASE: its table of systems has no column {lost[0]}")
        results = [name for name in _RESULTS if name in held]
        query = f"SELECT id, {', '.join((*_COLUMNS, *results))} FROM systems ORDER BY id"  # noqa: S608 - known names
        for number, numbers, positions, cell, pbc, pairs, *values in connection.execute(query):
            cells = {name: value for name, value in zip(results, values, strict=True) if isinstance(value, float | int)}
            yield str(number), cells | _pairs(pairs), _arrays(numbers, positions, cell, pbc)


def _arrays(numbers: object, positions: object, cell: object, pbc: object) -> dict[str, Any] | None:
    blobs = (numbers, positions, cell)
    if not all(isinstance(blob, bytes) for blob in blobs) or not isinstance(pbc, int):
        return None
    z, xyz, vectors = (blob if isinstance(blob, bytes) else b"" for blob in blobs)
    count = len(z) // 4
    if len(z) != 4 * count or len(xyz) != 24 * count or len(vectors) != 72 or count > MAX_ATOMS:
        return None
    return {
        "numbers": np.frombuffer(z, "<i4"),
        "positions": np.frombuffer(xyz, "<f8").reshape(-1, 3),
        "cell": np.frombuffer(vectors, "<f8").reshape(3, 3),
        "pbc": [bool(pbc & bit) for bit in (1, 2, 4)],
    }


def _pairs(text: object) -> dict[str, Any]:
    try:
        pairs = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(pairs, Mapping):
        return {}
    return {str(key): value for key, value in pairs.items() if isinstance(value, str | int | float | bool)}


def is_ase_json(data: object) -> bool:
    """Return whether JSON is a database of ASE: entries by number, and the list of these numbers."""
    return isinstance(data, Mapping) and isinstance(data.get("ids"), list) and "nextid" in data


def json_systems(data: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any] | None]]:
    """Yield the number, key-value pairs and arrays of each entry of a JSON database, as :func:`systems` does."""
    for number in data["ids"]:
        entry = data.get(str(number))
        if not isinstance(entry, Mapping):
            yield str(number), {}, None
            continue
        pairs = entry.get("key_value_pairs")
        cells = {name: entry[name] for name in _RESULTS if isinstance(entry.get(name), int | float)}
        if isinstance(pairs, Mapping):
            cells |= {str(key): value for key, value in pairs.items() if isinstance(value, str | int | float | bool)}
        arrays = dict(entry) if all(key in entry for key in ASE_KEYS) else None
        yield str(number), cells, arrays
