"""Means and variances of a batch: over all atoms of all cells, and over all edges, from sums over atoms.

An edge is center_i + neighbor_j + u_ij W. Each of the three is taken relative to its own mean, so that no large numbers
cancel, and nothing of the size of the edges is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from zoo.data.graphs.batch import GraphBatch
    from zoo.models.bonds import Bonds
    from zoo.models.normalization import Statistics


def over_atoms(batch: GraphBatch, values: Tensor) -> Statistics:
    """Return mean, variance and number of values of shape (M, F) over all atoms."""
    total = batch.copies.sum()
    mean = (batch.copies * values).sum(dim=0) / total
    return mean, (batch.copies * (values - mean).square()).sum(dim=0) / total, total


@dataclass(frozen=True, eq=False)
class EdgeMoments:
    """Mean and variance over the edges of a batch.

    Parameters
    ----------
    bonds : Bonds
    weight : tensor of shape (F, G)
        What each Gaussian adds.
    center_mean, neighbor_mean : tensors of shape (F,)
    center, neighbor : tensors of shape (M, F)
        What each atom adds at either end, relative to the mean over all edges.
    around : tensor of shape (M, F)
        The sum of the rest over the edges of each atom, relative to its mean.
    """

    bonds: Bonds
    weight: Tensor
    center_mean: Tensor
    neighbor_mean: Tensor
    center: Tensor
    neighbor: Tensor
    around: Tensor

    @classmethod
    def of(
        cls, bonds: Bonds, weight: Tensor, center: Tensor, neighbor: Tensor, sum_neighbors: Callable[[Tensor], Tensor]
    ) -> EdgeMoments:
        """Compute them; `sum_neighbors` sums the values of each atom's neighbours."""
        batch = bonds.batch
        center_mean = (batch.outgoing * center).sum(dim=0) / batch.total
        neighbor_mean = (batch.incoming * neighbor).sum(dim=0) / batch.total
        center, neighbor = center - center_mean, neighbor - neighbor_mean
        around = sum_neighbors(neighbor) + bonds.at_center @ weight.T
        return cls(bonds, weight, center_mean, neighbor_mean, center, neighbor, around)

    @cached_property
    def _along(self) -> Tensor:
        """The bonds' part of the sums over the edges to each atom; shape (M, F)."""
        return self.bonds.at_neighbor @ self.weight.T

    @cached_property
    def _spread(self) -> Tensor:
        """Covariance of the edges with the Gaussians, as far as these make it; shape (F, G)."""
        return self.weight @ self.bonds.covariance

    @cached_property
    def statistics(self) -> Statistics:
        """Mean, variance and number of edges."""
        batch, bonds, weight = self.bonds.batch, self.bonds, self.weight
        with_center = batch.outgoing * self.center + 2 * batch.copies * self.around
        with_neighbor = batch.incoming * self.neighbor + 2 * self._along
        variance = ((self.center * with_center).sum(dim=0) + (self.neighbor * with_neighbor).sum(dim=0)) / batch.total
        variance = variance + (self._spread * weight).sum(dim=1)
        mean = self.center_mean + self.neighbor_mean + weight @ bonds.mean
        return mean, variance.clamp(min=0), batch.total

    def gradients(
        self, of_mean: Tensor, of_variance: Tensor, sum_centers: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Lead gradients of mean and variance, (F,), back to center, neighbor and weight.

        `sum_centers` sums the values of all those whose neighbour an atom is.
        """
        batch, bonds, total = self.bonds.batch, self.bonds, self.bonds.batch.total
        of_mean = of_mean / total
        twice = 2 * of_variance * (self.statistics[1] > 0) / total
        of_center = batch.outgoing * self.center + batch.copies * self.around
        counted = batch.copies * self.center
        of_neighbor = batch.incoming * self.neighbor + sum_centers(counted) + self._along
        of_weight = counted.T @ bonds.at_center + self.neighbor.T @ bonds.at_neighbor + total * self._spread
        return (
            (twice * of_center).addcmul_(batch.outgoing, of_mean),
            (twice * of_neighbor).addcmul_(batch.incoming, of_mean),
            (twice.unsqueeze(1) * of_weight).addr_(of_mean * total, bonds.mean),
        )
