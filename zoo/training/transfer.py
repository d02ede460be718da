"""Transfer: a pretrained network becomes the start of another one.

As in Lee & Asahi, Comput. Mater. Sci. 190, 110314 (2021), the target model starts from the pretrained parameters, and
fine-tuning updates them. There are four modes:

``mixture``
    Everything is trained. A second head takes the features of frozen copies of all backbones, and the two predictions
    are averaged. One backbone knows energies, another gaps; together they know more about a new property than either
    (Chang, Wang & Ertekin, npj Comput. Mater. 8, 242 (2022)).
``full``
    Everything is trained.
``layerwise``
    Everything is trained, layers nearer to the input more slowly: they describe elements and bonds, which source and
    target have in common.
``head``
    Only the fully connected layers are trained.

In all of them, the fully connected layers after pooling start from random weights, because the pretrained ones belong
to the source property; and batch normalisation keeps the statistics of the source, since a batch of a small table says
less about the distribution of activations than the thousands of crystals of the source. No other choice matters as
much (docs/benchmarks/defaults.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from zoo.models.cgcnn import CGCNN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from zoo.models.architecture import Architecture, Pooling
    from zoo.training.settings import Mode

DECAY = 0.7
"""Ratio of the learning rates of a layer and the next one in ``layerwise``."""


def scratch(architecture: Architecture, atom_table: Tensor, seed: int) -> CGCNN:
    """Return a network with random weights, which depend on `seed` only; torch's global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CGCNN(architecture, atom_table)


def transfer(
    source: CGCNN,
    mode: Mode,
    seed: int,
    *,
    experts: Sequence[CGCNN] = (),
    pooling: Pooling = "all",
    outputs: int = 1,
    targets: int = 1,
) -> tuple[CGCNN, dict[str, float]]:
    """Return a copy of `source` with new fully connected layers, and its learning rates by depth.

    Parameters
    ----------
    source : CGCNN
        The pretrained network; it is not changed.
    mode : {"mixture", "full", "head", "layerwise"}
    seed : int
        Seed of the new layers.
    experts : sequence of CGCNN
        For ``mixture``: networks whose frozen bodies are used, of the same sizes as that of `source`.
    pooling : {"last", "all"}
        The convolutions whose pooled features the new layers take; see :class:`zoo.models.architecture.Architecture`.
    outputs : int
        Number of classes, or 1 for a number.
    targets : int
        Number of properties that are learned at once.

    Returns
    -------
    network : CGCNN
    rates : dict of str to float
        Prefix of parameter names → factor on the learning rate.
    """
    size = source.architecture
    beside = experts if mode == "mixture" else ()
    size = replace(size, targets=targets, pooling=pooling, experts=len(beside), outputs=outputs)
    network = scratch(size, source.atom_table, seed)
    for body, origin in zip([network.body, *network.experts], [source, *beside], strict=True):
        for copy, layers in ((body.embedding, origin.embedding), (body.convs, origin.convs)):
            copy.load_state_dict(layers.state_dict())
    network.freeze_statistics()
    if mode == "head":
        network.freeze("body")
    if mode != "layerwise":
        return network, {}
    rates = {f"body.convs.{layer}": DECAY ** (size.convolutions - layer) for layer in range(size.convolutions)}
    return network, {"body.embedding": DECAY ** (size.convolutions + 1), **rates}


def side_by_side(
    sources: Sequence[CGCNN], architecture: Architecture, seed: int, heads: Mapping[int, tuple[int, CGCNN]]
) -> CGCNN:
    """Return a wide network whose body computes the features of all sources at once.

    The weight matrices are block-diagonal: the features of the sources are concatenated, and the weights between
    different sources are zero until training changes them. The result predicts exactly as the sources do; for a single
    source, it is a copy. Chen, Goodfellow & Shlens, ICLR 2016 (Net2Net), widened a single network in a similar way.

    Parameters
    ----------
    sources : sequence of CGCNN
    architecture : Architecture
        Of the result: its width is the sum of the sources' widths; the other sizes are those of each source.
    seed : int
        Of the fully connected layers that start from random weights.
    heads : mapping of target to (source, network)
        Index of a target → index of a source, and a network with a single target and that source's body, whose fully
        connected layers the target starts from.
    """
    network = scratch(architecture, sources[0].atom_table, seed)
    width, bonds = architecture.width, torch.arange(architecture.gaussians)
    first, places = 0, []
    state = network.state_dict()
    for name in state:
        if name.endswith("fc_full.weight") and name.startswith("body.convs."):
            state[name].zero_()
    for source in sources:
        own = torch.arange(first, first := first + source.architecture.width)
        places.append(own)
        both = torch.cat([own, width + own])  # of gate and core; of centre and neighbour
        for name, tensor in source.state_dict().items():
            if not name.startswith(("body.embedding.", "body.convs.")):
                continue
            leaf = name.split(".")[-2]
            if not tensor.dim():  # the number of batches seen, which is not used
                state[name].copy_(tensor)
            elif leaf == "fc_full" and tensor.dim() == 2:
                state[name][both[:, None], torch.cat([both, 2 * width + bonds])] = tensor
            else:
                state[name][both if leaf in ("fc_full", "bn1") else own] = tensor
    layers = architecture.pooled // width
    for target, (place_of_source, single) in heads.items():
        read = torch.cat([layer * width + places[place_of_source] for layer in range(layers)])
        for name, tensor in single.heads[0].state_dict().items():
            place = state.get(f"heads.{target}.{name}")
            if place is None:
                continue
            if name == "conv_to_fc.weight":
                place.zero_()
                place[:, read] = tensor
            elif name.startswith("norm.") and tensor.dim():
                place[read] = tensor
            else:
                place.copy_(tensor)
    network.load_state_dict(state)
    return network
