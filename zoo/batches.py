"""Packed graphs → the tensors of one batch, and the DGL graph over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo._dgl import dgl

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.graphs import PackedGraphs


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """B crystals with N atoms in all, each with k neighbours.

    Parameters
    ----------
    numbers : tensor of shape (N,), int64
        Atomic numbers.
    neighbors : tensor of shape (N, k), int64
        Indices of the neighbours among the N atoms.
    distances : tensor of shape (N, k), float32
        Distances in Å.
    sizes : tensor of shape (B,), int64
        Atoms per crystal.
    """

    numbers: Tensor
    neighbors: Tensor
    distances: Tensor
    sizes: Tensor

    @classmethod
    def gather(cls, graphs: PackedGraphs, indices: NDArray[np.int64]) -> GraphBatch:
        """Batch some of the graphs, in the order given."""
        chosen = graphs.select(np.asarray(indices, dtype=np.int64))
        sizes = chosen.sizes
        shift = np.repeat(chosen.offsets[:-1], sizes)
        return cls(
            torch.from_numpy(chosen.numbers.astype(np.int64)),
            torch.from_numpy(chosen.neighbors + shift[:, None]),
            torch.from_numpy(chosen.distances),
            torch.from_numpy(sizes),
        )

    def to(self, device: torch.device | str) -> GraphBatch:
        """Return the batch on a device."""
        tensors = (self.numbers, self.neighbors, self.distances, self.sizes)
        return GraphBatch(*(tensor.to(device, non_blocking=True) for tensor in tensors))

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def crystal_of_atom(self) -> Tensor:
        """Index of the crystal that each atom belongs to; shape (N,)."""
        return torch.repeat_interleave(torch.arange(len(self.sizes), device=self.sizes.device), self.sizes)

    @cached_property
    def graph(self) -> Any:
        """The batched DGL graph: an edge from each neighbour to its centre, in the order of `neighbors`.

        On the CPU only: the DGL wheels of the package registry carry no CUDA kernels.
        """
        atoms, k = self.neighbors.shape
        centers = torch.arange(atoms).repeat_interleave(k)
        graph = dgl().graph((self.neighbors.flatten(), centers), num_nodes=atoms)
        graph.set_batch_num_nodes(self.sizes)
        graph.set_batch_num_edges(self.sizes * k)
        return graph
