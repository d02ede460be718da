"""The graph for message passing: DGL's, or torch index operations where DGL has no kernels.

The DGL wheels of the package registry support only CPUs, and only single and double precision. On other devices
:class:`IndexedGraph` replaces ``DGLGraph`` for the few functions used by zoo's layers.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from zoo.data.graphs.dgl_import import dgl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from zoo.data.graphs.batch import GraphBatch


def message_graph(batch: GraphBatch) -> Any:
    """Return the message-passing graph of a batch: a DGLGraph, or an `IndexedGraph`."""
    return batch.graph if _in_dgl(batch.numbers.device.type) else IndexedGraph(batch)


@lru_cache
def _in_dgl(device: str) -> bool:
    """Return whether the installed DGL supports a type of device."""
    if device == "cpu":
        return True
    try:
        dgl().graph(([0], [0])).to(device)
    except Exception:  # DGLError, KeyError or AssertionError: it depends on the builds of DGL and torch
        return False
    return True


def readout(graph: Any, values: Tensor) -> Tensor:
    """Return the mean over the atoms of each cell, weighted by their copies: (M, F) → (B, F)."""
    with graph.local_scope():
        graph.ndata["values"] = values
        sum_nodes = graph.sum_nodes if isinstance(graph, IndexedGraph) else partial(dgl().sum_nodes, graph)
        mean: Tensor = sum_nodes("values", "copies") / sum_nodes("copies")
        return mean


class IndexedGraph:
    """A batched graph with the part of DGLGraph's interface used by zoo's layers, based on torch's index operations.

    Parameters
    ----------
    batch : GraphBatch
    """

    def __init__(self, batch: GraphBatch) -> None:
        self._batch = batch
        self.ndata: dict[str, Tensor] = {"number": batch.numbers, "copies": batch.copies}
        self.edata: dict[str, Tensor] = {"distance": batch.distances, "count": batch.counts}

    @contextmanager
    def local_scope(self) -> Iterator[None]:
        """Discard the data set inside the block."""
        nodes, edges = self.ndata, self.edata
        self.ndata, self.edata = {**nodes}, {**edges}
        try:
            yield
        finally:
            self.ndata, self.edata = nodes, edges

    def apply_edges(self, function: Any) -> None:
        """Add node data of both ends (of DGL's message functions, only ``u_add_v`` is supported)."""
        assert function.name == "u_add_v"
        at_neighbor, at_center = self.ndata[function.lhs_field], self.ndata[function.rhs_field]
        self.edata[function.out_field] = at_neighbor[self._batch.neighbors] + at_center[self._batch.centers]

    def update_all(self, message: Any, reduce: Any) -> None:
        """Sum edge data at the centres (only ``copy_e`` with ``sum`` is supported)."""
        assert (message.name, reduce.name) == ("copy_e", "sum")
        values = self.edata[message.in_field]
        total = values.new_zeros(len(self._batch.numbers), values.shape[1])
        self.ndata[reduce.out_field] = total.index_add_(0, self._batch.centers, values)

    def sum_nodes(self, name: str, weight: str | None = None) -> Tensor:
        """Sum node data over each crystal, optionally weighted."""
        values = self.ndata[name] * self.ndata[weight] if weight else self.ndata[name]
        total = values.new_zeros(len(self._batch), values.shape[1])
        return total.index_add_(0, self._batch.crystal_of_atom, values)
