"""Threads, and results that do not depend on how many there are."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from support.reference import unlike_the_initial

from zoo._utils import compiled
from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models import bonds, pieces
from zoo.models.architecture import Architecture
from zoo.models.threads import run_pieces, threads_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core import Structure


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
        assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_pieces_run_at_the_same_time() -> None:
    """Each waits for the other; one after the other they would wait for ever."""
    meeting = threading.Barrier(2, timeout=60)
    seen: list[int] = []

    def run(piece: int) -> None:
        meeting.wait()
        seen.append(piece)

    run_pieces(run, 2)
    with threads_for(0):  # torch has one now
        run_pieces(run, 2, whole=True)
    assert sorted(seen) == [0, 0, 1, 1]


@pytest.mark.usefixtures("two_threads")
def test_what_fails_in_a_thread_is_raised() -> None:
    def run(piece: int) -> None:
        raise ValueError(f"piece {piece}")

    with pytest.raises(ValueError, match="piece 0"):
        run_pieces(run, 3)


@pytest.mark.skipif(bool(compiled.missing()), reason="zoo was installed without a C compiler")
@pytest.mark.parametrize("training", [True, False])
def test_pieces_and_threads_change_no_digit(
    real_structures: list[Structure], monkeypatch: pytest.MonkeyPatch, training: bool
) -> None:
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures])
    batch = GraphBatch.gather(graphs, np.arange(len(graphs)))
    size = Architecture(width=16, convolutions=2)

    def gradients(threads: int, piece: int) -> tuple[int, dict[str, torch.Tensor]]:
        for name in ("PIECE", "LEAST"):
            monkeypatch.setattr(pieces, name, piece)
        had = torch.get_num_threads()
        torch.set_num_threads(threads)
        model = unlike_the_initial(size).train(training)
        model(batch).square().sum().backward()
        torch.set_num_threads(had)
        count = len(bonds.Bonds(batch, size, model.centers).edges)
        return count, {name: each.grad for name, each in model.named_parameters() if each.grad is not None}

    few, whole = gradients(1, 1 << 30)
    many, one = gradients(1, 50)
    assert few == 1
    assert many > 5
    again, two = gradients(2, 50)
    assert again == many
    for name, gradient in one.items():
        assert torch.equal(two[name], gradient), name
        torch.testing.assert_close(whole[name], gradient, rtol=1e-4, atol=1e-4 * max(1.0, float(gradient.abs().max())))
