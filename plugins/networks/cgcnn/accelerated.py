"""All compiled convolutions as one autograd step, on a CPU, in single precision, with fixed statistics.

Statistics are fixed in prediction and in fine-tuning. The crystals of a batch are then independent, and each piece of
the batch passes through all convolutions in one thread, forwards and backwards. The result is that of
``body.Convolution``, which is used everywhere else and is the reference (tests/equivalence).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from zoo._utils import compiled
from zoo.models.kernels import arrays
from zoo.models.threads import for_each_piece, unlimited_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn
    from zoo.plugins.networks.cgcnn.settings import Settings

    from zoo.data.graphs.batch import GraphBatch

    Layer = tuple[nn.Linear, nn.BatchNorm1d, nn.BatchNorm1d]
    """Linear map, normalisation of the edges and normalisation of the sums of a convolution."""


def possible(atoms: Tensor, batch: GraphBatch) -> bool:
    """Return whether the kernels are available and applicable to these atoms.

    They provide no gradient with respect to the graph's data.
    """
    single = atoms.device.type == "cpu" and atoms.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    constant = not any(data.requires_grad for data in (batch.distances, batch.counts, batch.copies))
    return single and constant and None not in (compiled.gating, compiled.normalizing, compiled.convolving)


def fixed(layers: Sequence[Layer]) -> bool:
    """Return whether all statistics of the convolutions are fixed, as required by :func:`convolve`."""
    return bool(layers) and not any(norm.training for _, *norms in layers for norm in norms)


def convolve(
    atoms: Tensor, batch: GraphBatch, settings: Settings, layers: Sequence[Layer], *, pooled: bool = True
) -> Tensor:
    """Pass atoms of shape (M, F) through all convolutions, and average over the atoms of each crystal.

    Returns
    -------
    tensor of shape (B, F × (convolutions + 1)), or (M, F × (convolutions + 1)) if not pooled
        Averages before the first convolution, then after each; or the features of each atom.
    """
    # Each atom is its own average if it counts as a crystal.
    groups = (batch.sizes, batch.copies) if pooled else (torch.ones_like(batch.degrees), torch.ones_like(batch.copies))
    parameters = [parameter for layer in layers for module in layer for parameter in (module.weight, module.bias)]
    made: Tensor = _Convolutions.apply(atoms, batch, groups, settings, layers, *parameters)  # type: ignore[no-untyped-call]
    return made


class _Convolutions(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        atoms: Tensor,
        batch: GraphBatch,
        groups: tuple[Tensor, Tensor],
        settings: Settings,
        layers: Sequence[Layer],
        *parameters: Tensor,
    ) -> Tensor:
        assert compiled.convolving is not None
        needs_gradient = any(ctx.needs_input_grad)
        edges = edges_of(batch, settings)
        sizes, copies = groups
        run = compiled.convolving.Convolutions(
            compiled.convolving.Layers([layer_arrays(layer) for layer in layers]),
            edges,
            sizes.numpy(),
            copies.numpy(),
            atoms.detach().contiguous().numpy(),
            needs_gradient,
            len(batch.neighbors) > arrays.EDGES_PER_PIECE,
        )
        averages = atoms.new_empty(len(sizes), atoms.shape[1] * (len(layers) + 1))
        out = averages.numpy()
        for_each_piece(lambda piece: run.run(piece, out), len(edges), unlimited_threads())
        if needs_gradient:
            ctx.run, ctx.pieces = run, len(edges)
            ctx.save_for_backward(*parameters)
        return averages

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        assert compiled.convolving is not None
        parameters = ctx.saved_tensors  # raises an error if they have been changed since
        backward = compiled.convolving.Gradients(ctx.run, gradients[0].contiguous().numpy())
        for_each_piece(backward.run, ctx.pieces, unlimited_threads())
        of_layers = [backward.layer(layer) for layer in range(len(parameters) // 6)]
        return (
            torch.from_numpy(backward.atoms()),
            *(None, None, None, None),
            *(torch.from_numpy(gradient) for of_layer in of_layers for gradient in of_layer),
        )


def edges_of(batch: GraphBatch, settings: Settings) -> Any:
    """Return a batch's edges in the kernels' format, in pieces of whole crystals."""
    degrees = batch.degrees.numpy()
    ends = arrays.ends_of(degrees, batch.sizes.numpy())
    distances, neighbors, counts = (each.numpy() for each in (batch.distances, batch.neighbors, batch.counts))
    return arrays.edges_of(settings.spacing, settings.gaussians, distances, degrees, neighbors, counts, ends)


def layer_arrays(layer: Layer) -> tuple[Any, ...]:
    """Return a convolution's weights, biases and normalisations in the kernels' format."""
    linear, *norms = layer
    by_own = (normalization(norm, norm.running_mean, norm.running_var) for norm in norms)
    return *arrays_of(linear.weight.contiguous(), linear.bias), *by_own


def normalization(norm: nn.BatchNorm1d, mean: Tensor | None, variance: Tensor | None) -> Any:
    """Return a normalisation with given mean and variance in the kernels' format."""
    assert compiled.normalizing is not None
    assert mean is not None
    assert variance is not None
    values = (mean, variance, norm.weight, norm.bias)
    first, second, gain, bias = arrays_of(*(value.contiguous() for value in values))
    return compiled.normalizing.Normalization(first, second, norm.eps, gain, bias)


def arrays_of(*tensors: Tensor) -> Iterator[Any]:
    """Yield arrays that share the memory of the tensors."""
    return (tensor.detach().numpy() for tensor in tensors)
