"""A convolution as one step of autograd, on a CPU where the inner loops are compiled.

In small batches, and a small table has no others, the network's many short steps cost more than what they compute: each
is looked up, allocated and noted for the gradient. So the linear map, both normalisations, the gated sum and the
softplus are one step here, whose gradient is written by hand. ``docs/performance.md`` has the figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from zoo import compiled
from zoo.models import gaussians
from zoo.models.moments import EdgeMoments, over_atoms
from zoo.models.normalization import noted
from zoo.models.threads import run_pieces

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zoo.models.bonds import Bonds
    from zoo.models.normalization import Statistics


def possible(atoms: Tensor) -> bool:
    """Say whether :func:`convolve` can be taken for these atoms."""
    single = atoms.device.type == "cpu" and atoms.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return single and compiled.gating is not None


def convolve(atoms: Tensor, bonds: Bonds, linear: nn.Linear, edge: nn.BatchNorm1d, atom: nn.BatchNorm1d) -> Tensor:
    """Update atoms of shape (M, F) by the messages of their neighbours.

    Parameters
    ----------
    atoms : tensor of shape (M, F)
    bonds : Bonds
    linear : Linear
        From two atoms and a bond, 2 F + G values, to gate and core, 2 F values.
    edge, atom : BatchNorm1d
        What those, and the sums of an atom's messages, are normalised by; in training they note the statistics.
    """
    parameters = linear.weight, linear.bias, edge.weight, edge.bias, atom.weight, atom.bias
    updated: Tensor = _Convolution.apply(atoms, *parameters, bonds, edge, atom)  # type: ignore[no-untyped-call]
    return updated


class _Normalized(NamedTuple):
    """What a normalisation did: values × scale + shift."""

    gain: Tensor
    mean: Tensor
    inverse: Tensor
    """1 / √(variance + ε)"""
    scale: Tensor

    @classmethod
    def by(cls, norm: nn.BatchNorm1d, gain: Tensor, statistics: Statistics | None) -> _Normalized:
        mean, variance = noted(norm, statistics)
        inverse = torch.rsqrt(variance + norm.eps)
        return cls(gain, mean, inverse, gain * inverse)

    def shift(self, bias: Tensor) -> Tensor:
        return torch.addcmul(bias, self.mean, self.scale, value=-1)

    def to_gain(self, up: Tensor, products: Tensor) -> Tensor:
        """Return the gradient of the gain, given the sums of the values' gradients and of these times the values."""
        return (products - self.mean * up) * self.inverse

    def to_statistics(self, up: Tensor, to_gain: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of mean and variance."""
        return -self.scale * up, -0.5 * self.scale * self.inverse * to_gain


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, atoms: Tensor, weight: Tensor, bias: Tensor, *others: Any) -> Tensor:
        edge_gain, edge_bias, atom_gain, atom_bias, bonds, edge, atom = others
        assert compiled.gating is not None
        edges = bonds.edges
        of_center, of_neighbor, of_bond = _parts(weight)
        center, neighbor = torch.addmm(bias, atoms, of_center.T), atoms @ of_neighbor.T
        moments = None
        if edge.training:
            moments = EdgeMoments.of(bonds, of_bond, center, neighbor, lambda values: _sum_ends(bonds, values))
        outer = _Normalized.by(edge, edge_gain, moments.statistics if moments else None)
        scaled = (
            (of_bond * outer.scale.unsqueeze(1)).T,
            torch.addcmul(outer.shift(edge_bias), center, outer.scale),
            neighbor * outer.scale,
        )
        of_gaussian, *ends = (each.contiguous().numpy() for each in scaled)
        parts = gaussians.padded(of_gaussian), *ends
        # Small ones are kept for the gradient; large ones it computes anew, for to fill new memory takes longer.
        keep = any(ctx.needs_input_grad) and len(edges) == 1
        kept = torch.empty(2, len(bonds.batch.neighbors), atoms.shape[1]).numpy() if keep else None
        message = atoms.new_empty(atoms.shape)
        out = message.numpy()
        run_pieces(lambda piece: edges.gated_sum(piece, *parts, out, kept), len(edges))
        inner = _Normalized.by(atom, atom_gain, over_atoms(bonds.batch, message) if atom.training else None)
        updated = atoms.new_empty(atoms.shape)
        values = atoms.contiguous(), message, inner.scale, inner.shift(atom_bias), updated
        compiled.gating.softplus(*(each.detach().numpy() for each in values))
        if any(ctx.needs_input_grad):
            ctx.bonds, ctx.moments, ctx.atom_statistics, ctx.parts, ctx.kept = (
                bonds,
                moments,
                atom.training,
                parts,
                kept,
            )
            ctx.save_for_backward(atoms, weight, center, neighbor, message, updated, *outer, *inner)
        return updated

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        atoms, weight, center, neighbor, message, updated, *normalized = ctx.saved_tensors
        outer, inner = _Normalized(*normalized[:4]), _Normalized(*normalized[4:])
        assert compiled.gating is not None
        bonds, batch = ctx.bonds, ctx.bonds.batch
        to_sum = torch.empty_like(updated)
        compiled.gating.softplus_gradient(*(each.numpy() for each in (gradients[0].contiguous(), updated, to_sum)))
        to_message = to_sum * inner.scale
        to_atom_bias = to_sum.sum(dim=0)
        to_atom_gain = inner.to_gain(to_atom_bias, (to_sum * message).sum(dim=0))
        if ctx.atom_statistics:
            to_mean, to_variance = inner.to_statistics(to_atom_bias, to_atom_gain)
            by_values = torch.addcmul(to_mean, message - inner.mean, 2 * to_variance)
            to_message.addcmul_(batch.copies / batch.copies.sum(), by_values)

        edges = bonds.edges
        to_center, to_neighbor = torch.empty_like(center), torch.empty_like(neighbor)
        to_gaussian = weight.new_zeros(len(edges), *ctx.parts[0].shape)
        up, *ends, by_piece = (each.numpy() for each in (to_message, to_center, to_neighbor, to_gaussian))
        run_pieces(lambda piece: edges.gradients(piece, *ctx.parts, up, by_piece[piece], *ends, ctx.kept), len(edges))
        to_bond = to_gaussian.sum(dim=0)[: bonds.size.gaussians].T

        of_center, of_neighbor, of_bond = _parts(weight)
        to_edge_bias = to_center.sum(dim=0)
        products = (to_center * center).sum(dim=0) + (to_neighbor * neighbor).sum(dim=0)
        products += (to_bond * of_bond).sum(dim=1)
        to_edge_gain = outer.to_gain(to_edge_bias, products)
        to_center.mul_(outer.scale)
        to_neighbor.mul_(outer.scale)
        to_bond = to_bond * outer.scale.unsqueeze(1)
        if ctx.moments is not None:
            to_mean_and_variance = outer.to_statistics(to_edge_bias, to_edge_gain)
            by_statistics = ctx.moments.gradients(
                *to_mean_and_variance, lambda values: _sum_ends(bonds, values, turned=True)
            )
            to_center, to_neighbor, to_bond = (
                one.add_(other) for one, other in zip((to_center, to_neighbor, to_bond), by_statistics, strict=True)
            )
        to_weights = torch.empty_like(weight)
        to_parts = _parts(to_weights)
        torch.mm(to_center.T, atoms, out=to_parts[0])
        torch.mm(to_neighbor.T, atoms, out=to_parts[1])
        to_parts[2].copy_(to_bond)
        return (
            torch.addmm(to_sum, to_center, of_center).addmm_(to_neighbor, of_neighbor),
            *(to_weights, to_center.sum(dim=0)),
            *(to_edge_gain, to_edge_bias, to_atom_gain, to_atom_bias),
            *(None, None, None),
        )


def _parts(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Divide a convolution's weights, (2 F, 2 F + G), by what they act on: centre, neighbour, bond."""
    width = len(weight) // 2
    return weight[:, :width], weight[:, width : 2 * width], weight[:, 2 * width :]


def _sum_ends(bonds: Bonds, values: Tensor, *, turned: bool = False) -> Tensor:
    """Sum the values of each atom's neighbours, or of those whose neighbour it is: (M, F) → (M, F)."""
    summed = torch.empty_like(values)
    arrays = values.numpy(), summed.numpy()
    run_pieces(lambda piece: bonds.edges.sum_neighbors(piece, *arrays, turned), len(bonds.edges))
    return summed
