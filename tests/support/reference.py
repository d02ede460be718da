"""A plainly written CrystalNetwork in the words of the paper: concatenate, one linear map, loop over crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.data.elements import atom_table
from zoo.training.transfer import scratch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.plugins.networks.cgcnn.body import Body

    from zoo.data.graphs.neighbors import CrystalGraph
    from zoo.models.architecture import Architecture
    from zoo.models.heads import Head
    from zoo.models.network import CrystalNetwork


def reference_forward(model: CrystalNetwork, graphs: Sequence[CrystalGraph]) -> Tensor:
    """Return what the network should, for the same parameters; uses no kernel and no trick of the model's.

    Every atom and every neighbour is computed, whether or not symmetry repeats it. A mixture must be in evaluation
    mode, in which its reader leaves out nothing.
    """
    own = _read_out(model.heads[0], reference_vectors(model.body, graphs))
    if not model.experts:
        return own
    read = torch.cat([reference_vectors(expert, graphs) for expert in model.experts], dim=1)
    return (own + _read_out(model.reader, read)) / 2


def _read_out(head: Head, pooled: Tensor) -> Tensor:
    hidden = functional.softplus(pooled) if head.norm is None else _norm(head.norm, pooled)
    for layer in (head.conv_to_fc, *head.fcs):
        hidden = functional.softplus(layer(hidden))
    return head.fc_out(hidden)[:, 0]


def reference_vectors(body: Body, graphs: Sequence[CrystalGraph]) -> Tensor:
    """Return the vectors of crystals, pooled in a loop over them."""
    layers = reference_layers(body, graphs)
    atoms = (layers[-1] if body.settings.pooling == "last" else torch.cat(layers, dim=1)).split(
        [len(each) for each in graphs]
    )
    if body.settings.pooling == "mean-max-min":
        return torch.stack([torch.cat([each.mean(0), each.amax(0), each.amin(0)]) for each in atoms])
    return torch.stack([each.mean(0) for each in atoms])


def reference_layers(model: Body, graphs: Sequence[CrystalGraph]) -> list[Tensor]:
    """Return the features of all atoms of all cells after the embedding and after each convolution."""
    offsets = np.cumsum([0, *(len(graph) for graph in graphs)])
    dtype = model.embedding.weight.dtype
    numbers = [int(z) for graph in graphs for z in graph.numbers]
    neighbors = torch.cat(
        [torch.tensor(graph.neighbors).long() + offset for graph, offset in zip(graphs, offsets, strict=False)]
    )
    distances = torch.cat([torch.tensor(graph.distances).to(dtype) for graph in graphs])
    v = torch.stack([model.embedding(model.atom_table[z]) for z in numbers])
    step = model.settings.gaussian_end / (model.settings.gaussians - 1)
    mu = torch.arange(model.settings.gaussians) * step
    u = torch.exp(-((distances[:, :, None] - mu) ** 2) / step**2)
    n, k = neighbors.shape
    layers = [v]
    for conv in model.convs:
        z = torch.cat([v[:, None, :].expand(n, k, -1), v[neighbors], u], dim=2)
        gated = _norm(conv.bn1, conv.fc_full(z).reshape(n * k, -1)).reshape(n, k, -1)
        gate, core = gated.chunk(2, dim=2)
        v = functional.softplus(v + _norm(conv.bn2, (torch.sigmoid(gate) * functional.softplus(core)).sum(1)))
        layers.append(v)
    return layers


def _norm(layer: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """Batch normalisation without touching the layer's running statistics."""
    if layer.training:
        return functional.batch_norm(x, None, None, layer.weight, layer.bias, training=True, eps=layer.eps)
    return functional.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=layer.eps)


def unlike_the_initial(architecture: Architecture) -> CrystalNetwork:
    """Return a network with statistics and scales that are not the initial ones, the same every time."""
    model = scratch(architecture, torch.from_numpy(atom_table().copy()), seed=1)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm1d)):
            for values, low, high in ((norm.weight, 0.5, 1.5), (norm.bias, -0.5, 0.5)) if norm.affine else ():
                nn.init.uniform_(values, low, high)
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return model
