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

from typing import TYPE_CHECKING

import torch

from zoo.errors import InputError
from zoo.models.network import CrystalNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel
    from torch import Tensor

    from zoo.models.architecture import Architecture
    from zoo.training.settings import Mode

DECAY = 0.7
"""Ratio of the learning rates of a layer and the next one in ``layerwise``."""


def scratch(architecture: Architecture, atom_table: Tensor | None, seed: int) -> CrystalNetwork:
    """Return a network with random weights, which depend on `seed` only; torch's global generator is left alone.

    The features of elements are zoo's, unless an `atom_table` is given.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CrystalNetwork(architecture, atom_table)


def transfer(
    source: CrystalNetwork,
    mode: Mode,
    seed: int,
    *,
    experts: Sequence[CrystalNetwork] = (),
    settings: BaseModel | None = None,
    outputs: int = 1,
    targets: int = 1,
) -> tuple[CrystalNetwork, dict[str, float]]:
    """Return a copy of `source` with new fully connected layers, and its learning rates by depth.

    Parameters
    ----------
    source : CrystalNetwork
        The pretrained network; it is not changed.
    mode : {"mixture", "full", "head", "layerwise"}
    seed : int
        Seed of the new layers.
    experts : sequence of CrystalNetwork
        For ``mixture``: networks whose frozen bodies are used.
    settings : BaseModel, optional
        Settings of the body, by which its tensors have the same shapes as those of `source`; by default those by which
        its vectors describe a crystal best.
    outputs : int
        Number of classes, or 1 for a number.
    targets : int
        Number of properties that are learned at once.

    Returns
    -------
    network : CrystalNetwork
    rates : dict of str to float
        Prefix of parameter names → factor on the learning rate.
    """
    size = source.architecture
    beside = experts if mode == "mixture" else ()
    alike = all(
        each.architecture.network == size.network
        and each.architecture.transferred.settings == size.transferred.settings
        for each in beside
    )
    size = size.model_copy(
        update={
            "settings": settings or size.transferred.settings,
            "targets": targets,
            "experts": len(beside) if alike else tuple(each.architecture.transferred for each in beside),
            "outputs": outputs,
        }
    )
    table = next((each.atom_table for each in (source, *beside) if each.atom_table is not None), None)
    network = scratch(size, table, seed)
    for body, origin in zip([network.body, *network.experts], [source, *beside], strict=True):
        kept = body.state_dict().keys()
        body.load_state_dict({name: tensor for name, tensor in origin.body.state_dict().items() if name in kept})
    network.freeze_statistics()
    if mode == "head":
        network.freeze("body")
    if mode != "layerwise":
        return network, {}
    depths = network.body.depths
    rates = {
        f"body.{prefix}": DECAY ** (len(depths) - depth) for depth, prefixes in enumerate(depths) for prefix in prefixes
    }
    return network, rates


def side_by_side(
    sources: Sequence[CrystalNetwork],
    architecture: Architecture,
    seed: int,
    heads: Mapping[int, tuple[int, CrystalNetwork]],
) -> CrystalNetwork:
    """Return a network whose body computes the vectors of all sources at once; of a single source, it is a copy.

    Parameters
    ----------
    sources : sequence of CrystalNetwork
        Of one network.
    architecture : Architecture
        Of the result: its body is that of the source, or as wide as the network's `Widening` says.
    seed : int
        Of the fully connected layers that start from random weights.
    heads : mapping of target to (source, network)
        Index of a target → index of a source, and a network with a single target and that source's body, whose fully
        connected layers the target starts from.

    Raises
    ------
    InputError
        If the network cannot be widened.
    """
    network = scratch(architecture, sources[0].atom_table, seed)
    widening = architecture.plugin.widening
    if len(sources) == 1:
        network.body.load_state_dict(sources[0].body.state_dict())
        places: Sequence[Tensor] = [torch.arange(network.body.vector_size)]
    elif widening is None:
        raise InputError(f"the network {architecture.network} starts from a single backbone, not from {len(sources)}")
    else:
        places = widening.copy([source.body for source in sources], network.body)
    for target, (source, single) in heads.items():
        read = places[source]
        state = network.heads[target].state_dict()
        for name, tensor in single.heads[0].state_dict().items():
            place = state.get(name)
            if place is None:
                continue
            if name == "conv_to_fc.weight":
                place.zero_()
                place[:, read] = tensor
            elif name.startswith("norm.") and tensor.dim():
                place[read] = tensor
            else:
                place.copy_(tensor)
        network.heads[target].load_state_dict(state)
    return network
