"""A convolution as one step of autograd, on a CPU where the inner loops are compiled.

In small batches, and a small table has no others, the network's many short steps cost more than what they compute: each
is looked up, allocated and noted for the gradient. So the linear map, both normalisations, the gated sum and the
softplus are one step here, whose gradient is written by hand. ``docs/performance.md`` has the figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import functional

from zoo import compiled
from zoo.models import gaussians
from zoo.models.moments import EdgeMoments, over_atoms
from zoo.models.normalization import normalization
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

    scale: Tensor
    shift: Tensor
    mean: Tensor
    variance: Tensor

    @classmethod
    def by(cls, norm: nn.BatchNorm1d, statistics: Statistics | None) -> _Normalized:
        scale, shift = normalization(norm, statistics)
        mean, variance = (norm.running_mean, norm.running_var) if statistics is None else statistics[:2]
        assert mean is not None
        assert variance is not None
        return cls(scale, shift, mean, variance)


def _back(
    done: _Normalized, gain: Tensor, epsilon: float, up: Tensor, products: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of a normalisation's gain, and of the mean and the variance that it took.

    Parameters
    ----------
    up, products : tensors of shape (F,)
        Sums over all values of their gradient, and of its product with them.
    """
    to_scale = products - done.mean * up
    inverse = torch.rsqrt(done.variance + epsilon)
    to_gain = to_scale * inverse
    return to_gain, -done.scale * up, -0.5 * gain * inverse.square() * to_gain


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, atoms: Tensor, weight: Tensor, bias: Tensor, *others: Any) -> Tensor:
        *norms, bonds, edge, atom = others
        edges = bonds.edges
        of_center, of_neighbor, of_bond = _parts(weight)
        center, neighbor = torch.addmm(bias, atoms, of_center.T), atoms @ of_neighbor.T
        moments = None
        if edge.training:
            moments = EdgeMoments.of(bonds, of_bond, center, neighbor, lambda values: _sum_ends(bonds, values))
        outer = _Normalized.by(edge, moments.statistics if moments else None)
        scaled = (
            (of_bond * outer.scale.unsqueeze(1)).T,
            torch.addcmul(outer.shift, center, outer.scale),
            neighbor * outer.scale,
        )
        of_gaussian, *ends = (each.contiguous().numpy() for each in scaled)
        of_gaussian = gaussians.padded(of_gaussian)
        kept = atoms.new_empty(2, len(bonds.batch.neighbors), atoms.shape[1]) if any(ctx.needs_input_grad) else None
        message = torch.empty_like(atoms)
        out, keep = message.numpy(), None if kept is None else kept.numpy()
        run_pieces(lambda piece: edges.gated_sum(piece, of_gaussian, *ends, out, keep), len(edges))
        inner = _Normalized.by(atom, over_atoms(bonds.batch, message) if atom.training else None)
        updated = functional.softplus(torch.addcmul(atoms + inner.shift, message, inner.scale))
        if kept is not None:
            ctx.bonds, ctx.moments, ctx.rows, ctx.atom_statistics = bonds, moments, len(of_gaussian), atom.training
            ctx.epsilons = edge.eps, atom.eps
            tensors = atoms, weight, norms[0], norms[2], center, neighbor, *outer, *inner, message, kept, updated
            ctx.save_for_backward(*tensors)
        return updated

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        atoms, weight, edge_gain, atom_gain, center, neighbor, *rest = ctx.saved_tensors
        outer, inner, (message, kept, updated) = _Normalized(*rest[:4]), _Normalized(*rest[4:8]), rest[8:]
        bonds, batch = ctx.bonds, ctx.bonds.batch
        to_sum = gradients[0] * torch.expm1(-updated).neg_()  # the softplus has the slope 1 - e^-softplus
        to_message = to_sum * inner.scale
        to_atom_bias = to_sum.sum(dim=0)
        products = (to_sum * message).sum(dim=0)
        to_atom_gain, to_mean, to_variance = _back(inner, atom_gain, ctx.epsilons[1], to_atom_bias, products)
        if ctx.atom_statistics:
            by_values = torch.addcmul(to_mean, message - inner.mean, 2 * to_variance)
            to_message.addcmul_(batch.copies / batch.copies.sum(), by_values)

        edges = bonds.edges
        to_center, to_neighbor = torch.empty_like(center), torch.empty_like(neighbor)
        to_gaussian = weight.new_zeros(len(edges), ctx.rows, len(weight))
        tensors = to_message, kept, to_center, to_neighbor, to_gaussian
        up, keep, *ends, by_piece = (tensor.numpy() for tensor in tensors)
        run_pieces(lambda piece: edges.gradients(piece, up, keep, by_piece[piece], *ends), len(edges))
        to_bond = to_gaussian.sum(dim=0)[: bonds.size.gaussians].T

        of_center, of_neighbor, of_bond = _parts(weight)
        to_edge_bias = to_center.sum(dim=0)
        products = (to_center * center).sum(dim=0) + (to_neighbor * neighbor).sum(dim=0)
        products += (to_bond * of_bond).sum(dim=1)
        to_edge_gain, to_mean, to_variance = _back(outer, edge_gain, ctx.epsilons[0], to_edge_bias, products)
        to_center.mul_(outer.scale)
        to_neighbor.mul_(outer.scale)
        to_bond = to_bond * outer.scale.unsqueeze(1)
        if ctx.moments is not None:
            by_statistics = ctx.moments.gradients(
                to_mean, to_variance, lambda values: _sum_ends(bonds, values, turned=True)
            )
            to_center, to_neighbor, to_bond = (
                one.add_(other) for one, other in zip((to_center, to_neighbor, to_bond), by_statistics, strict=True)
            )
        return (
            torch.addmm(to_sum, to_center, of_center).addmm_(to_neighbor, of_neighbor),
            torch.cat([to_center.T @ atoms, to_neighbor.T @ atoms, to_bond], dim=1),
            to_center.sum(dim=0),
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
