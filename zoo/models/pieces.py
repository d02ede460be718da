"""Pieces of a batch that are worth a thread of their own; they depend on the batch alone, and so do its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECE = 4096
"""Edges that are worth a thread for a single step, and whose arrays, 64 wide, stay in a core's cache."""

LEAST = 256
"""Edges that are worth a thread for the whole of a network, in which threads wait for each other once."""


def divide(edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Say which piece each crystal belongs to, given the edges of each: halves, or pieces of about `PIECE` edges."""
    ends = np.cumsum(edges)
    size = min(PIECE, max(LEAST, -(-int(edges.sum()) // 2)))
    return (ends - (edges + 1) // 2) // size  # by the edge in a crystal's middle
