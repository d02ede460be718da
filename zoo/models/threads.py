"""Threads for batches: torch's, limited where they would wait for each other, and those of the compiled kernels."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch

from zoo._utils.workers import in_threads
from zoo.models.kernels import arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_unlimited: ContextVar[int | None] = ContextVar("unlimited", default=None)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Limit torch to `count` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_for(edges: float) -> Iterator[None]:
    """Limit torch to one thread per `EDGES_PER_PIECE` edges of a batch inside the block, and to the previous number.

    For small batches, torch's threads mostly wait for each other, in particular if another program uses the same cores.
    Compiled kernels that share nothing between pieces may use :func:`unlimited_threads`.
    """
    before = torch.get_num_threads()
    token = _unlimited.set(before)
    try:
        with threads(min(before, max(1, int(edges / arrays.EDGES_PER_PIECE)))):
            yield
    finally:
        _unlimited.reset(token)


def unlimited_threads() -> int:
    """Return the number of torch's threads outside of any block of :func:`threads_for`."""
    return _unlimited.get() or torch.get_num_threads()


def for_each_piece(run: Callable[[int], None], pieces: int, threads: int | None = None) -> None:
    """Call a function with the index of each piece, in `threads` threads (by default as many as torch uses)."""
    in_threads(run, pieces, threads or torch.get_num_threads())
