"""A compiled convolution as one autograd step, on a CPU, in single precision, normalised by batch statistics.

It is used in training from scratch, and is necessary to meet the benchmark's limit (a training step 2.5 times as fast
as that of cgcnn2). The reference, ``body.Convolution``, gives the same numbers (tests/equivalence) but
takes more than five times as long on large cells, because it writes a dozen arrays with one row per edge. This
implementation writes no such array: the statistics are computed from sums over atoms, and the normalisation is folded
into the linear map.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable
from zoo.plugins.networks.cgcnn.accelerated import arrays_of, edges_of, normalization

from zoo._utils import compiled
from zoo.models.kernels import arrays
from zoo.models.threads import for_each_piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from zoo.plugins.networks.cgcnn.accelerated import Layer
    from zoo.plugins.networks.cgcnn.settings import Settings

    from zoo.data.graphs.batch import GraphBatch

    Statistics = tuple[Tensor, Tensor, Tensor]
    """Mean, biased variance, and number of values."""


@dataclass(frozen=True, eq=False)
class Bonds:
    """The edges of a batch and the moments of their Gaussians, shared by all convolutions.

    Parameters
    ----------
    batch : GraphBatch
    settings : Settings
    gaussians : tensor of shape (R, G)
        The expanded distances.
    """

    batch: GraphBatch
    settings: Settings
    gaussians: Tensor

    @cached_property
    def edges(self) -> Any:
        """The edges in the kernels' format."""
        return edges_of(self.batch, self.settings)

    @cached_property
    def total(self) -> Tensor:
        """Number of edges of all atoms of all cells; a scalar."""
        return self.batch.weights.sum()

    @cached_property
    def outgoing(self) -> Tensor:
        """Number of edges of each atom, among those of all atoms of all cells; shape (M, 1)."""
        return self.batch.copies * (self.total / self.batch.copies.sum())

    @cached_property
    def incoming(self) -> Tensor:
        """Number of edges in which each atom is the neighbour, among those of all cells; shape (M, 1)."""
        return torch.zeros_like(self.batch.copies).index_add_(0, self.batch.neighbors, self.batch.weights)

    @cached_property
    def mean(self) -> Tensor:
        """Mean of the Gaussians over all edges; shape (G,)."""
        return (self.batch.weights * self.gaussians).sum(dim=0) / self.total

    @cached_property
    def excess(self) -> Tensor:
        """Gaussians less their mean; shape (R, G)."""
        return self.gaussians - self.mean

    @cached_property
    def covariance(self) -> Tensor:
        """Covariance of the Gaussians over all edges; shape (G, G)."""
        return (self.batch.weights * self.excess).T @ self.excess / self.total

    @cached_property
    def excess_at_center(self) -> Tensor:
        """Sum of the excess over the edges of each atom; shape (M, G)."""
        zeros = self.excess.new_zeros(len(self.batch.numbers), self.excess.shape[1])
        return zeros.index_add_(0, self.batch.centers, self.batch.counts * self.excess)

    @cached_property
    def excess_at_neighbor(self) -> Tensor:
        """Sum of the excess over all edges in which each atom is the neighbour; shape (M, G)."""
        zeros = self.excess.new_zeros(len(self.batch.numbers), self.excess.shape[1])
        return zeros.index_add_(0, self.batch.neighbors, self.batch.weights * self.excess)

    def sum_ends(self, values: Tensor, *, reverse: bool = False) -> Tensor:
        """Sum the values of each atom's neighbours, or of the atoms whose neighbour it is: (M, F) → (M, F)."""
        summed = torch.empty_like(values)
        given, out = values.numpy(), summed.numpy()
        for_each_piece(lambda piece: self.edges.sum_neighbors(piece, given, out, reverse), len(self.edges))
        return summed


class _EdgeMoments:
    """Mean and variance over the edges of center_i + neighbor_j + W u_ij, and their gradients.

    Each of the three terms is taken relative to its own mean, so that no large numbers cancel.

    Parameters
    ----------
    bonds : Bonds
    weight : tensor of shape (F, G)
    center, neighbor : tensors of shape (M, F)
    """

    def __init__(self, bonds: Bonds, weight: Tensor, center: Tensor, neighbor: Tensor) -> None:
        copies, total = bonds.batch.copies, bonds.total
        center_mean = (bonds.outgoing * center).sum(dim=0) / total
        neighbor_mean = (bonds.incoming * neighbor).sum(dim=0) / total
        self.bonds = bonds
        self.center, self.neighbor = center - center_mean, neighbor - neighbor_mean
        self.around = bonds.sum_ends(self.neighbor) + bonds.excess_at_center @ weight.T
        self.along = bonds.excess_at_neighbor @ weight.T
        self.spread = weight @ bonds.covariance
        with_center = bonds.outgoing * self.center + 2 * copies * self.around
        with_neighbor = bonds.incoming * self.neighbor + 2 * self.along
        variance = ((self.center * with_center).sum(dim=0) + (self.neighbor * with_neighbor).sum(dim=0)) / total
        variance = (variance + (self.spread * weight).sum(dim=1)).clamp(min=0)
        self.statistics: Statistics = center_mean + neighbor_mean + weight @ bonds.mean, variance, total

    def gradients(self, of_mean: Tensor, of_variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of center, neighbor and weight, given those of mean and variance, (F,)."""
        bonds, copies, (_, variance, total) = self.bonds, self.bonds.batch.copies, self.statistics
        of_mean = of_mean / total
        twice = 2 * of_variance * (variance > 0) / total
        counted = copies * self.center
        of_center = bonds.outgoing * self.center + copies * self.around
        of_neighbor = bonds.incoming * self.neighbor + bonds.sum_ends(counted, reverse=True) + self.along
        of_weight = counted.T @ bonds.excess_at_center + self.neighbor.T @ bonds.excess_at_neighbor
        of_weight += total * self.spread
        return (
            (twice * of_center).addcmul_(bonds.outgoing, of_mean),
            (twice * of_neighbor).addcmul_(bonds.incoming, of_mean),
            (twice.unsqueeze(1) * of_weight).addr_(of_mean * total, bonds.mean),
        )


def convolve(atoms: Tensor, bonds: Bonds, layer: Layer) -> Tensor:
    """Update atoms of shape (M, F) by the messages of their neighbours.

    Normalisations in training mode use and track the batch's statistics; in evaluation mode they use their own.
    """
    parameters = [parameter for module in layer for parameter in (module.weight, module.bias)]
    updated: Tensor = _Convolution.apply(atoms, *parameters, bonds, layer)  # type: ignore[no-untyped-call]
    return updated


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, atoms: Tensor, weight: Tensor, bias: Tensor, *others: Any) -> Tensor:
        bonds, (_, edge_norm, atom_norm) = others[4:]
        assert compiled.gating is not None
        edges, atoms = bonds.edges, atoms.contiguous()
        of_center, of_neighbor, of_bond = _parts(weight)
        center, neighbor = torch.addmm(bias, atoms, of_center.T), torch.mm(atoms, of_neighbor.T)
        moments = _EdgeMoments(bonds, of_bond, center, neighbor) if edge_norm.training else None
        outer = normalization(edge_norm, *_tracked(edge_norm, moments.statistics if moments else None))
        ends = outer.ends(*arrays_of(center, neighbor, of_bond), compiled.gating.window)
        # The gradient needs the factors of each edge. For many edges, recomputing is faster than allocating memory.
        needs_gradient = any(ctx.needs_input_grad)
        keep = needs_gradient and len(bonds.batch.neighbors) <= arrays.EDGES_PER_PIECE
        kept = atoms.new_empty(2, len(bonds.batch.neighbors), atoms.shape[1]).numpy() if keep else None
        message, updated = torch.empty_like(atoms), torch.empty_like(atoms)
        sums = message.numpy()
        for_each_piece(lambda piece: edges.gated_sum(piece, *ends, sums, kept), len(edges))
        statistics = _over_atoms(bonds.batch, message) if atom_norm.training else None
        inner = normalization(atom_norm, *_tracked(atom_norm, statistics))
        inner.softplus(*arrays_of(atoms, message, updated))
        if needs_gradient:
            ctx.bonds, ctx.moments, ctx.ends, ctx.kept = bonds, moments, ends, kept
            ctx.outer, ctx.inner, ctx.atom_statistics = outer, inner, atom_norm.training
            ctx.save_for_backward(atoms, weight, center, neighbor, message, updated)
        return updated

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        atoms, weight, center, neighbor, message, updated = ctx.saved_tensors
        bonds, outer, inner, edges = ctx.bonds, ctx.outer, ctx.inner, ctx.bonds.edges
        to_sum, to_message = torch.empty_like(updated), torch.empty_like(message)
        values = arrays_of(gradients[0].contiguous(), updated, message, to_sum, to_message)
        to_atom_gain, to_atom_bias = inner.softplus_gradients(*values)
        if ctx.atom_statistics:
            to_mean, to_variance = _tensors(*inner.to_statistics(to_atom_gain, to_atom_bias))
            by_values = torch.addcmul(to_mean, message - torch.from_numpy(inner.mean), 2 * to_variance)
            to_message.addcmul_(bonds.batch.copies / bonds.batch.copies.sum(), by_values)

        to_center, to_neighbor = torch.empty_like(center), torch.empty_like(neighbor)
        to_gaussian = weight.new_zeros(len(edges), *ctx.ends[0].shape)
        up, *to_ends, by_piece = arrays_of(to_message, to_center, to_neighbor, to_gaussian)
        for_each_piece(
            lambda piece: edges.gradients(piece, *ctx.ends, up, by_piece[piece], *to_ends, ctx.kept), len(edges)
        )

        of_center, of_neighbor, of_bond = _parts(weight)
        to_weight = torch.empty_like(weight)
        of_centers, of_neighbors, of_bonds = _parts(to_weight)
        values = arrays_of(to_center, to_neighbor, to_gaussian, center, neighbor, of_bond, of_bonds)
        to_edge_gain, to_edge_bias = outer.end_gradients(*values)
        if ctx.moments is not None:
            by_statistics = ctx.moments.gradients(*_tensors(*outer.to_statistics(to_edge_gain, to_edge_bias)))
            for gradient, more in zip((to_center, to_neighbor, of_bonds), by_statistics, strict=True):
                gradient.add_(more)
        torch.mm(to_center.T, atoms, out=of_centers)
        torch.mm(to_neighbor.T, atoms, out=of_neighbors)
        return (
            torch.addmm(to_sum, to_center, of_center).addmm_(to_neighbor, of_neighbor),
            *(to_weight, to_center.sum(dim=0)),
            *_tensors(to_edge_gain, to_edge_bias, to_atom_gain, to_atom_bias),
            *(None, None),
        )


def _tracked(norm: Any, statistics: Statistics | None) -> tuple[Tensor, Tensor]:
    """Return the mean and variance for normalisation: the batch's, which are also tracked, or the running ones."""
    if statistics is None:
        return norm.running_mean, norm.running_var
    norm.track(*statistics)
    return statistics[:2]


def _over_atoms(batch: GraphBatch, values: Tensor) -> Statistics:
    """Return mean, variance and number of values of shape (M, F) over all atoms."""
    total = batch.copies.sum()
    mean = (batch.copies * values).sum(dim=0) / total
    return mean, (batch.copies * (values - mean).square()).sum(dim=0) / total, total


def _tensors(*values: NDArray[np.float32]) -> Iterator[Tensor]:
    return map(torch.from_numpy, values)


def _parts(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Split a convolution's weights, (2 F, 2 F + G), into those of centre, neighbour and bond."""
    width = len(weight) // 2
    return weight[:, :width], weight[:, width : 2 * width], weight[:, 2 * width :]
