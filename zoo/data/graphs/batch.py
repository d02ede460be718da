"""Packed graphs → the tensors of one batch, and the DGL graph over them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo.data.graphs.dgl_import import dgl

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.data.graphs.packing import PackedGraphs


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """B crystals with M distinct atoms and R distinct edges in all; distinct as in :mod:`zoo.data.graphs.packing`.

    Parameters
    ----------
    numbers : tensor of shape (M,), int64
        Atomic numbers.
    copies : tensor of shape (M, 1), float32
        Number of atoms in the cell that each stands for.
    degrees : tensor of shape (M,), int64
        Edges of each atom.
    neighbors : tensor of shape (R,), int64
        Index of the atom at each edge's other end; edges are sorted by their centre.
    distances : tensor of shape (R,), float32
        In Å.
    counts : tensor of shape (R, 1), float32
        Number of neighbours that each edge stands for.
    sizes : tensor of shape (B,), int64
        Distinct atoms per crystal.
    vectors : tensor of shape (B, D), float32, or None
        What a network's frozen experts make of the crystals, where that is known already.
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
    def atoms(self) -> Tensor:
        """Number of atoms in each cell; shape (B, 1)."""
        return self.copies.new_zeros(len(self), 1).index_add_(0, self.crystal_of_atom, self.copies)

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
        """Number of edges, among those of all atoms of all cells, that each edge stands for; shape (R, 1)."""
        return self.counts * self.copies[self.centers]

    @cached_property
    def total(self) -> Tensor:
        """Number of edges of all atoms of all cells; a scalar."""
        return self.weights.sum()

    @cached_property
    def outgoing(self) -> Tensor:
        """Number of edges from each atom, among those of all atoms of all cells; shape (M, 1)."""
        return self.copies * (self.total / self.copies.sum())

    @cached_property
    def incoming(self) -> Tensor:
        """Number of edges to each atom, among those of all atoms of all cells; shape (M, 1)."""
        return torch.zeros_like(self.copies).index_add_(0, self.neighbors, self.weights)

    @cached_property
    def graph(self) -> Any:
        """The batched DGL graph: an edge from each neighbour to its centre, one for each that an edge stands for.

        On the CPU only: the DGL wheels of the package registry carry no CUDA kernels.
        """
        counts = self.counts.flatten().long()
        ends = [torch.repeat_interleave(atoms, counts) for atoms in (self.neighbors, self.centers)]
        graph = dgl().graph(tuple(ends), num_nodes=len(self.numbers))
        graph.set_batch_num_nodes(self.sizes)
        edges = torch.bincount(self.crystal_of_atom[ends[1]], minlength=len(self))
        graph.set_batch_num_edges(edges)
        return graph
