"""All convolutions as one step of autograd, on a CPU where they are compiled, with statistics that stay as they are.

So are those of a pretrained network that is fine-tuned, and of every network that predicts. Crystals know nothing of
each other then, and each half of a batch, of a small one as well, goes through the whole network in a thread of its
own, forwards and backwards. :mod:`zoo.models.fused` is for the others, of which the batch's statistics are asked after
each linear map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from zoo._utils import compiled
from zoo.models import fused
from zoo.models.pieces import PIECE
from zoo.models.threads import run_pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from zoo.models.bonds import Bonds
    from zoo.models.cgcnn import Convolution


def possible(atoms: Tensor, convolutions: Sequence[Convolution]) -> bool:
    """Say whether :func:`convolve` can be taken for these atoms and convolutions."""
    norms = [norm for convolution in convolutions for norm in (convolution.bn1, convolution.bn2)]
    steady = bool(norms) and not any(norm.training for norm in norms)
    return steady and compiled.convolving is not None and fused.possible(atoms)


def convolve(atoms: Tensor, bonds: Bonds, convolutions: Sequence[Convolution]) -> Tensor:
    """Lead atoms of shape (M, F) through all convolutions, and average over the atoms of each crystal.

    The convolutions themselves are not called, nor are hooks of theirs.

    Returns
    -------
    tensor of shape (B, F × (convolutions + 1))
        Averages before the first convolution, then after each.
    """
    parameters = [
        parameter
        for convolution in convolutions
        for module in (convolution.fc_full, convolution.bn1, convolution.bn2)
        for parameter in (module.weight, module.bias)
    ]
    averages: Tensor = _Convolutions.apply(atoms, bonds, convolutions, *parameters)  # type: ignore[no-untyped-call]
    return averages


class _Convolutions(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, atoms: Tensor, bonds: Bonds, convolutions: Sequence[Convolution], *parameters: Tensor
    ) -> Tensor:
        assert compiled.convolving is not None
        batch, needed = bonds.batch, any(ctx.needs_input_grad)
        layers = compiled.convolving.Layers([layer_of(convolution) for convolution in convolutions])
        each = batch.sizes.numpy(), batch.copies.numpy()
        large = len(batch.neighbors) > PIECE
        read = atoms.detach().contiguous().numpy()
        run = compiled.convolving.Convolutions(layers, bonds.edges, *each, read, needed, large)
        averages = atoms.new_empty(len(batch), atoms.shape[1] * (len(convolutions) + 1))
        out = averages.numpy()
        run_pieces(lambda piece: run.run(piece, out), len(bonds.edges), whole=True)
        if needed:
            ctx.run, ctx.pieces = run, len(bonds.edges)
            ctx.save_for_backward(*parameters)
        return averages

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        assert compiled.convolving is not None
        parameters = ctx.saved_tensors  # which complains if they are others by now
        led_back = compiled.convolving.Gradients(ctx.run, gradients[0].contiguous().numpy())
        run_pieces(led_back.run, ctx.pieces, whole=True)
        of_layers = [led_back.layer(layer) for layer in range(len(parameters) // 6)]
        return (
            torch.from_numpy(led_back.atoms()),
            *(None, None),
            *(torch.from_numpy(gradient) for of_layer in of_layers for gradient in of_layer),
        )


def layer_of(convolution: Convolution) -> tuple[Any, ...]:
    """Return the weights of a convolution and what normalises it."""
    linear = convolution.fc_full
    norms = (fused.compiled_norm(norm, None) for norm in (convolution.bn1, convolution.bn2))
    return *(each.detach().contiguous().numpy() for each in (linear.weight, linear.bias)), *norms
