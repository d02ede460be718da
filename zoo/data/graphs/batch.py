"""A batch of crystals: a batched DGL graph and its tensors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo.data.graphs.dgl_import import dgl
from zoo.data.graphs.message_passing import IndexedGraph, in_dgl
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.data.graphs.packing import PackedGraphs


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """B crystals with M distinct atoms and R distinct edges in all; distinct as in :mod:`zoo.data.graphs.packing`.

    The tensors are those of `graph`, which is built on first access, because the compiled kernels need only the tensors
    and DGL takes about a second to import.

    Parameters
    ----------
    numbers : tensor of shape (M,), int64
        Atomic numbers.
    copies : tensor of shape (M, 1), float32
        Number of atoms in the cell that each represents.
    degrees : tensor of shape (M,), int64
        Edges of each atom.
    neighbors : tensor of shape (R,), int64
        Index of the atom at each edge's other end; edges are sorted by their centre.
    distances : tensor of shape (R,), float32
        In Å.
    counts : tensor of shape (R, 1), float32
        Number of neighbours that each edge represents.
    sizes : tensor of shape (B,), int64
        Distinct atoms per crystal.
    vectors : tensor of shape (B, D), float32, or None
        Pooled vectors of a network's frozen experts, if already computed.
    """

    numbers: Tensor
    copies: Tensor
    degrees: Tensor
    neighbors: Tensor
    distances: Tensor
    counts: Tensor
    sizes: Tensor
    vectors: Tensor | None = None

    @classmethod
    def gather(cls, graphs: PackedGraphs, indices: NDArray[np.int64], vectors: Tensor | None = None) -> GraphBatch:
        """Batch some of the graphs, in the order given; `vectors` are theirs."""
        chosen = graphs.select(np.asarray(indices, dtype=np.int64))
        edges_of = np.add.reduceat(chosen.degrees, chosen.offsets[:-1], dtype=np.int64)
        shift = np.repeat(chosen.offsets[:-1], edges_of)
        return cls(
            torch.from_numpy(chosen.numbers.astype(np.int64)),
            torch.from_numpy(chosen.copies.astype(np.float32)[:, None]),
            torch.from_numpy(chosen.degrees.astype(np.int64)),
            torch.from_numpy(chosen.neighbors + shift),
            torch.from_numpy(chosen.distances),
            torch.from_numpy(chosen.counts.astype(np.float32)[:, None]),
            torch.from_numpy(chosen.sizes),
            vectors,
        )

    @classmethod
    def of(cls, graph: Any) -> GraphBatch:
        """Convert a DGL graph to a batch; a batch is returned unchanged.

        Parameters
        ----------
        graph : GraphBatch or DGLGraph
            A DGL graph has the node data ``number`` (M,) and ``copies`` (M,), and the edge data ``distance`` (R,) in Å
            and ``count`` (R,), as in `graph`. ``copies`` and ``count`` default to 1.

        Raises
        ------
        InputError
            If data are missing, an atom has no edge to it, or an edge joins two crystals.
        """
        if isinstance(graph, cls):
            return graph
        missing = [name for name, data in (("number", graph.ndata), ("distance", graph.edata)) if name not in data]
        if missing:
            raise InputError(f"the graph has no data {missing[0]!r}; zoo.graph(structure) shows what a network reads")
        neighbors, centers = (ends.long() for ends in graph.edges())
        order = torch.argsort(centers, stable=True)
        distances = graph.edata["distance"]
        copies = graph.ndata["copies"] if "copies" in graph.ndata else distances.new_ones(graph.num_nodes())
        counts = graph.edata["count"] if "count" in graph.edata else distances.new_ones(graph.num_edges())
        batch = cls(
            graph.ndata["number"].long(),
            copies.reshape(-1, 1).to(distances.dtype),
            torch.bincount(centers, minlength=graph.num_nodes()),
            neighbors[order],
            distances[order],
            counts.reshape(-1, 1).to(distances.dtype)[order],
            graph.batch_num_nodes().long(),
        )
        if not bool((batch.degrees > 0).all()) or not bool((batch.sizes > 0).all()):
            raise InputError("the graph has an atom without an edge to it, or a crystal without atoms")
        crystal = batch.crystal_of_atom
        if not torch.equal(crystal[batch.neighbors], crystal[batch.centers]):
            raise InputError("the graph has an edge between two crystals")
        return batch

    def to(self, device: torch.device | str) -> GraphBatch:
        """Return the batch on a device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def double(self) -> GraphBatch:
        """Return the batch with float64 in place of float32."""
        return self._map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)

    def _map(self, function: Callable[[Tensor], Tensor]) -> GraphBatch:
        tensors = ((field.name, getattr(self, field.name)) for field in fields(self))
        mapped: dict[str, Any] = {name: None if tensor is None else function(tensor) for name, tensor in tensors}
        return GraphBatch(**mapped)

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def crystal_of_atom(self) -> Tensor:
        """Index of the crystal that each atom belongs to; shape (M,)."""
        return torch.repeat_interleave(torch.arange(len(self.sizes), device=self.sizes.device), self.sizes)

    @cached_property
    def centers(self) -> Tensor:
        """Index of the atom that each edge belongs to; shape (R,)."""
        return torch.repeat_interleave(torch.arange(len(self.degrees), device=self.degrees.device), self.degrees)

    @cached_property
    def weights(self) -> Tensor:
        """Number of edges of the full cells that each distinct edge represents; shape (R, 1)."""
        return self.counts * self.copies[self.centers]

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over the atoms of each cell of values of shape (M, F); shape (B, F)."""
        return self._sum(values * self.copies) / self._sum(self.copies)

    def largest(self, values: Tensor) -> Tensor:
        """Return the largest value over the atoms of each cell, component by component: (M, F) → (B, F)."""
        index = self.crystal_of_atom.unsqueeze(1).expand_as(values)
        found = values.new_zeros(len(self), values.shape[1])
        return found.scatter_reduce(0, index, values, "amax", include_self=False)

    def smallest(self, values: Tensor) -> Tensor:
        """Return the smallest value over the atoms of each cell, component by component: (M, F) → (B, F)."""
        return -self.largest(-values)

    def _sum(self, values: Tensor) -> Tensor:
        total = values.new_zeros(len(self), values.shape[1])
        return total.index_add_(0, self.crystal_of_atom, values)

    @cached_property
    def graph(self) -> Any:
        """The batched DGLGraph: one node per distinct atom, one edge from each neighbour to its centre.

        Its node data are ``number`` (M,) and ``copies`` (M, 1), its edge data ``distance`` (R,) in Å and ``count``
        (R, 1). On a device for which the installed DGL has no kernels, it is an
        :class:`zoo.data.graphs.message_passing.IndexedGraph`.
        """
        if not in_dgl(self.numbers.device.type):
            return IndexedGraph(self)
        graph = dgl().graph((self.neighbors, self.centers), num_nodes=len(self.numbers))
        graph.set_batch_num_nodes(self.sizes)
        edges = torch.zeros_like(self.sizes).index_add_(0, self.crystal_of_atom, self.degrees)
        graph.set_batch_num_edges(edges)
        graph.ndata["number"], graph.ndata["copies"] = self.numbers, self.copies
        graph.edata["distance"], graph.edata["count"] = self.distances, self.counts
        return graph
