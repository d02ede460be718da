"""How a batch is divided."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.models.kernels.arrays import EDGES_PER_PIECE, MIN_EDGES_PER_THREAD, ends_of, pieces_of


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([], []),
        ([5], [0]),
        ([100, 100], [0, 0]),  # too few to share
        ([MIN_EDGES_PER_THREAD, MIN_EDGES_PER_THREAD], [0, 1]),
        ([400, 300, 300], [0, 1, 1]),  # the second has its middle in the second half
        ([300, 450, 250], [0, 1, 1]),
        ([10 * EDGES_PER_PIECE], [5]),
        ([EDGES_PER_PIECE] * 3, [0, 1, 2]),
    ],
)
def test_crystals_of_a_piece(edges: list[int], expected: list[int]) -> None:
    assert pieces_of(np.array(edges, dtype=np.int64)).tolist() == expected


def test_pieces_are_halves_of_a_batch_or_about_as_large_as_they_may_be() -> None:
    edges = np.random.default_rng(0).integers(4, 60, 5000)
    for count, pieces in ((50, 2), (200, 2), (5000, -(-int(edges.sum()) // EDGES_PER_PIECE))):
        found = pieces_of(edges[:count])
        sizes = np.bincount(found, edges[:count])
        assert len(sizes) == pieces
        assert (np.diff(found) >= 0).all()
        assert abs(sizes[:-1] - min(EDGES_PER_PIECE, edges[:count].sum() / 2)).max() <= 60


def test_pieces_end_with_the_last_atom_of_a_crystal() -> None:
    """Crystals of 2, 1 and 3 atoms with 400, 300 and 300 edges: the first is a piece, the others are the second."""
    degrees, sizes = np.array([250, 150, 300, 100, 100, 100]), np.array([2, 1, 3])
    assert ends_of(degrees, sizes).tolist() == [2, 6]
