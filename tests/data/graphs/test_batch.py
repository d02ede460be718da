"""A batch, its DGL graph, and the way back."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.dgl_import import dgl
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymatgen.core import Structure


@pytest.fixture(scope="module")
def graphs(real_structures: list[Structure]) -> PackedGraphs:
    return PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures])


@pytest.fixture
def batch(graphs: PackedGraphs) -> GraphBatch:
    return GraphBatch.gather(graphs, np.arange(len(graphs)))


def test_the_graph_is_the_batch(batch: GraphBatch) -> None:
    graph = batch.graph
    assert graph.batch_size == len(batch) == 40
    assert graph.batch_num_nodes().tolist() == batch.sizes.tolist()
    neighbors, centers = graph.edges(order="eid")
    assert neighbors.tolist() == batch.neighbors.tolist()
    assert centers.tolist() == batch.centers.tolist()
    assert graph.batch_num_edges().tolist() == torch.bincount(batch.crystal_of_atom[centers]).tolist()
    assert graph.ndata["number"].dtype == torch.int64
    for data, name, tensor in (
        (graph.ndata, "number", batch.numbers),
        (graph.ndata, "copies", batch.copies),
        (graph.edata, "distance", batch.distances),
        (graph.edata, "count", batch.counts),
    ):
        assert data[name].data_ptr() == tensor.data_ptr(), f"{name} is a copy"
    assert batch.graph is graph
    each = torch.zeros(len(batch.numbers), 1).index_add_(0, batch.centers, batch.counts)
    assert each.unique().tolist() == [12]


def test_a_batch_comes_back_from_its_graph_and_from_graphs_that_dgl_batches(
    graphs: PackedGraphs, batch: GraphBatch
) -> None:
    alone = [GraphBatch.gather(graphs, np.array([row])).graph for row in range(len(graphs))]
    assert GraphBatch.of(batch) is batch
    for graph in (batch.graph, dgl().batch(alone)):
        found = GraphBatch.of(graph)
        for name in ("numbers", "copies", "degrees", "neighbors", "distances", "counts", "sizes"):
            assert torch.equal(getattr(found, name), getattr(batch, name)), name


def test_edges_of_a_graph_may_stand_in_any_order_and_for_themselves_alone() -> None:
    graph = dgl().graph((torch.tensor([1, 0, 0]), torch.tensor([1, 0, 1])))
    graph.ndata["number"] = torch.tensor([11, 17])
    graph.edata["distance"] = torch.tensor([3.0, 1.0, 2.0])
    found = GraphBatch.of(graph)
    assert found.neighbors.tolist() == [0, 1, 0]
    assert found.distances.tolist() == [1, 3, 2]
    assert found.degrees.tolist() == [1, 2]
    assert found.copies.flatten().tolist() == [1, 1]
    assert found.counts.flatten().tolist() == [1, 1, 1]


def _cut(graph: Any) -> Any:
    return dgl().remove_edges(graph, graph.in_edges(0, form="eid"))


def _drop(kind: str, name: str) -> Callable[[Any], Any]:
    def change(graph: Any) -> Any:
        getattr(graph, kind).pop(name)
        return graph

    return change


def _join(graph: Any) -> Any:
    ends = torch.tensor([0]), torch.tensor([graph.num_nodes() - 1])
    joined = dgl().add_edges(graph, *ends, {"distance": torch.ones(1), "count": torch.ones(1, 1)})
    joined.set_batch_num_nodes(graph.batch_num_nodes())
    return joined


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_drop("ndata", "number"), "no data 'number'"),
        (_drop("edata", "distance"), "no data 'distance'"),
        (_cut, "an atom without an edge"),
        (_join, "an edge between two crystals"),
    ],
)
def test_a_graph_that_is_no_batch_is_refused(batch: GraphBatch, change: Callable[[Any], Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        GraphBatch.of(change(batch.graph))


def test_other_number_types_and_devices(batch: GraphBatch) -> None:
    double = batch.double()
    assert double.distances.dtype == double.graph.edata["distance"].dtype == torch.float64
    assert double.numbers.dtype == torch.int64
    assert batch.to("meta").numbers.device.type == "meta"
    assert batch.to("meta").vectors is None


def test_a_batch_imports_no_dgl_until_its_graph_is_asked_for() -> None:
    code = """
import sys
import numpy as np
from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
copper = Crystal(np.array([29]), 1.8 * (1 - np.eye(3)), np.zeros((1, 3)))
batch = GraphBatch.gather(PackedGraphs.pack([build_graph(copper)]), np.array([0]))
assert "dgl" not in sys.modules
assert batch.graph.num_nodes() == 1
assert batch.graph.edata["count"].tolist() == [[12.0]]
assert "dgl" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
