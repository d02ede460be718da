"""Worker processes that leave interrupts to the process that started them, and end when it is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
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
    results: dict[int, T] = {}
    left = iter(range(pieces))

    def work() -> None:
        for piece in left:  # whoever is free takes the next one
            results[piece] = run(piece)

    others = []
    for _ in range(min(threads, pieces) - 1):
        try:
            others.append(_threads(threads - 1).submit(work))
        except RuntimeError:  # the interpreter ends, and starts no more of them
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
