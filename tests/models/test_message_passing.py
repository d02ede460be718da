"""Torch's index operations in place of DGL's kernels: the same numbers, the same gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.dgl_import import dgl
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models.message_passing import IndexedGraph, message_graph, readout

if TYPE_CHECKING:
    from pymatgen.core import Structure


@pytest.fixture(scope="module")
def batch(real_structures: list[Structure]) -> GraphBatch:
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures])
    return GraphBatch.gather(graphs, np.arange(len(graphs)))


def passed(graph: Any, one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Values of both ends, added up at each edge, squared, summed at each centre, and averaged over each crystal."""
    function = dgl().function
    one, other = (each.clone().requires_grad_() for each in (one, other))
    with graph.local_scope():
        graph.ndata["neighbor"], graph.ndata["center"] = one, other
        graph.apply_edges(function.u_add_v("neighbor", "center", "ends"))
        graph.edata["message"] = graph.edata["ends"].square() * graph.edata["count"]
        graph.update_all(function.copy_e("message", "m"), function.sum("m", "total"))
        total = graph.ndata["total"]
    mean = readout(graph, total)
    mean.square().sum().backward()
    assert one.grad is not None
    assert other.grad is not None
    return total.detach(), mean.detach(), one.grad, other.grad


def test_both_graphs_pass_the_same_messages(batch: GraphBatch) -> None:
    double = batch.double()
    values = torch.randn(2, len(batch.numbers), 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found, expected = passed(IndexedGraph(double), *values), passed(double.graph, *values)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def test_a_message_goes_from_a_neighbour_to_its_centre_and_counts() -> None:
    """Two atoms; the second has the first as its neighbour three times, the first has itself once."""
    whole = torch.tensor
    batch = GraphBatch(
        whole([11, 17]),
        torch.tensor([[1.0], [2.0]]),
        whole([1, 1]),
        whole([0, 0]),
        torch.tensor([2.0, 3.0]),
        torch.tensor([[1.0], [3.0]]),
        whole([2]),
    )
    values = torch.tensor([[1.0], [10.0]])
    for graph in (batch.graph, IndexedGraph(batch)):
        total, mean, *_ = passed(graph, values, torch.zeros(2, 1))
        assert total.flatten().tolist() == [1, 3]  # 1² once, 1² three times
        assert mean.item() == pytest.approx((1 + 2 * 3) / 3)


def test_what_is_set_in_a_local_scope_is_forgotten(batch: GraphBatch) -> None:
    graph = IndexedGraph(batch)
    with graph.local_scope():
        graph.ndata["a"] = batch.copies
        graph.edata["b"] = batch.counts
    assert set(graph.ndata) == {"number", "copies"}
    assert set(graph.edata) == {"distance", "count"}


def test_on_a_cpu_messages_are_passed_on_a_dgl_graph(batch: GraphBatch) -> None:
    assert message_graph(batch) is batch.graph
    assert isinstance(message_graph(batch.to("meta")), IndexedGraph)  # no DGL has kernels for this device
