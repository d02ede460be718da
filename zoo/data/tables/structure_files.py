"""Structure files → records and rejections, in order; many files are read by worker processes.

The workers start immediately and read while this process loads the model and predicts earlier crystals. The number of
files read ahead is limited, so memory stays bounded.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TYPE_CHECKING

from zoo._utils.workers import cores, guarded, interrupts_ignored
from zoo.data.structures.files import format_of
from zoo.data.structures.parse import read_file
from zoo.data.tables.formats.containers import open_container
from zoo.data.tables.records import Record, Rejection
from zoo.data.tables.rows import RowReader
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

MIN_PARALLEL_FILES = 1500
"""Fewer files are read in this process, because starting workers takes as long (docs/benchmarks/performance.md)."""

FILES_PER_BATCH = 25
MAX_BATCHES_AHEAD = 80
"""Batches read ahead: 2,000 crystals, a few megabytes."""


def spare_workers() -> int:
    """Return the number of processes that read while this one computes: one fewer than the cores, at most 8."""
    return min(8, cores() - 1)


def read_structure_file(path: Path, identifier: str) -> list[Record | Rejection]:
    """Read one file; it holds several crystals only if it is extended XYZ."""
    try:
        if format_of(path.name) == "xyz":
            frames = RowReader(open_container(path, identifier), None)
            return [frames.read(row) for row in frames.rows()]
        return [Record(identifier, read_file(path), None, 0, str(path))]
    except InputError as error:
        return [Rejection(str(path), None, identifier, "", "", str(error).removeprefix(f"{path}: "))]


class ParallelReader:
    """An iterator over the records and rejections of structure files, which worker processes read ahead.

    Call :meth:`close` unless all of them are consumed.

    Parameters
    ----------
    files : sequence of (Path, str)
        Each with its identifier.
    workers : int
        Processes, at least 1.
    ahead : int
        Largest number of batches of 25 files read ahead.
    """

    def __init__(self, files: Sequence[tuple[Path, str]], workers: int, ahead: int = MAX_BATCHES_AHEAD) -> None:
        self._batches = (files[start : start + FILES_PER_BATCH] for start in range(0, len(files), FILES_PER_BATCH))
        self._read: Iterator[Record | Rejection] = iter(())
        self._pool = guarded(workers)
        self._pending: deque[Future[list[Record | Rejection]]] = deque()
        with interrupts_ignored():  # inherited by the workers, which are ended by this process
            self._submit(ahead)

    def _submit(self, count: int) -> None:
        self._pending.extend(self._pool.submit(_read_batch, batch) for batch in islice(self._batches, count))

    def __iter__(self) -> ParallelReader:
        return self

    def __next__(self) -> Record | Rejection:
        while (item := next(self._read, None)) is None:
            if not self._pending:
                self.close()
                raise StopIteration
            try:
                self._read = iter(self._pending.popleft().result())
                self._submit(1)
            except BrokenProcessPool as error:
                raise InputError("a process that reads structure files was killed; perhaps memory ran out") from error
        return item

    def close(self) -> None:
        """End the workers once each has finished its batch."""
        self._pending.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _read_batch(files: Sequence[tuple[Path, str]]) -> list[Record | Rejection]:
    return [each for path, identifier in files for each in read_structure_file(path, identifier)]
