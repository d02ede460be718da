"""As many threads as the work repays."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 4096
"""Edges that are worth a thread of their own."""


def run_pieces(run: Callable[[int], None], pieces: int) -> None:
    """Run something for each piece of a batch, in as many threads as torch may have."""
    threads = min(torch.get_num_threads(), pieces)
    if threads == 1:
        for piece in range(pieces):
            run(piece)
    else:
        list(_pool(threads).map(run, range(pieces)))


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="zoo")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child process has none of its parent's threads


@contextmanager
def threads_for(edges: float) -> Iterator[None]:
    """Let torch have a thread for every :data:`PIECE` edges of a batch inside the block, and no more than it had.

    In small batches threads wait for each other, and very long where another program keeps a core busy.
    """
    had = torch.get_num_threads()
    torch.set_num_threads(min(had, max(1, int(edges / PIECE))))
    try:
        yield
    finally:
        torch.set_num_threads(had)
