"""A labelled table, read whole from a file or a DataFrame, or made in memory, as used by ``finetune`` and ``study``."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, replace
from math import isfinite, log10
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from zoo._utils.progress import log_step
from zoo._utils.wording import counted, listed
from zoo.data.tables.cells import NOT_A_NUMBER
from zoo.data.tables.columns.names import check_unit
from zoo.data.tables.formats.frames import FRAME
from zoo.data.tables.formats.layout import Layout
from zoo.data.tables.readers import open_table
from zoo.data.tables.records import Record, Rejection
from zoo.data.tables.rejections import check_rejected_fraction
from zoo.data.tables.rows import RowReader
from zoo.errors import DOCUMENTATION, InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    import pandas as pd

    from zoo.registry.contracts import Task

_FAR = 10  # times the largest other value
_APART = 10  # parts of a value, of which equal crystals may differ by one
_MIN_ROWS_FOR_SCALE = 10  # fewer values may all be small by chance


@dataclass(frozen=True)
class Table:
    """A table that has been read.

    Parameters
    ----------
    source : Path
        The file, or a name that stands for it.
    sha256 : str
        Digest of the file's bytes, or of what was read if there is no file.
    target_column : str
        Column of the targets.
    records : list of Record
    rejected : list of Rejection
        With `records`, all rows.
    structure_source : str
        Source of the crystals, and alternative columns that were not used; one phrase for the user.
    columns : tuple of str
        All columns of the file.
    notes : tuple of str
        What the user should know about how the columns were taken, one line each.
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
    notes: tuple[str, ...] = ()
    test: Table | None = None

    @classmethod
    def of(cls, records: Iterable[Record], target_column: str, *, name: str = "crystals") -> Self:
        """Make a table of records in memory, in place of a file.

        Parameters
        ----------
        records : iterable of Record
            With targets, which a task checks when the table is used.
        target_column : str
            Name of the targets.
        name : str
            Name of the table in messages and cards.
        """
        rows = list(records)
        return cls(Path(name), _content_digest(target_column, rows), target_column, rows, [], "memory")


def _table_source(value: object) -> object:
    if isinstance(value, Path | Table):
        return value
    if isinstance(value, str):
        return Path(value)
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return value
    raise PydanticCustomError("table_type", "not a table")


if TYPE_CHECKING:
    TableSource = Path | pd.DataFrame | Table
    """What is taken for a table: its path (also as text), a DataFrame, or records in memory."""
else:  # checked without importing pandas
    TableSource = Annotated[Any, BeforeValidator(_table_source)]


ID = "Column of the ids.  [default: found by name, else by content]"
SHEET = "Sheet of an Excel workbook.  [default: the only one with data]"
DECIMAL = "Decimal sign of numbers.  [default: found from the target column]"
STRUCTURE = "Column of structures, names of structure files, or formulas.  [default: found by name, else by content]"
"""Help texts of the options that tell the layout of a table."""


def no_table() -> TableSource:
    """Say that a table must be given; the default of options that need one."""
    raise InputError("--data is missing: the table of crystals and targets")


def source_name(source: TableSource) -> str:
    """Return the name of a table for messages, without its folder."""
    if isinstance(source, Table):
        return source.source.name
    return source.name if isinstance(source, Path) else FRAME.name


def read_table(
    source: TableSource,
    task: Task | None,
    *,
    target: str | None = None,
    structures: Path | None = None,
    max_rejected: float = 0.10,
    rejected_out: Path | None = None,
    only: Collection[str] | None = None,
    split_column: str | None = None,
    layout: Layout = Layout(),  # noqa: B008 - it is frozen
    sparse: bool = False,
) -> Table:
    """Read a whole table.

    Parameters
    ----------
    source : Path, DataFrame or Table
        CSV, TSV, JSON, JSONL or Parquet; CGCNN's ``id_prop.csv`` or its folder; a DataFrame; or a table in memory,
        whose targets are checked against the task.
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
    layout : Layout, optional
        What is told of the table's layout; columns are found by their names, else by their cells.
    sparse : bool
        Whether rows may lack a value, as in a table of several properties. Such a row is set aside, and does not count
        as one that cannot be used.

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
    start = time.monotonic()
    if isinstance(source, Table):
        if target is not None and target.casefold() != source.target_column.casefold():
            raise InputError(f"{source.source}: --target {target}: the table in memory holds {source.target_column!r}")
        if task is not None:
            check_unit(source.source, source.target_column, task)
        found, results = source, _checked(source, task, only, split_column)
    else:
        opened = open_table(source, layout)
        reader = RowReader(opened, structures, task, target, split_column, layout=layout, sparse=sparse)
        found = Table(opened.path, "", reader.target, [], [], reader.description, opened.columns)
        results = _read(reader, only)
    records: list[Record] = []
    rejected = list(found.rejected)
    for result in results:
        if isinstance(result, Record):
            records.append(result)
        else:
            rejected.append(result)
    found = replace(found, records=records, rejected=rejected)
    if not isinstance(source, Table):
        found = replace(found, notes=(*reader.notes, *_contradictions(records, task)))
    if not records and not rejected:
        raise InputError(f"{found.source}: there are no rows" + (" with the requested ids" if only is not None else ""))
    if task is not None:
        _check_scale(found.source, found.target_column, task, records)
        _check_sentinels(found.source, found.target_column, records)
    _check_numbers(found, task)
    check_rejected_fraction(found.source, len(records), rejected, max_rejected, rejected_out)
    origin = f", crystals from {found.structure_source}" if found.structure_source else ""
    log_step(start, f"read {found.source}: {len(records)} rows used, {len(rejected)} left out{origin}")
    return found if isinstance(source, Table) else replace(found, sha256=_digest(source, found))


def _read(reader: RowReader, only: Collection[str] | None) -> Iterator[Record | Rejection]:
    first_rows: dict[str, int] = {}
    for row in reader.rows(only):
        result = reader.read(row, first_rows)
        if isinstance(result, Record):
            first_rows[result.id] = result.row
        yield result


def _checked(
    table: Table, task: Task | None, only: Collection[str] | None, split_column: str | None
) -> Iterator[Record | Rejection]:
    """Check the records of a table in memory as those of a file are checked."""
    first_rows: dict[str, int] = {}
    for record in table.records:
        if only is not None and record.id not in only:
            continue
        column, value, problem = "", "", None
        if record.id in first_rows:
            problem = f"duplicate id, first at row {first_rows[record.id]}"
        elif task is not None:
            column, value = table.target_column, str(record.target)
            problem = "no value" if record.target is None else task.problem(record.target)
        if problem is None and split_column and not record.part:
            column, value, problem = split_column, "", "no value, so the row is neither a training nor a test row"
        if problem:
            yield Rejection(record.file, record.row, record.id, column, value, problem)
        else:
            first_rows[record.id] = record.row
            yield record


def _digest(source: Path | pd.DataFrame, table: Table) -> str:
    """Return the digest of a file's bytes, or of what was read of a DataFrame."""
    if not isinstance(source, Path):
        return _content_digest(table.target_column, [*table.records, *table.rejected])
    with table.source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content_digest(target_column: str, rows: Iterable[Record | Rejection]) -> str:
    sha = hashlib.sha256(target_column.encode())
    for row in rows:
        if isinstance(row, Record):
            sha.update(f"\n{row.id}\0{row.crystal.digest}\0{row.target!r}\0{row.part}".encode())
        else:
            sha.update(f"\n{row}".encode())
    return sha.hexdigest()


def _check_numbers(table: Table, task: Task | None) -> None:
    """Refuse a column of labels, of which each is in several rows and none is a number, unless they are classes."""
    rows = [each for each in table.rejected if each.column == table.target_column and each.reason == NOT_A_NUMBER]
    labels = list(dict.fromkeys(each.value for each in rows))
    if task is None or table.records or not labels or 2 * len(labels) > len(rows):
        return
    shown = listed([repr(label) for label in labels[:3]])
    raise InputError(
        f"{table.source}: column {table.target_column!r} holds labels, such as {shown}, and no numbers; to learn "
        f"classes, give a task of kind 'classification' ({DOCUMENTATION}/reference/plugins.html), or use "
        "zoo.CrystalClassifier"
    )


def _check_sentinels(path: Path, column: str, records: Sequence[Record]) -> None:
    """Refuse numbers such as -999 that stand for a missing value: the only negative ones, or far from all others."""
    values = [record.target for record in records if record.target is not None]
    fillers = [value for value in values if re.fullmatch(r"-?9{3,8}", f"{value:.15g}")]
    others = [value for value in values if value not in fillers]
    if not fillers or not others:
        return
    largest, nearest = max(map(abs, others)), min(map(abs, fillers))
    if nearest > _FAR * largest or (max(fillers) < 0 <= min(others) and nearest > largest):
        raise InputError(
            f"{path}: column {column!r} holds {fillers[0]:g} in {counted(fillers.count(fillers[0]), 'row')}, unlike "
            "all other values; if it stands for a missing value, leave these cells empty"
        )


def _contradictions(records: Sequence[Record], task: Task | None) -> list[str]:
    """Note rows with the same crystal and values that differ by more than a tenth."""
    if task is None:
        return []
    rows: dict[str, list[tuple[float, str]]] = {}
    for record in records:
        if record.target is not None and record.crystal.has_structure:
            rows.setdefault(record.crystal.digest, []).append((record.target, record.id))
    spans = [(min(each), max(each)) for each in rows.values()]
    apart = [(low, high) for low, high in spans if high[0] - low[0] > max(abs(low[0]), abs(high[0])) / _APART]
    if not apart:
        return []
    values = [f"{id_} ({task.classes[int(value)] if task.classes else f'{value:g}'})" for value, id_ in apart[0]]
    several = "1 crystal is" if len(apart) == 1 else f"{len(apart)} crystals are"
    return [f"{several} in several rows with different values, such as {listed(values)}"]


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
