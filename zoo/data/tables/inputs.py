"""Inputs of ``zoo predict`` (structure files, folders of them, tables) → one stream of records."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import chain, starmap
from pathlib import Path
from typing import TYPE_CHECKING

from zoo._utils.wording import listed
from zoo.data.structures.containers.archives import is_archive, open_archive
from zoo.data.structures.files import (
    folders_within,
    format_of,
    identifiers,
    is_structure_file,
    other_files,
    structure_files,
)
from zoo.data.structures.parse import read_file
from zoo.data.tables.formats.compressed import sole_table, uncompressed_name
from zoo.data.tables.formats.json_tables import OneStructureError
from zoo.data.tables.formats.layout import Layout
from zoo.data.tables.readers import is_table, open_table
from zoo.data.tables.rows import RowReader
from zoo.data.tables.structure_files import MIN_PARALLEL_FILES, ParallelReader, read_structure_file
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zoo.data.tables.records import Record, Rejection

_Files = list[tuple[Path, str]]  # with their identifiers
_MAX_COUNTED_BYTES = 16_000_000


class RecordStream:
    """The records and rejections of files and tables in order; see :func:`iter_records`."""

    def __init__(
        self, parts: Sequence[_Files | RowReader], workers: int, min_parallel: int, notes: Sequence[str] = ()
    ) -> None:
        self._readers = [part for part in parts if isinstance(part, RowReader)]
        self.kept = tuple(dict.fromkeys(column for reader in self._readers for column in reader.kept))
        """Columns of the tables that the records carry along."""
        self._workers, self._min_parallel, self._notes = workers, min_parallel, notes
        self._parts = iter(parts)
        self._parallel: ParallelReader | None = None
        self._current: Iterator[Record | Rejection] = iter(())
        self._open_next()

    def _open_next(self) -> bool:
        part = next(self._parts, None)
        if part is None:
            return False
        if isinstance(part, RowReader):
            self._current = map(part.read, part.rows())
        elif self._workers < 1 or len(part) < self._min_parallel:
            self._current = chain.from_iterable(starmap(read_structure_file, part))
        else:
            self._current = self._parallel = ParallelReader(part, self._workers)
        return True

    def __iter__(self) -> RecordStream:
        return self

    def __next__(self) -> Record | Rejection:
        while (item := next(self._current, None)) is None:
            if not self._open_next():
                raise StopIteration
        return item

    @property
    def notes(self) -> list[str]:
        """What the user should know about how the inputs were taken, one line each; complete at the end."""
        return [*self._notes, *(note for reader in self._readers for note in reader.notes)]

    def close(self) -> None:
        """End the worker processes, if there are any."""
        if self._parallel:
            self._parallel.close()


def iter_records(
    paths: Iterable[Path],
    *,
    structures: Path | None = None,
    layout: Layout = Layout(),  # noqa: B008 - it is frozen
    keep: Sequence[str] | None = (),
    workers: int = 0,
    min_parallel: int = MIN_PARALLEL_FILES,
) -> RecordStream:
    """Read crystals, without targets, from structure files, folders of them, and tables.

    Parameters
    ----------
    paths : iterable of Path
    structures : Path, optional
        Folder of structure files, for tables that hold only identifiers.
    layout : Layout, optional
        What is told of the layout of tables; columns are found by their names, else by their cells.
    keep : sequence of str or None
        Columns of the tables that the records carry along; None for all that hold neither identifiers nor crystals.
    workers : int
        Processes that read structure files ahead, started immediately; see :mod:`zoo.data.tables.structure_files`.
        Scripts that use them need ``if __name__ == "__main__":``, because each process imports the script.
    min_parallel : int
        Smaller groups of consecutive structure files are read in this process.

    Returns
    -------
    RecordStream
        An iterator of Record or Rejection. Rows are read on demand, so memory stays bounded (only JSON tables are
        loaded whole). The identifier of a structure file is its name without extension, or as much of its path as
        makes it unique; identifiers in tables may repeat. Its method ``close`` ends the workers.

    Raises
    ------
    InputError
        Before anything is read, if a path does not exist or is neither of these, or no table has a column of `keep`.
    """
    paths = list(map(Path, paths))
    parts = open_inputs(paths, structures, layout)
    notes = [f"{path}: {_not_entered(path)}" for path in paths if path.is_dir() and folders_within(path)]
    _keep_columns([part for part in parts if isinstance(part, RowReader)], keep)
    return RecordStream(parts, workers, min_parallel, notes)


def open_inputs(
    paths: Iterable[Path],
    structures: Path | None = None,
    layout: Layout = Layout(),  # noqa: B008 - it is frozen
) -> list[_Files | RowReader]:
    """Return, for each input in order, the structure files with their identifiers, or the reader of a table's rows.

    Raises
    ------
    InputError
        As :func:`iter_records` does.
    """
    parts: list[list[Path] | RowReader] = []
    for path in map(Path, paths):
        part = _open_input(path, structures, layout)
        if isinstance(part, list) and parts and isinstance(parts[-1], list):
            parts[-1] += part
        else:
            parts.append(part)
    names = iter(identifiers([path for part in parts if isinstance(part, list) for path in part]))
    return [[(path, next(names)) for path in part] if isinstance(part, list) else part for part in parts]


def _keep_columns(readers: Sequence[RowReader], keep: Sequence[str] | None) -> None:
    for reader in readers:
        columns = reader.source.columns
        reader.kept = reader.own_columns if keep is None else tuple(name for name in keep if name in columns)
    known = dict.fromkeys(column for reader in readers for column in reader.source.columns if column)
    if missing := [name for name in keep or () if name not in known]:
        there = f"columns: {', '.join(known)}" if known else "there is no table among the inputs"
        raise InputError(f"--keep {missing[0]}: no table has such a column ({there})")


def skipped_files(paths: Iterable[Path]) -> dict[Path, list[str]]:
    """Return, for each folder and archive among `paths`, the files in it that are not structure files by name."""
    skipped = {}
    for path in map(Path, paths):
        if path.is_dir():
            skipped[path] = other_files(path)
        elif is_archive(path.name) and path.is_file() and not sole_table(path):
            with suppress(InputError):  # raised where it is read
                skipped[path] = open_archive(path).others
    return {path: names for path, names in skipped.items() if names}


def count_records(paths: Iterable[Path]) -> int | None:
    """Count the crystals in `paths`, for a progress bar; None if that takes long or a path is unusable."""
    total = 0
    for path in map(Path, paths):
        if path.is_dir():
            files = structure_files(path)
            if any(format_of(file.name) == "xyz" for file in files):  # each may hold several
                return None
            total += len(files)
        elif not is_table(path):
            total += 1
        elif uncompressed_name(path).endswith(".json"):
            return None
        else:
            try:
                table = open_table(path)
                if table.count is None and path.stat().st_size > _MAX_COUNTED_BYTES:
                    return None
            except (InputError, OSError):
                return None
            total += table.count if table.count is not None else sum(1 for _ in table.rows((), None))
    return total


def _not_entered(path: Path) -> str:
    """Say that the crystals in the folders of a folder are not read."""
    shown = listed(folders_within(path), most=3)
    return f"folders in it are not entered ({shown}): give them as inputs, or an archive of all"


def _open_input(path: Path, structures: Path | None, layout: Layout) -> list[Path] | RowReader:
    """Return the structure files of a path, or the reader of its rows."""
    if not os.path.exists(path):  # noqa: PTH110 - never raises, as of a name that is too long
        raise InputError(f"{path}: there is no such file or folder")
    if path.is_dir():
        files = structure_files(path)
        if not files:
            inner = f"; {_not_entered(path)}" if folders_within(path) else ""
            raise InputError(f"{path}: no structure file in this folder (.cif, .vasp, POSCAR, .json …){inner}")
        return files
    if is_table(path):
        try:
            return RowReader(open_table(path, layout), structures, layout=layout)
        except OneStructureError:
            return [path]
    if not is_structure_file(path):
        try:
            read_file(path)
        except InputError as error:
            other = "trajectories of ASE as .extxyz" if path.suffix == ".traj" else "other formats as .cif or .extxyz"
            raise InputError(
                f"{path}: neither a table nor a structure file, judging by its name ({error}); write {other}"
            ) from None
    return [path]
