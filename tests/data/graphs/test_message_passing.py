"""Torch's index operations in place of DGL's kernels: the same numbers, the same gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.dgl_import import Substitute, dgl
from zoo.data.graphs.message_passing import IndexedGraph
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs

if TYPE_CHECKING:
    from pymatgen.core import Structure


@pytest.fixture(scope="module")
def batch(real_structures: list[Structure]) -> GraphBatch:
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures])
    return GraphBatch.gather(graphs, np.arange(len(graphs)))


def passed(batch: GraphBatch, graph: Any, one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Values of both ends, added up at each edge, squared, summed at each centre, and averaged over each crystal."""
    function = dgl().function
    one, other = (each.clone().requires_grad_() for each in (one, other))
    with graph.local_scope():
        graph.ndata["neighbor"], graph.ndata["center"] = one, other
        graph.apply_edges(function.u_add_v("neighbor", "center", "ends"))
        graph.edata["message"] = graph.edata["ends"].square() * graph.edata["count"]
        graph.update_all(function.copy_e("message", "m"), function.sum("m", "total"))
        total = graph.ndata["total"]
    mean = batch.mean(total)
    mean.square().sum().backward()
    assert one.grad is not None
    assert other.grad is not None
    return total.detach(), mean.detach(), one.grad, other.grad


def test_both_graphs_pass_the_same_messages(batch: GraphBatch) -> None:
    double = batch.double()
    values = torch.randn(2, len(batch.numbers), 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found, expected = (passed(double, graph, *values) for graph in (IndexedGraph(double), double.graph))
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reduction", ["sum", "mean", "max", "min"])
@pytest.mark.parametrize("message", ["copy_u", "copy_e", "u_mul_e", "u_sub_v", "v_div_e"])
def test_messages_and_reductions_are_those_of_dgl(batch: GraphBatch, message: str, reduction: str) -> None:
    real, substitute, double, found = dgl().function, Substitute("dgl").function, batch.double(), []
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, len(batch.numbers), 3, dtype=torch.float64, generator=generator)
    weights = torch.rand(len(batch.distances), 3, dtype=torch.float64, generator=generator) + 0.5
    fields = [{"u": "a", "v": "b", "e": "w"}[end] for end in message.replace("copy_", "").split("_") if len(end) == 1]
    for graph, function in ((double.graph, real), (IndexedGraph(double), real), (IndexedGraph(double), substitute)):
        with graph.local_scope():
            graph.ndata["a"], graph.ndata["b"] = values
            graph.edata["w"] = weights
            graph.update_all(getattr(function, message)(*fields, "m"), getattr(function, reduction)("m", "out"))
            found.append(graph.ndata["out"])
    expected, indexed, substituted = found
    torch.testing.assert_close(indexed, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(substituted, indexed)
    for mine, theirs in zip(IndexedGraph(double).edges(), double.graph.edges(), strict=True):
        assert torch.equal(mine, theirs)
    assert torch.equal(IndexedGraph(double).batch_num_nodes(), double.graph.batch_num_nodes())


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
        total, mean, *_ = passed(batch, graph, values, torch.zeros(2, 1))
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
    assert isinstance(batch.graph, dgl().DGLGraph)
    assert isinstance(batch.to("meta").graph, IndexedGraph)  # no DGL has kernels for this device
