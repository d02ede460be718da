"""Threads and processes within one job. Worker processes ignore interrupts and end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

ORPHAN_CHECK_INTERVAL = 1.0
"""Seconds between a worker's checks that its parent is alive."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Return how many threads may compute: ``OMP_NUM_THREADS``, which torch follows as well, or one per core."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(asked) if asked.isdecimal() and int(asked) > 0 else cores()


def in_threads(run: Callable[[int], T], pieces: int, threads: int) -> list[T]:
    """Call a function with 0, 1, … in several threads, including this one.

    Parameters
    ----------
    run : callable
        Takes the number of a piece; numbers are assigned in order to the next free thread.
    pieces : int
        Number of calls.
    threads : int
        Largest number of threads.

    Returns
    -------
    list
        The results, in the order of the numbers. If calls raise, the first exception is raised.
    """
    results: dict[int, T] = {}
    left = iter(range(pieces))

    def work() -> None:
        for piece in left:
            results[piece] = run(piece)

    others = []
    for _ in range(min(threads, pieces) - 1):
        try:
            others.append(_threads(threads - 1).submit(work))
        except RuntimeError:  # the interpreter is shutting down and starts no more threads
            break
    work()
    for other in others:
        other.result()
    return [results[piece] for piece in range(pieces)]


@lru_cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="zoo")


if hasattr(os, "register_at_fork"):  # a child process has none of its parent's threads
    os.register_at_fork(after_in_child=_threads.cache_clear)


def guarded(workers: int) -> ProcessPoolExecutor:
    """Return a pool of worker processes, which are spawned: a fork would inherit locks that other threads hold.

    The caller must call its ``shutdown``, and ``submit`` inside :func:`interrupts_ignored`.
    """
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _set_up_worker)


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore interrupts inside the block; processes started in it ignore them from the start."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _set_up_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # again: the user's script, imported here, may have changed it
    end_with_parent()


def end_with_parent() -> None:
    """End this worker process when its parent is gone, even if the parent was killed during a computation."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        if sys.platform == "win32":
            parent.join()
        else:
            while os.getppid() == parent.pid:  # unlike join, for joblib's workers as well
                time.sleep(ORPHAN_CHECK_INTERVAL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
