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
from typing import TYPE_CHECKING, Literal

import torch

from zoo.models.cgcnn import CGCNN, Architecture, Pooling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

Mode = Literal["mixture", "full", "head", "layerwise"]

FROM_SCRATCH = "from scratch"
"""What training without a backbone is called."""

BODY = ("embedding", "convs")
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
        What the new layers read; see :class:`zoo.models.cgcnn.Architecture`.

    Returns
    -------
    network : CGCNN
    rates : dict of str to float
        Factor on the learning rate by prefix of parameter names.
    """
    size = source.architecture
    beside = experts if mode == "mixture" else ()
    network = scratch(replace(size, targets=1, pooling=pooling, experts=len(beside)), source.atom_table, seed)
    _copy_body(source, network)
    for expert, place in zip(beside, network.experts, strict=True):
        _copy_body(expert, place)
    network.freeze_statistics()
    if mode == "head":
        network.freeze(*BODY)
    if mode != "layerwise":
        return network, {}
    rates = {f"convs.{layer}": DECAY ** (size.convolutions - layer) for layer in range(size.convolutions)}
    return network, {"embedding": DECAY ** (size.convolutions + 1), **rates}


def _copy_body(source: nn.Module, target: nn.Module) -> None:
    for part in BODY:
        target.get_submodule(part).load_state_dict(source.get_submodule(part).state_dict())
