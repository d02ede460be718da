"""The order of batches depends on seed and epoch, is shared by processes, and can be entered in the middle."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.scaling import TargetScaler
from zoo.training.batches import BatchMaker, LabelledGraphs, ShuffledOrder, visits

if TYPE_CHECKING:
    from pymatgen.core import Structure


def batches(order: ShuffledOrder, epoch: int = 0, start: int = 0) -> list[list[int]]:
    return [positions.tolist() for positions in order.batches(epoch, start)]


def test_an_epoch_has_whole_batches_of_distinct_rows() -> None:
    order = ShuffledOrder(23, 4, seed=4)
    first, second = batches(order), batches(order, epoch=1)
    assert [len(batch) for batch in first] == [4] * 5
    assert len(order) == 5
    assert len({row for batch in first for row in batch}) == 20
    assert first != second
    assert first == batches(ShuffledOrder(23, 4, seed=4))
    assert first != batches(ShuffledOrder(23, 4, seed=5))


def test_processes_share_the_rows_of_an_epoch() -> None:
    alone = batches(ShuffledOrder(11, 1, seed=4))
    parts = [batches(ShuffledOrder(11, 1, seed=4, rank=rank, world_size=3)) for rank in range(3)]
    assert [len(part) for part in parts] == [3, 3, 3]
    assert [batch for step in zip(*parts, strict=True) for batch in step] == alone[:9]


def test_an_epoch_can_be_entered_in_the_middle() -> None:
    order = ShuffledOrder(23, 4, seed=4)
    assert batches(order, start=2) == batches(order)[2:]


def test_large_crystals_take_part_in_some_epochs_only() -> None:
    every = np.array([1] * 30 + [2] * 12 + [3] * 6 + [4] * 12)
    order = ShuffledOrder(60, 1, seed=4, every=every)
    epochs = [[row for batch in batches(order, epoch) for row in batch] for epoch in range(12)]
    assert {len(epoch) for epoch in epochs} == {len(order)} == {30 + 6 + 2 + 3}
    counts = np.bincount(np.concatenate(epochs))
    assert counts.tolist() == (12 // every).tolist()
    assert all(later - earlier >= 2 for row in (35, 55) for earlier, later in pairwise(epochs_of(row, epochs)))


def epochs_of(row: int, epochs: list[list[int]]) -> list[int]:
    return [number for number, rows in enumerate(epochs) if row in rows]


def test_a_visit_costs_about_as_many_edges_as_given(real_structures: list[Structure]) -> None:
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures[:8]])
    rows = np.arange(8)[::-1]
    edges = graphs.edges[rows]
    limit = int(np.median(edges))
    every = visits(LabelledGraphs(graphs, np.zeros(8), rows), limit)
    assert (every == 1).tolist() == (edges <= limit).tolist()
    assert ((edges <= every * limit) | (every == 4)).all()
    assert len(set(every)) > 1


def test_a_set_smaller_than_a_batch_is_one_batch() -> None:
    (batch,) = batches(ShuffledOrder(23, 64, seed=4))
    assert sorted(batch) == list(range(23))


def test_a_batch_has_the_graphs_the_scaled_targets_and_the_vectors_of_its_rows(
    real_structures: list[Structure],
) -> None:
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures[:5]])
    targets = np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 30.0], [4.0, 40.0], [5.0, 50.0]])
    rows = np.array([4, 1, 2])
    data = LabelledGraphs(graphs, targets, rows, torch.arange(6.0).reshape(3, 2))
    scalers = [TargetScaler.fit(column[np.isfinite(column)], "identity") for column in targets.T]
    maker = BatchMaker(data, scalers, "cpu")
    batch, scaled = maker.make(np.array([2, 1]))
    assert batch.sizes.tolist() == graphs.sizes[[2, 1]].tolist()
    assert batch.vectors is not None
    assert batch.vectors.tolist() == [[4.0, 5.0], [2.0, 3.0]]
    expected = [scaler.scale(np.array([value]))[0] for scaler, value in zip(scalers, (3.0, 30.0), strict=True)]
    assert scaled[0].tolist() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert math.isnan(scaled[1, 1])
    ((everything, _),) = maker.in_order()
    assert everything.sizes.tolist() == graphs.sizes[rows].tolist()
