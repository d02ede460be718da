"""As many threads as the work repays."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 4096
"""Edges that are worth a thread of torch's, which is quick where all have a core to themselves."""

LEAST = 256
"""Edges that are worth a thread of our own for the whole of a network, in which threads wait for each other once."""

_allowed: ContextVar[int | None] = ContextVar("allowed", default=None)


def run_pieces(run: Callable[[int], None], pieces: int, *, whole: bool = False) -> None:
    """Run something for each piece of a batch, in as many threads as torch may have.

    Parameters
    ----------
    run : callable
        Called with the number of each piece.
    pieces : int
    whole : bool
        It is all of a network that is run: in as many threads as torch had before :func:`threads_for`.
    """
    threads = min((whole and _allowed.get()) or torch.get_num_threads(), pieces)
    if threads == 1:
        for piece in range(pieces):
            run(piece)
    else:
        others = [_pool(threads - 1).submit(run, piece) for piece in range(1, pieces)]
        run(0)
        for other in others:
            other.result()


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
    before = _allowed.set(had)
    try:
        yield
    finally:
        _allowed.reset(before)
        torch.set_num_threads(had)
