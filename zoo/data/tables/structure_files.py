"""Structure files → records and rejections; many files in processes of their own, in the order given.

The processes start first of all, and read on while this one gets ready and while the crystals of earlier files are
predicted. They are few files ahead, so that memory stays bounded.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TYPE_CHECKING

from zoo._utils import workers as pools
from zoo.data.structures import parse as parsing
from zoo.data.tables.rows import Record, Rejection
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

MANY = 1500
"""Fewer files are read in this process: to start another one takes as long (docs/performance.md)."""

BATCH = 25
AHEAD = 80
"""Batches that may be read ahead: 2,000 crystals, a few megabytes."""


def spare_workers() -> int:
    """Return how many processes may read while this one computes: one less than there are cores, at most 8."""
    return min(8, pools.cores() - 1)


def read_structure_file(path: Path) -> Record | Rejection:
    """Read one file; its identifier is its name without extension."""
    name = path.name.removesuffix(".gz")
    identifier = name.rpartition(".")[0] if parsing.has_structure_suffix(name) else name
    try:
        return Record(identifier, parsing.read_file(path), None, 0, str(path))
    except InputError as error:
        return Rejection(str(path), None, identifier, "", "", str(error))


class Files:
    """The records and rejections of structure files, read in other processes from the moment that it is made.

    Whoever does not read them all calls :meth:`close`.

    Parameters
    ----------
    files : sequence of Path
    workers : int
        Processes, at least 1.
    """

    def __init__(self, files: Sequence[Path], workers: int) -> None:
        batches = (files[start : start + BATCH] for start in range(0, len(files), BATCH))
        self._batches = iter(batches)
        self._read: Iterator[Record | Rejection] = iter(())
        self._pool = pools.guarded(workers)
        self._pending: deque[Future[list[Record | Rejection]]] = deque()
        with pools.interrupts_ignored():  # and so by the processes that start now: this one ends them
            self._submit(AHEAD)

    def _submit(self, count: int) -> None:
        self._pending.extend(self._pool.submit(_read_batch, batch) for batch in islice(self._batches, count))

    def __iter__(self) -> Files:
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
        """End the processes, after the batch that each is at."""
        self._pending.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _read_batch(files: Sequence[Path]) -> list[Record | Rejection]:
    return [read_structure_file(path) for path in files]
