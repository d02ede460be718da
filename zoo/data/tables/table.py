"""Tables and structure files -> records, and every row that cannot be used with its reason.

What the columns of a table may be called, and where its crystals come from if there are several choices, is
written in ``zoo.data.tables.rows``.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo._utils.files import whole
from zoo.data.structures import parse as parsing
from zoo.data.tables.readers import OneStructureError, is_table, open_source
from zoo.data.tables.rows import Record, Rejection, RowReader
from zoo.data.tables.structure_files import MANY, Files, read_structure_file
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from zoo.registry.contracts import Task

    _Part = list[Path] | Callable[[], Iterable[Record | Rejection]]

__all__ = [
    "Record",
    "Rejection",
    "Table",
    "check_rejected",
    "count_inputs",
    "iter_inputs",
    "read_table",
    "write_rejected",
]

_COUNTED_BYTES = 16_000_000


@dataclass(frozen=True)
class Table:
    """A table that has been read.

    Parameters
    ----------
    source : Path
        The file.
    sha256 : str
        Of the file's bytes.
    target_column : str
        Column that the targets come from.
    records : list of Record
    rejected : list of Rejection
        Together with `records`, all rows.
    structure_source : str
        What the crystals come from, and what else there was; one phrase for the user.
    """

    source: Path
    sha256: str
    target_column: str
    records: list[Record]
    rejected: list[Rejection]
    structure_source: str = ""


def read_table(
    path: Path,
    task: Task | None,
    *,
    target: str | None = None,
    structures: Path | None = None,
    max_rejected: float = 0.10,
    rejected_out: Path | None = None,
    only: Collection[str] | None = None,
) -> Table:
    """Read a table whole.

    Parameters
    ----------
    path : Path
        CSV, TSV, JSON, JSONL or Parquet; CGCNN's ``id_prop.csv`` or its folder.
    task : Task or None
        Says what the target column may be called, its physical range, and what it requires of a row; None reads
        crystals without targets.
    target : str, optional
        Column of the target, instead of the task's own names.
    structures : Path, optional
        Folder of structure files.
    max_rejected : float
        Largest fraction of rows that may be rejected.
    rejected_out : Path, optional
        Where the rejected rows are written if there are too many.
    only : collection of str, optional
        Identifiers of the rows that matter; others are neither read nor reported.

    Returns
    -------
    Table
        With at least one record. Every row is either a record or a rejection; of several usable rows with the
        same identifier, the first is the record.

    Raises
    ------
    InputError
        If the file is no such table, lacks a column, or has too many rejected rows.
    """
    source = open_source(path)
    reader = RowReader(source, structures, task, target)
    records: list[Record] = []
    rejected: list[Rejection] = []
    seen: dict[str, int] = {}
    for row in reader.rows(only):
        result = reader.read(row, seen)
        if isinstance(result, Record):
            seen[result.id] = result.row
            records.append(result)
        else:
            rejected.append(result)
    if not records and not rejected:
        raise InputError(f"{source.path}: there is no row" + (" of those wanted" if only is not None else ""))
    with source.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    table = Table(source.path, digest, reader.target, records, rejected, reader.description)
    check_rejected(source.path, len(records), rejected, max_rejected, rejected_out)
    return table


def rows_digest(records: Sequence[Record]) -> str:
    """Return a SHA-256 of the identifiers and crystals of rows, in their order."""
    sha = hashlib.sha256()
    for record in records:
        sha.update(f"{record.id}\0{record.crystal.digest}\n".encode())
    return sha.hexdigest()


def check_rejected(
    source: Path,
    usable: int,
    rejected: Sequence[Rejection],
    max_rejected: float,
    rejected_out: Path | None = None,
    *,
    limit: str = "of --max-rejected",
) -> None:
    """Refuse a table of which too many rows, or all, are rejected.

    Parameters
    ----------
    source : Path
        The table.
    usable : int
        Number of rows that can be used.
    rejected : sequence of Rejection
        The others.
    max_rejected : float
        Largest fraction of rows that may be rejected, 0 to 1.
    rejected_out : Path, optional
        Where the rejected rows are written before the error is raised.
    limit : str
        What the largest fraction is, for the message.

    Raises
    ------
    InputError
        With the counts, the two most frequent reasons, and where all of them are written.
    """
    if not 0 <= max_rejected <= 1:
        raise InputError(f"--max-rejected {max_rejected:g} is no fraction between 0 and 1")
    bad, rows = len(rejected), usable + len(rejected)
    if usable and bad <= max_rejected * rows:
        return
    kinds = [_kind_of(rejection.reason) for rejection in rejected]
    shown: dict[str, str] = {}
    if rejected_out is not None:  # otherwise the first is shown
        for kind, rejection in zip(kinds, rejected, strict=True):
            shown.setdefault(kind, f", such as {rejection.value!r}" if rejection.column and rejection.value else "")
    reasons = ", ".join(f"{count} × {kind}{shown.get(kind, '')}" for kind, count in Counter(kinds).most_common(2))
    if rejected_out is not None:
        write_rejected(rejected, rejected_out)
        where = f"every row with its reason: {rejected_out}"
    else:
        where = f"the first: {rejected[0]}"
    most = f", more than the {max_rejected:.3g} {limit}" if usable else ""
    raise InputError(f"{source}: {bad} of {rows} rows cannot be used{most} ({reasons}); {where}")


_REJECTED = ("file", "row", "id", "column", "value", "reason")


def write_rejected(rejected: Iterable[Rejection], path: Path) -> None:
    """Write rejected rows as CSV (file, row, id, column, value, reason), whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        with whole(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_REJECTED)
            for each in rejected:
                writer.writerow([each.file, each.row or "", each.id, each.column, each.value, each.reason])
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def forget_rejected(path: Path) -> None:
    """Remove the list of rejected rows that an earlier run left there; any other file of that name stays."""
    if lists_rejected(path):
        path.unlink(missing_ok=True)


def lists_rejected(path: Path) -> bool:
    """Say whether a file is a list of rejected rows."""
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
        return file.readline().rstrip("\n") == ",".join(_REJECTED)
    return False


class Inputs:
    """The records and rejections of files and tables, one after the other; see :func:`iter_inputs`."""

    def __init__(self, parts: Sequence[_Part], workers: int) -> None:
        self._workers = workers
        self._parts = iter(parts)
        self._pool: Files | None = None
        self._current: Iterator[Record | Rejection] = iter(())
        self._open()

    def _open(self) -> bool:
        part = next(self._parts, None)
        if part is None:
            return False
        if callable(part):
            self._current = iter(part())
        elif self._workers < 1 or len(part) < MANY:
            self._current = map(read_structure_file, part)
        else:
            self._current = self._pool = Files(part, self._workers)
        return True

    def __iter__(self) -> Inputs:
        return self

    def __next__(self) -> Record | Rejection:
        while (item := next(self._current, None)) is None:
            if not self._open():
                raise StopIteration
        return item

    def close(self) -> None:
        """End the processes that read ahead, if there are any."""
        if self._pool:
            self._pool.close()


def iter_inputs(paths: Iterable[Path], *, structures: Path | None = None, workers: int = 0) -> Inputs:
    """Read crystals without targets from structure files, folders of them, and tables, one after the other.

    Parameters
    ----------
    paths : iterable of Path
    structures : Path, optional
        Folder of structure files, for tables that hold identifiers alone.
    workers : int
        Processes that read structure files ahead, from now on, where there are many; see
        :mod:`zoo.data.tables.structure_files`. A script
        that asks for them needs ``if __name__ == "__main__":``, for they import it.

    Returns
    -------
    iterator of Record or Rejection
        Rows are read as they are asked for, so that memory stays bounded; JSON alone is held whole. The
        identifier of a structure file is its name without extension. Identifiers may repeat. Its method ``close``
        ends the workers.

    Raises
    ------
    InputError
        At the call, before anything is read, if a path does not exist or can be none of the three.
    """
    parts: list[_Part] = []
    for path in map(Path, paths):
        part = _open_input(path, structures)
        if isinstance(part, list) and parts and isinstance(parts[-1], list):
            parts[-1] += part
        else:
            parts.append(part)
    return Inputs(parts, workers)


def count_inputs(paths: Iterable[Path]) -> int | None:
    """Count the crystals in `paths`, for a progress bar; None where that takes long or a path is unusable."""
    total = 0
    for path in map(Path, paths):
        if path.is_dir():
            total += len(parsing.structure_files(path))
        elif not is_table(path):
            total += 1
        elif path.name.lower().endswith((".json", ".json.gz")):
            return None
        else:
            try:
                source = open_source(path)
                if source.count is None and path.stat().st_size > _COUNTED_BYTES:
                    return None
            except (InputError, OSError):
                return None
            total += source.count if source.count is not None else sum(1 for _ in source.rows((), None))
    return total


def _open_input(path: Path, structures: Path | None) -> _Part:
    """Return the structure files of a path, or what reads its rows."""
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    if path.is_dir():
        files = parsing.structure_files(path)
        if not files:
            raise InputError(f"{path}: no structure file in this folder (.cif, .vasp, POSCAR, .json …)")
        return files
    if is_table(path):
        try:
            reader = RowReader(open_source(path), structures)
        except OneStructureError:
            return [path]
        return lambda: (reader.read(row) for row in reader.rows())
    if not parsing.is_structure_file(path):
        try:
            parsing.read_file(path)
        except InputError as error:
            raise InputError(f"{path}: neither a table nor a structure file by its name ({error})") from None
    return [path]


def _kind_of(reason: str) -> str:
    """Cut off what differs from row to row, so that reasons can be counted."""
    return re.sub(r"'[^']*'", "…", re.split(r"[,:;(]", reason, maxsplit=1)[0]).strip()
