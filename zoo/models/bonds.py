"""The distances of a batch, in all forms in which a network asks for them; each is made when it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.nn import functional

from zoo.models import gaussians
from zoo.models.pieces import divide

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.data.graphs.batch import GraphBatch
    from zoo.models.architecture import Architecture


@dataclass(frozen=True, eq=False)
class Bonds:
    """The expanded distances of a batch, and what their batch statistics are made of.

    Parameters
    ----------
    batch : GraphBatch
    size : Architecture
    centers : tensor of shape (G,)
        Of the Gaussians, in Å.
    """

    batch: GraphBatch
    size: Architecture
    centers: Tensor

    @cached_property
    def values(self) -> Tensor:
        """The Gaussians of all edges; shape (R, G)."""
        return expand(self.batch.distances, self.size, self.centers)

    @cached_property
    def mean(self) -> Tensor:
        """Over all edges; shape (G,)."""
        return (self.batch.weights * self.values).sum(dim=0) / self.batch.weights.sum()

    @cached_property
    def excess(self) -> Tensor:
        """What exceeds the mean; shape (R, G)."""
        return self.values - self.mean

    @cached_property
    def covariance(self) -> Tensor:
        """Over all edges; shape (G, G)."""
        weights = self.batch.weights
        return (weights * self.excess).T @ self.excess / weights.sum()

    @cached_property
    def at_center(self) -> Tensor:
        """Sum of the excess over the edges from each atom; shape (M, G)."""
        nothing = self.values.new_zeros(len(self.batch.numbers), self.values.shape[1])
        return nothing.index_add_(0, self.batch.centers, self.batch.counts * self.excess)

    @cached_property
    def at_neighbor(self) -> Tensor:
        """Sum of the excess over all edges to each atom; shape (M, G)."""
        nothing = self.values.new_zeros(len(self.batch.numbers), self.values.shape[1])
        return nothing.index_add_(0, self.batch.neighbors, self.batch.weights * self.excess)

    @cached_property
    def edges(self) -> Any:
        """The edges as the compiled sums take them (:class:`~zoo.models.kernels.gating.Edges`), by crystals.

        The pieces depend on the batch alone: so do the results, whatever the number of threads.
        """
        batch = self.batch
        degrees, sizes = batch.degrees.numpy(), batch.sizes.numpy()
        ends_of_edges, ends = np.cumsum(degrees), np.cumsum(sizes)
        pieces = divide(np.diff(ends_of_edges[ends - 1], prepend=0))
        last = np.append(pieces[1:] != pieces[:-1], True)
        distances, neighbors, counts = (each.numpy() for each in (batch.distances, batch.neighbors, batch.counts))
        starts = ends_of_edges - degrees
        return gaussians.compiled_edges(distances, starts, neighbors, counts, ends[last], self.size)


def expand(distances: Tensor, size: Architecture, centers: Tensor) -> Tensor:
    """Expand distances of shape (E,) in Å into Gaussians, shape (E, gaussians)."""
    exponent = ((distances.unsqueeze(1) - centers) / size.spacing).square_().neg_()
    exponent.clamp_(min=gaussians.LEAST).exp_()
    return functional.threshold(exponent, gaussians.NOTHING, 0.0, inplace=True)
