"""The kernels' format of a batch: edges with their largest Gaussians, divided into pieces for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils import compiled, workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zoo.data.graphs.packing import PackedGraphs

    Array = NDArray[np.float32]

EDGES_PER_PIECE = 4096
"""Number of edges whose arrays, 64 features wide, fit into a core's cache."""

MIN_EDGES_PER_THREAD = 256
"""Smallest number of edges worth a separate thread for all convolutions."""

SMALLEST_EXPONENT = -50.0
"""Gaussians below e^-50 are zero: their products with weights would be subnormal, which is slow."""


def pieces_of(edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the piece that each crystal belongs to.

    The pieces, and hence the results, depend only on the batch, not on the number of threads.

    Parameters
    ----------
    edges : array of shape (B,)
        Edges of each crystal.

    Returns
    -------
    array of shape (B,)
        Ascending: halves of a small batch, pieces of about `EDGES_PER_PIECE` edges of a large one.
    """
    ends = np.cumsum(edges)
    size = min(EDGES_PER_PIECE, max(MIN_EDGES_PER_THREAD, -(-int(edges.sum()) // 2)))
    return (ends - (edges + 1) // 2) // size  # by the middle edge of a crystal


def ends_of(degrees: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the atom at which each piece of a batch ends.

    Parameters
    ----------
    degrees : array of shape (M,)
        Edges of each atom.
    sizes : array of shape (B,)
        Atoms of each crystal.
    """
    ends = np.cumsum(sizes)
    pieces = pieces_of(np.diff(np.cumsum(degrees)[ends - 1], prepend=0))
    found: NDArray[np.int64] = ends[np.append(pieces[1:] != pieces[:-1], True)]
    return found


def by_pieces(run: Callable[[PackedGraphs], Array], graphs: PackedGraphs) -> Array:
    """Compute the vectors of graphs, shape (n, d), in pieces of whole crystals, which threads share."""
    pieces = pieces_of(graphs.edges)
    rows = np.split(np.arange(len(pieces)), np.flatnonzero(np.diff(pieces)) + 1)
    return np.concatenate(
        workers.in_threads(lambda piece: run(graphs.select(rows[piece])), len(rows), workers.threads())
    )


def edges_of(
    spacing: float,
    gaussians: int,
    distances: Array,
    degrees: NDArray[Any],
    neighbors: NDArray[np.int64],
    counts: Array,
    ends: NDArray[np.int64],
) -> Any:
    """Return the edges in the kernels' format, each with its largest Gaussians; those omitted are below e^-16.

    Parameters
    ----------
    spacing : float
        Distance between the centres of neighbouring Gaussians in Å, which is also their width.
    gaussians : int
        Number of Gaussians, the first at 0.
    distances : array of shape (R,)
        In Å.
    degrees : array of shape (M,)
        Edges of each atom.
    neighbors : array of shape (R,)
        Index of the atom at each edge's other end.
    counts : array of shape (R, 1)
        Number of neighbours that each edge represents.
    ends : array of shape (P,)
        Index of the atom at which each piece ends.

    Returns
    -------
    zoo.models.kernels.gating.Edges
    """
    assert compiled.gating is not None
    starts = np.cumsum(degrees, dtype=np.int64) - degrees
    largest = compiled.gating.largest(distances, spacing, gaussians)
    return compiled.gating.Edges(*largest, starts, neighbors, counts, ends)
