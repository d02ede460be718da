"""How a batch is divided."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.models.pieces import LEAST, PIECE, divide


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([], []),
        ([5], [0]),
        ([100, 100], [0, 0]),  # too few to share
        ([LEAST, LEAST], [0, 1]),
        ([400, 300, 300], [0, 1, 1]),  # the second has its middle in the second half
        ([300, 450, 250], [0, 1, 1]),
        ([10 * PIECE], [5]),
        ([PIECE] * 3, [0, 1, 2]),
    ],
)
def test_crystals_of_a_piece(edges: list[int], expected: list[int]) -> None:
    assert divide(np.array(edges, dtype=np.int64)).tolist() == expected


def test_pieces_are_halves_of_a_batch_or_about_as_large_as_they_may_be() -> None:
    edges = np.random.default_rng(0).integers(4, 60, 5000)
    for count, pieces in ((50, 2), (200, 2), (5000, -(-int(edges.sum()) // PIECE))):
        found = divide(edges[:count])
        sizes = np.bincount(found, edges[:count])
        assert len(sizes) == pieces
        assert (np.diff(found) >= 0).all()
        assert abs(sizes[:-1] - min(PIECE, edges[:count].sum() / 2)).max() <= 60
