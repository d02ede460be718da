"""Transfer: a pretrained network becomes the start of another one.

Lee & Asahi, Comput. Mater. Sci. 190, 110314 (2021): the pretrained parameters start the target model, and
fine-tuning updates them. Four ways of doing so:

``mixture``
    Everything is trained; beside it, frozen copies of all backbones are read by fully connected layers of their own,
    and the two predictions are averaged. One backbone knows energies, another one gaps: together they know more of a
    new property than any of them (Chang, Wang & Ertekin, npj Comput. Mater. 8, 242 (2022)).
``full``
    Everything is trained.
``layerwise``
    Everything is trained, the more slowly the nearer to the input: the early layers know about elements and
    bonds, which the target shares with the source.
``head``
    Only the fully connected layers are trained.

In all of them the fully connected layers after pooling start anew, because they speak of the source property, and
the batch-norm statistics stay those of the source: a batch of a small table says less about how activations are
distributed than the source's thousands of crystals did. Of all choices this one matters most (docs/tuning.md).
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

FROM_SCRATCH = "from scratch"
"""What training without a backbone is called."""

DECAY = 0.7
"""In ``layerwise`` each layer nearer to the input learns at this fraction of the next one's rate."""


def scratch(architecture: Architecture, atom_table: Tensor, seed: int) -> CGCNN:
    """Return a network with random weights that depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CGCNN(architecture, atom_table)


def transfer(
    source: CGCNN, mode: Mode, seed: int, *, experts: Sequence[CGCNN] = (), pooling: Pooling = "all"
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
        For ``mixture``: networks whose bodies are read, of the same sizes as that of `source`.
    pooling : {"last", "all"}
        What the new layers read; see :class:`zoo.models.architecture.Architecture`.

    Returns
    -------
    network : CGCNN
    rates : dict of str to float
        Factor on the learning rate by prefix of parameter names.
    """
    size = source.architecture
    beside = experts if mode == "mixture" else ()
    network = scratch(replace(size, targets=1, pooling=pooling, experts=len(beside)), source.atom_table, seed)
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
    """Return a network in whose body those of the sources stand side by side, and answer as they did.

    Its features are theirs, one source's after the other's, and no weight joins them yet: training finds those. So
    several networks become one without losing anything; of a single source the result is a copy. Networks were made
    wider in this way by Chen, Goodfellow & Shlens, ICLR 2016 (Net2Net), from one source.

    Parameters
    ----------
    sources : sequence of CGCNN
    architecture : Architecture
        Of the result: as wide as all sources together, otherwise shaped as each of them.
    seed : int
        Of the fully connected layers that start anew.
    heads : mapping of target to (source, network)
        Targets whose fully connected layers begin as those of a network with a single target, which has the body of
        the source of this number.
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
            if not tensor.dim():  # how often statistics were taken: of no consequence with a fixed momentum
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
