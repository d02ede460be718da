"""The edge update by compiled kernels: on a CPU, in single precision.

The result is that of :class:`zoo.plugins.networks.gatedgcn.body.Layer`, which is used everywhere else and is the
reference. One pass over the edges replaces a dozen, and the crystals of a batch are divided among threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from zoo._utils import compiled
from zoo.data.graphs.message_passing import IndexedGraph
from zoo.models.kernels import arrays
from zoo.models.threads import for_each_piece

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.data.graphs.batch import GraphBatch


def possible(edges: Tensor, batch: GraphBatch) -> bool:
    """Return whether the kernels are available and applicable to these features of edges.

    They provide no gradient with respect to the graph's data.
    """
    single = edges.device.type == "cpu" and edges.dtype == torch.float32
    constant = not any(data.requires_grad for data in (batch.distances, batch.counts, batch.copies))
    return single and constant and compiled.updating is not None


class CompiledGraph(IndexedGraph):
    """A batch in the kernels' format.

    Parameters
    ----------
    batch : GraphBatch
    weights : tensor of shape (R, 1)
        Fraction of the centre's neighbours that each edge stands for.
    """

    def __init__(self, batch: GraphBatch, weights: Tensor) -> None:
        assert compiled.updating is not None
        super().__init__(batch)
        degrees = batch.degrees.numpy()
        starts, ends = np.concatenate([[0], np.cumsum(degrees)]), arrays.ends_of(degrees, batch.sizes.numpy())
        self.kernel: Any = compiled.updating.Graph(
            starts, batch.neighbors.numpy(), weights[:, 0].contiguous().numpy(), ends
        )

    def update(self, centers: Tensor, neighbors: Tensor, of_edges: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Update the edges, and sum over those of each atom, as :class:`zoo.plugins.networks.gatedgcn.body.Layer`."""
        updated: tuple[Tensor, Tensor] = _Update.apply(self.kernel, centers, neighbors, of_edges, edges)  # type: ignore[no-untyped-call]
        return updated


class _Update(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernel: Any, centers: Tensor, neighbors: Tensor, of_edges: Tensor, edges: Tensor
    ) -> tuple[Tensor, Tensor]:
        given = [each.detach().contiguous() for each in (centers, neighbors, of_edges)]
        out, totals = torch.empty_like(edges, memory_format=torch.contiguous_format), torch.empty_like(given[1])
        results = [out.numpy(), totals.numpy()]
        inputs = [each.numpy() for each in (*given, edges.detach().contiguous())]
        for_each_piece(lambda piece: kernel.update(piece, *results, *inputs), kernel.pieces)
        ctx.kernel = kernel
        ctx.save_for_backward(*given)
        ctx.set_materialize_grads(False)
        return out, totals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_out: Tensor | None, to_totals: Tensor | None) -> tuple[Tensor | None, ...]:
        centers, neighbors, of_edges = ctx.saved_tensors
        to_totals = torch.zeros_like(neighbors) if to_totals is None else to_totals.contiguous()
        to_out = None if to_out is None else to_out.contiguous()
        found = [torch.empty_like(each) for each in (of_edges, centers, neighbors)]
        results = [each.numpy() for each in found]
        inputs = [each.numpy() for each in (centers, neighbors, of_edges)]
        given = [None if each is None else each.numpy() for each in (to_out, to_totals)]
        for_each_piece(lambda piece: ctx.kernel.gradient(piece, *results, *inputs, *given), ctx.kernel.pieces)
        to_of_edges, to_centers, to_neighbors = found
        return None, to_centers, to_neighbors, to_of_edges, to_out
