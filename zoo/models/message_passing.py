"""The operations of the network that touch edges: the only ones whose cost matters.

An edge has a gate and a core, two numbers per feature::

    x_ij = center_i + neighbor_j + u_ij W      message_i = Σ_j count_ij σ(x_ij gate) softplus(x_ij core)

Written plainly, each step writes an array of all edges to memory and reads it back, and memory is what a CPU waits
for. So on the CPU edges are taken in blocks that stay in its cache, and the gradient is written by hand
(:class:`_GatedSum`). Elsewhere, and in half precision, the plain steps run. Where the inner loops are compiled,
:mod:`zoo.models.fused` takes the place of all this. ``docs/performance.md`` has the figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from zoo.data.graphs.dgl_import import dgl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from zoo.data.graphs.batch import GraphBatch
    from zoo.models.bonds import Bonds

BLOCK = 1 << 18
"""Numbers per block and array (1 MiB in float32): about what a core's second-level cache holds."""


def gated_sum(center: Tensor, neighbor: Tensor, bonds: Bonds, weight: Tensor) -> Tensor:
    """Sum the gated messages of each atom's neighbours.

    Parameters
    ----------
    center, neighbor : tensor of shape (M, 2 F)
        Values per atom: gate, then core.
    bonds : Bonds
        R distances, expanded into G Gaussians; no gradient flows to them.
    weight : tensor of shape (2 F, G)

    Returns
    -------
    tensor of shape (M, F)
    """
    if center.device.type == "cpu" and center.dtype in (torch.float32, torch.float64):
        result: Tensor = _GatedSum.apply(center, neighbor, bonds.values, weight, bonds.batch)  # type: ignore[no-untyped-call]
        return result
    return plain_gated_sum(center, neighbor, bonds, weight)


def plain_gated_sum(center: Tensor, neighbor: Tensor, bonds: Bonds, weight: Tensor) -> Tensor:
    """:func:`gated_sum` step by step."""
    batch = bonds.batch
    edges = torch.addmm(center[batch.centers] + neighbor[batch.neighbors], bonds.values, weight.T)
    gate, core = edges.chunk(2, dim=1)
    messages = torch.sigmoid(gate) * functional.softplus(core) * batch.counts
    return messages.new_zeros(len(center), messages.shape[1]).index_add_(0, batch.centers, messages)


def sum_neighbors(batch: GraphBatch, atoms: Tensor) -> Tensor:
    """Sum the values of each atom's neighbours: (M, F) → (M, F). DGL on the CPU, torch elsewhere."""
    if atoms.device.type == "cpu":
        summed: Tensor = dgl().ops.copy_u_sum(batch.graph, atoms)
        return summed
    return plain_sum_neighbors(batch, atoms)


def plain_sum_neighbors(batch: GraphBatch, atoms: Tensor) -> Tensor:
    """:func:`sum_neighbors` in torch alone."""
    return torch.zeros_like(atoms).index_add_(0, batch.centers, batch.counts * atoms[batch.neighbors])


def mean_atoms(batch: GraphBatch, atoms: Tensor) -> Tensor:
    """Average over the atoms of each cell: (M, F) → (B, F)."""
    total = atoms.new_zeros(len(batch), atoms.shape[1])
    return total.index_add_(0, batch.crystal_of_atom, atoms * batch.copies) / batch.atoms


class _GatedSum(torch.autograd.Function):
    """:func:`gated_sum` in blocks of edges, forwards and backwards.

    The core is negated throughout, so that one sigmoid serves both halves: with s = σ(-x), softplus(x) = -log s and
    its derivative is 1 - s. What the backward pass needs is σ of both halves, and that alone is kept.
    """

    @staticmethod
    def forward(ctx: Any, center: Tensor, neighbor: Tensor, bonds: Tensor, weight: Tensor, batch: GraphBatch) -> Tensor:
        width = center.shape[1] // 2
        keep = any(ctx.needs_input_grad)
        at_center, at_neighbor, of_bond = _halves(center), _halves(neighbor), _halves(weight.T)
        blocks = list(_blocks(len(bonds), width))
        squashed = bonds.new_empty(2, len(bonds) if keep else blocks[0].stop, width)
        total = torch.zeros_like(center[:, :width])
        for block in blocks:
            centers, neighbors, bond = batch.centers[block], batch.neighbors[block], bonds[block]
            room = block if keep else slice(0, len(bond))
            for half in (0, 1):
                edges = squashed[half, room]
                torch.index_select(at_neighbor[half], 0, neighbors, out=edges)
                edges.addmm_(bond, of_bond[half]).add_(at_center[half].index_select(0, centers))
                edges.sigmoid_()
            gate, core = squashed[0, room], squashed[1, room]
            # Where σ underflows, -log σ would be infinite; softplus is then 88 or more, which no network means.
            core.clamp_(min=torch.finfo(core.dtype).tiny)
            message = torch.log(core).mul_(gate).mul_(batch.counts[block])
            total.index_add_(0, centers, message)
        ctx.batch = batch
        ctx.save_for_backward(squashed, bonds)
        return total.neg_()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        squashed, bonds = ctx.saved_tensors
        batch, (gradient,) = ctx.batch, gradients
        atoms, width = gradient.shape
        to_center, to_neighbor = gradient.new_zeros(2, atoms, width), gradient.new_zeros(2, atoms, width)
        to_weight = gradient.new_zeros(2, bonds.shape[1], width)
        for block in _blocks(len(bonds), width):
            centers, neighbors, bond = batch.centers[block], batch.neighbors[block], bonds[block].T
            gate, core = squashed[0, block], squashed[1, block]
            common = gradient.index_select(0, centers).mul_(batch.counts[block]).mul_(gate)
            of_core = torch.sub(core, 1).mul_(common)
            of_gate = torch.sub(gate, 1).mul_(common).mul_(torch.log(core))
            for half, of_edge in enumerate((of_gate, of_core)):
                to_weight[half].addmm_(bond, of_edge)
                to_center[half].index_add_(0, centers, of_edge)
                to_neighbor[half].index_add_(0, neighbors, of_edge)
        return _whole(to_center), _whole(to_neighbor), None, _whole(to_weight).T, None


def _halves(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return gate and negated core, each contiguous."""
    gate, core = values.chunk(2, dim=1)
    return gate.contiguous(), -core


def _whole(halves: Tensor) -> Tensor:
    """Undo :func:`_halves`."""
    return torch.cat([halves[0], -halves[1]], dim=1)


def _blocks(edges: int, width: int) -> Iterator[slice]:
    step = max(1, BLOCK // width)
    for start in range(0, edges, step):
        yield slice(start, min(start + step, edges))
