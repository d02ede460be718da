"""How many threads a batch gets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import torch

from zoo.models.threads import for_each_piece, threads, threads_for, unlimited_threads

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def two_threads() -> Iterator[None]:
    had = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(had)


@pytest.mark.usefixtures("two_threads")
def test_threads_are_as_many_as_the_edges_repay_and_then_as_before() -> None:
    for edges, expected in ((0, 1), (5_000, 1), (8_192, 2), (1e6, 2)):
        with threads_for(edges):
            assert torch.get_num_threads() == expected
            assert unlimited_threads() == 2
        assert torch.get_num_threads() == 2


def test_threads_are_so_many_inside_the_block_and_as_before_after_it() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("two_threads")
def test_pieces_run_at_the_same_time() -> None:
    """Each waits for the other; one after the other they would wait for ever."""
    meeting = threading.Barrier(2, timeout=60)
    seen: list[int] = []

    def run(piece: int) -> None:
        meeting.wait()
        seen.append(piece)

    for_each_piece(run, 2)
    with threads_for(0):  # torch has one now
        for_each_piece(run, 2, threads=2)
    assert sorted(seen) == [0, 0, 1, 1]


@pytest.mark.usefixtures("two_threads")
def test_what_fails_in_a_thread_is_raised() -> None:
    def run(piece: int) -> None:
        raise ValueError(f"piece {piece}")

    with pytest.raises(ValueError, match="piece 0"):
        for_each_piece(run, 3)
