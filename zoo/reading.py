"""Structure files → records and rejections; many files in processes of their own, in the order given.

Reading needs no torch. So the processes start before torch is imported, and read on while it is, and while the crystals
of earlier files are predicted. They are few files ahead, so that memory stays bounded.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from zoo import structures as parsing
from zoo._rows import Record, Rejection
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

MANY = 500
"""Fewer files are read in this process: to start another one takes as long."""

BATCH = 25
AHEAD = 80
"""Batches that may be read ahead: 2,000 crystals, a few megabytes."""


def spare_workers() -> int:
    """Return how many processes may read while this one computes: one less than there are cores, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, cores - 1)


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
        self._pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _watch_parent)
        self._pending: deque[Future[list[Record | Rejection]]] = deque()
        with _interrupts_ignored():  # and so by the processes that start now: this one ends them
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


def _watch_parent() -> None:
    """Leave interrupts to the process that started this one; end when that is gone, for a kill gives no notice."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # again: the user's script, which runs here too, may have set it

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
