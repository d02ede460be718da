"""A plainly written CGCNN in the words of the paper: concatenate, one linear map, loop over crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from zoo.batches import GraphBatch
    from zoo.models.cgcnn import CGCNN


def reference_forward(model: CGCNN, batch: GraphBatch) -> Tensor:
    """Return what the network should, for the same parameters; uses no kernel and no trick of the model's."""
    v = torch.stack([model.embedding(model.atom_table[z]) for z in batch.numbers])
    step = model.architecture.gaussian_end / (model.architecture.gaussians - 1)
    mu = torch.arange(model.architecture.gaussians) * step
    u = torch.exp(-((batch.distances[:, :, None] - mu) ** 2) / step**2)
    n, k = batch.neighbors.shape
    for conv in model.convs:
        z = torch.cat([v[:, None, :].expand(n, k, -1), v[batch.neighbors], u], dim=2)
        gated = _norm(conv.bn1, conv.fc_full(z).reshape(n * k, -1)).reshape(n, k, -1)
        gate, core = gated.chunk(2, dim=2)
        v = functional.softplus(v + _norm(conv.bn2, (torch.sigmoid(gate) * functional.softplus(core)).sum(1)))
    pooled = torch.stack([atoms.mean(0) for atoms in v.split(batch.sizes.tolist())])
    hidden = functional.softplus(model.conv_to_fc(functional.softplus(pooled)))
    for layer in model.fcs:
        hidden = functional.softplus(layer(hidden))
    return model.fc_out(hidden)[:, 0]


def _norm(layer: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Batch normalisation without touching the layer's running statistics."""
    if layer.training:
        return functional.batch_norm(x, None, None, layer.weight, layer.bias, training=True, eps=layer.eps)
    return functional.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=layer.eps)
