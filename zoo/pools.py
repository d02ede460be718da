"""Worker processes that leave interrupts to the process that started them, and end when it is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
