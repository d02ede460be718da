"""Records and rejections: the outcome of reading a table row or a structure file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zoo.data.crystal import Crystal

_SHOWN_WIDTH = 60


@dataclass(frozen=True)
class Record:
    """One usable crystal.

    Parameters
    ----------
    id : str
    crystal : Crystal
    target : float or None
        In the task's unit; None if no target is read.
    row : int
        Data row, counted from 1; 0 for a structure file.
    file : str
        The table or structure file.
    part : str
        Cell of the column that says what the row is for, such as "train" or the number of a fold; empty if no such
        column was asked for.
    cells : mapping of str to object
        Cells of the columns that are carried along; see :func:`zoo.data.tables.inputs.iter_records`.
    group : str
        Rows of one group are never separated by a random split; empty for a row on its own.
    """

    id: str
    crystal: Crystal
    target: float | None
    row: int
    file: str
    part: str = ""
    cells: Mapping[str, object] = field(default_factory=dict, compare=False)
    group: str = ""


@dataclass(frozen=True)
class Rejection:
    """One row or structure file that cannot be used, with the reason.

    Its string form is one line, such as
    ``data.csv row 7 (mp-123), column poly_total = '-3': below the physical range of dielectric, 1 to 1000``.

    Parameters
    ----------
    file : str
        The table or structure file.
    row : int or None
        Data row, counted from 1.
    id : str
    column, value : str
        The offending cell, shortened; empty if there is no single one.
    reason : str
    filtered : bool
        Whether the row is valid but excluded by the task (``Task.requires``).
    """

    file: str
    row: int | None
    id: str
    column: str
    value: str
    reason: str
    filtered: bool = False

    def __str__(self) -> str:
        where = self.file
        if self.row:
            where += f" row {self.row}"
            where += f" ({shorten(self.id)})" if self.id not in ("", str(self.row)) else ""
            where += f", column {self.column}" if self.column else ""
            where += f" = {self.value!r}" if self.column and self.value else ""
        return f"{where}: {self.reason}"


def records_digest(records: Iterable[Record]) -> str:
    """Return the SHA-256 of the identifiers and crystals of records, in their order."""
    sha = hashlib.sha256()
    for record in records:
        sha.update(f"{record.id}\0{record.crystal.digest}\n".encode())
    return sha.hexdigest()


def shorten(value: object) -> str:
    """Return a cell on one line of at most 60 characters, for a message; ``""`` for None."""
    if value is None:
        return ""
    # Cut before splitting: a structure may be megabytes of text or a large dictionary.
    text = " ".join((value if isinstance(value, str) else str(value))[: 20 * _SHOWN_WIDTH].split())
    return text if len(text) <= _SHOWN_WIDTH else text[: _SHOWN_WIDTH - 1] + "…"
