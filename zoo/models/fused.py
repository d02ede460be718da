"""A convolution as one step of autograd, on a CPU where the inner loops are compiled.

In small batches, and a small table has no others, the network's many short steps cost more than what they compute: each
is looked up, allocated and noted for the gradient. So the linear map, both normalisations, the gated sum and the
softplus are one step here, whose gradient is written by hand. ``docs/performance.md`` has the figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from zoo._utils import compiled
from zoo.models.moments import EdgeMoments, over_atoms
from zoo.models.normalization import noted
from zoo.models.pieces import PIECE
from zoo.models.threads import run_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from zoo.models.bonds import Bonds
    from zoo.models.normalization import Statistics

    Array = NDArray[np.float32]


def possible(atoms: Tensor) -> bool:
    """Say whether :func:`convolve` can be taken for these atoms."""
    single = atoms.device.type == "cpu" and atoms.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return single and compiled.gating is not None and compiled.normalizing is not None


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


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, atoms: Tensor, weight: Tensor, bias: Tensor, *others: Any) -> Tensor:
        bonds, edge, atom = others[4:]
        assert compiled.gating is not None
        edges, atoms = bonds.edges, atoms.contiguous()
        of_center, of_neighbor, of_bond = _parts(weight)
        center, neighbor = torch.addmm(bias, atoms, of_center.T), torch.mm(atoms, of_neighbor.T)
        moments = None
        if edge.training:
            moments = EdgeMoments.of(bonds, of_bond, center, neighbor, lambda values: _sum_ends(bonds, values))
        outer = compiled_norm(edge, moments.statistics if moments else None)
        ends = outer.ends(*_arrays(center, neighbor, of_bond), compiled.gating.window)
        # Small ones are kept for the gradient; large ones it computes anew, for to fill new memory takes longer.
        needed = any(ctx.needs_input_grad)
        keep = needed and len(bonds.batch.neighbors) <= PIECE
        kept = atoms.new_empty(2, len(bonds.batch.neighbors), atoms.shape[1]).numpy() if keep else None
        message, updated = torch.empty_like(atoms), torch.empty_like(atoms)
        sums = message.numpy()
        run_pieces(lambda piece: edges.gated_sum(piece, *ends, sums, kept), len(edges))
        statistics = over_atoms(bonds.batch, message) if atom.training else None
        inner = compiled_norm(atom, statistics)
        inner.softplus(*_arrays(atoms, message, updated))
        if needed:
            ctx.bonds, ctx.moments, ctx.ends, ctx.kept = bonds, moments, ends, kept
            ctx.outer, ctx.inner, ctx.atom_statistics = outer, inner, atom.training
            ctx.save_for_backward(atoms, weight, center, neighbor, message, updated)
        return updated

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        atoms, weight, center, neighbor, message, updated = ctx.saved_tensors
        bonds, outer, inner, edges = ctx.bonds, ctx.outer, ctx.inner, ctx.bonds.edges
        to_sum, to_message = torch.empty_like(updated), torch.empty_like(message)
        values = _arrays(gradients[0].contiguous(), updated, message, to_sum, to_message)
        to_atom_gain, to_atom_bias = inner.softplus_gradients(*values)
        if ctx.atom_statistics:
            to_mean, to_variance = _tensors(*inner.to_statistics(to_atom_gain, to_atom_bias))
            by_values = torch.addcmul(to_mean, message - torch.from_numpy(inner.mean), 2 * to_variance)
            to_message.addcmul_(bonds.batch.copies / bonds.batch.copies.sum(), by_values)

        to_center, to_neighbor = torch.empty_like(center), torch.empty_like(neighbor)
        to_gaussian = weight.new_zeros(len(edges), *ctx.ends[0].shape)
        up, *to_ends, by_piece = _arrays(to_message, to_center, to_neighbor, to_gaussian)
        run_pieces(lambda piece: edges.gradients(piece, *ctx.ends, up, by_piece[piece], *to_ends, ctx.kept), len(edges))

        of_center, of_neighbor, of_bond = _parts(weight)
        to_weight = torch.empty_like(weight)
        of_centers, of_neighbors, of_bonds = _parts(to_weight)
        values = _arrays(to_center, to_neighbor, to_gaussian, center, neighbor, of_bond, of_bonds)
        to_edge_gain, to_edge_bias = outer.end_gradients(*values)
        if ctx.moments is not None:
            by_statistics = ctx.moments.gradients(
                *_tensors(*outer.to_statistics(to_edge_gain, to_edge_bias)),
                lambda values: _sum_ends(bonds, values, turned=True),
            )
            for gradient, more in zip((to_center, to_neighbor, of_bonds), by_statistics, strict=True):
                gradient.add_(more)
        torch.mm(to_center.T, atoms, out=of_centers)
        torch.mm(to_neighbor.T, atoms, out=of_neighbors)
        return (
            torch.addmm(to_sum, to_center, of_center).addmm_(to_neighbor, of_neighbor),
            *(to_weight, to_center.sum(dim=0)),
            *_tensors(to_edge_gain, to_edge_bias, to_atom_gain, to_atom_bias),
            *(None, None, None),
        )


def compiled_norm(norm: nn.BatchNorm1d, statistics: Statistics | None) -> Any:
    """Return what normalises by the batch's statistics, or by the module's own, compiled."""
    assert compiled.normalizing is not None
    values = (*noted(norm, statistics), norm.weight, norm.bias)
    mean, variance, gain, bias = _arrays(*(each.contiguous() for each in values))
    return compiled.normalizing.Normalization(mean, variance, norm.eps, gain, bias)


def _arrays(*tensors: Tensor) -> Iterator[Array]:
    return (tensor.detach().numpy() for tensor in tensors)


def _tensors(*arrays: Array) -> Iterator[Tensor]:
    return map(torch.from_numpy, arrays)


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
