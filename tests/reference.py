"""A plainly written CGCNN in the words of the paper: concatenate, one linear map, loop over crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.graphs import CrystalGraph
    from zoo.models.cgcnn import CGCNN


def reference_forward(model: CGCNN, graphs: Sequence[CrystalGraph]) -> Tensor:
    """Return what the network should, for the same parameters; uses no kernel and no trick of the model's.

    Every atom and every neighbour is computed, whether or not symmetry repeats it.
    """
    offsets = np.cumsum([0, *(len(graph) for graph in graphs)])
    dtype = model.fc_out.weight.dtype
    numbers = [int(z) for graph in graphs for z in graph.numbers]
    neighbors = torch.cat(
        [torch.tensor(graph.neighbors).long() + offset for graph, offset in zip(graphs, offsets, strict=False)]
    )
    distances = torch.cat([torch.tensor(graph.distances).to(dtype) for graph in graphs])
    v = torch.stack([model.embedding(model.atom_table[z]) for z in numbers])
    step = model.architecture.gaussian_end / (model.architecture.gaussians - 1)
    mu = torch.arange(model.architecture.gaussians) * step
    u = torch.exp(-((distances[:, :, None] - mu) ** 2) / step**2)
    n, k = neighbors.shape
    for conv in model.convs:
        z = torch.cat([v[:, None, :].expand(n, k, -1), v[neighbors], u], dim=2)
        gated = _norm(conv.bn1, conv.fc_full(z).reshape(n * k, -1)).reshape(n, k, -1)
        gate, core = gated.chunk(2, dim=2)
        v = functional.softplus(v + _norm(conv.bn2, (torch.sigmoid(gate) * functional.softplus(core)).sum(1)))
    pooled = torch.stack([atoms.mean(0) for atoms in v.split([len(graph) for graph in graphs])])
    hidden = functional.softplus(model.conv_to_fc(functional.softplus(pooled)))
    for layer in model.fcs:
        hidden = functional.softplus(layer(hidden))
    return model.fc_out(hidden)[:, 0]


def _norm(layer: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Batch normalisation without touching the layer's running statistics."""
    if layer.training:
        return functional.batch_norm(x, None, None, layer.weight, layer.bias, training=True, eps=layer.eps)
    return functional.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=layer.eps)
