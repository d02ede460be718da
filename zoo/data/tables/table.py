"""A labelled table, read whole, as used by ``finetune`` and ``study``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import isfinite, log10
from typing import TYPE_CHECKING

from zoo.data.tables.readers import open_table
from zoo.data.tables.records import Record, Rejection
from zoo.data.tables.rejections import check_rejected_fraction
from zoo.data.tables.rows import RowReader
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from zoo.registry.contracts import Task

_MIN_ROWS_FOR_SCALE = 10  # fewer values may all be small by chance


@dataclass(frozen=True)
class Table:
    """A table that has been read.

    Parameters
    ----------
    source : Path
        The file.
    sha256 : str
        Digest of the file's bytes.
    target_column : str
        Column of the targets.
    records : list of Record
    rejected : list of Rejection
        With `records`, all rows.
    structure_source : str
        Source of the crystals, and alternative columns that were not used; one phrase for the user.
    columns : tuple of str
        All columns of the file.
    test : Table or None
        The table of the test rows, if it is a separate one; `records` and `rejected` then cover both.
    """

    source: Path
    sha256: str
    target_column: str
    records: list[Record]
    rejected: list[Rejection]
    structure_source: str = ""
    columns: tuple[str, ...] = ()
    test: Table | None = None


def read_table(
    path: Path,
    task: Task | None,
    *,
    target: str | None = None,
    structures: Path | None = None,
    max_rejected: float = 0.10,
    rejected_out: Path | None = None,
    only: Collection[str] | None = None,
    split_column: str | None = None,
) -> Table:
    """Read a whole table.

    Parameters
    ----------
    path : Path
        CSV, TSV, JSON, JSONL or Parquet; CGCNN's ``id_prop.csv`` or its folder.
    task : Task or None
        Defines the names of the target column, its physical range and the row filter; with None, crystals are read
        without targets.
    target : str, optional
        Column of the target, in place of the task's own names.
    structures : Path, optional
        Folder of structure files.
    max_rejected : float
        Largest fraction of rows that may be rejected.
    rejected_out : Path, optional
        Where the rejected rows are written if there are too many.
    only : collection of str, optional
        Identifiers of the rows to read; others are neither read nor reported.
    split_column : str, optional
        Column that assigns rows to parts of the split; a row without a value is rejected.

    Returns
    -------
    Table
        With at least one record. Every row is either a record or a rejection; of several usable rows with the
        same identifier, the first is the record.

    Raises
    ------
    InputError
        If the file is not such a table, lacks a column, or has too many rejected rows.
    """
    source = open_table(path)
    reader = RowReader(source, structures, task, target, split_column)
    records: list[Record] = []
    rejected: list[Rejection] = []
    first_rows: dict[str, int] = {}
    for row in reader.rows(only):
        result = reader.read(row, first_rows)
        if isinstance(result, Record):
            first_rows[result.id] = result.row
            records.append(result)
        else:
            rejected.append(result)
    if not records and not rejected:
        raise InputError(f"{source.path}: there are no rows" + (" with the requested ids" if only is not None else ""))
    if task is not None:
        _check_scale(source.path, reader.target, task, records)
    with source.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    check_rejected_fraction(source.path, len(records), rejected, max_rejected, rejected_out)
    return Table(source.path, digest, reader.target, records, rejected, reader.description, source.columns)


def _check_scale(path: Path, column: str, task: Task, records: Sequence[Record]) -> None:
    """Refuse a column whose values all lie in the range of their logarithms.

    Bulk moduli, for example, range from 0.1 to 600 GPa: if no value in a table exceeds log10(600) = 2.8, the column
    holds logarithms.
    """
    low, high = task.valid
    if task.transform != "log10" or not (0 < low < 1 and isfinite(high)) or len(records) < _MIN_ROWS_FOR_SCALE:
        return
    largest = max(record.target for record in records if record.target is not None)
    if largest <= log10(high):
        raise InputError(
            f"{path}: column {column!r} holds logarithms, judging by its range (at most {largest:.3g}); the task "
            f"{task.name} takes the value itself in {task.unit}: convert the values back (10 ** x)"
        )
