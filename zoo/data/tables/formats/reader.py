"""An opened table: its columns, and its rows as cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

Select = tuple[str, Callable[[object, int], bool]]
"""A column, and a predicate of its cell and the row number that selects rows."""

FORMATS = ".csv, .tsv, .json, .jsonl, .parquet and .xlsx"

INDEX = "index"
"""Column for the row labels of a pandas table in JSON, unless they are just row numbers."""


@dataclass(frozen=True)
class Row:
    """One row: its number (data rows count from 1), its cells, and the problem if it cannot be read."""

    number: int
    cells: Mapping[str, object]
    problem: str = ""


@dataclass(frozen=True)
class TableReader:
    """An opened table.

    Parameters
    ----------
    path : Path
        The file.
    columns : tuple of str
    rows : callable
        ``rows(columns, select)`` reads from the start. Other columns and rows may be skipped, if the format allows it.
    headerless : bool
        Whether it is CGCNN's ``id_prop.csv``: identifiers and numbers without a header.
    count : int or None
        Number of rows, if it is known without reading them.
    in_memory : bool
        Whether it is no file; `path` is then what stands for one in messages.
    notes : list of str
        What the user should know about how it was read, one line each; complete once all rows are read.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Callable[[Sequence[str], Select | None], Iterator[Row]] = field(repr=False)
    headerless: bool = False
    count: int | None = None
    in_memory: bool = False
    notes: list[str] = field(default_factory=list)


def check_columns(path: Path, columns: Iterable[str]) -> None:
    """Refuse a table with two columns of the same name."""
    repeated = [name for name, count in Counter(columns).items() if count > 1 and name]
    if repeated:
        raise InputError(f"{path}: two columns are called {repeated[0]!r}; rename one")
