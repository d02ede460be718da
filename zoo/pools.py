"""Worker processes that leave interrupts to the process that started them, and end when it is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Return how many threads may compute: as many as cores, or as ``OMP_NUM_THREADS`` says, which torch heeds, too."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(asked) if asked.isdecimal() and int(asked) > 0 else cores()


def in_threads(run: Callable[[int], T], pieces: int, threads: int) -> list[T]:
    """Run something for each of some pieces, by their numbers, in so many threads at most, this one among them."""
    threads = min(threads, pieces)
    if threads <= 1:
        return [run(piece) for piece in range(pieces)]
    others: list[Callable[[], T]] = []
    for piece in range(1, pieces):
        try:
            others.append(_threads(threads - 1).submit(run, piece).result)
        except RuntimeError:  # the interpreter ends, and takes no more work
            others.append(partial(run, piece))
    return [run(0), *(other() for other in others)]


@lru_cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="zoo")


if hasattr(os, "register_at_fork"):  # a child process has none of its parent's threads
    os.register_at_fork(after_in_child=_threads.cache_clear)


def guarded(workers: int) -> ProcessPoolExecutor:
    """Return a pool of processes, started afresh: a fork would inherit the locks of this process's threads.

    Whoever takes it calls its ``shutdown``, and submits to it where :func:`interrupts_ignored`.
    """
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _watch_parent)


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore interrupts inside the block, and so let processes that start in it ignore them from the beginning."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _watch_parent() -> None:
    """Leave interrupts to the process that started this one; end when that is gone, for a kill gives no notice."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # again: the user's script, which runs here too, may have set it

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
