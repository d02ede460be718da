"""As many threads as the work repays."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch

from zoo._utils.workers import in_threads
from zoo.models.pieces import PIECE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    in_threads(run, pieces, (whole and _allowed.get()) or torch.get_num_threads())


@contextmanager
def threads_for(edges: float) -> Iterator[None]:
    """Let torch have a thread for every ``PIECE`` edges of a batch inside the block, and no more than it had.

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
