"""Transfer: a pretrained network becomes the start of another one.

Lee & Asahi, Comput. Mater. Sci. 190, 110314 (2021): the pretrained parameters start the target model, and
fine-tuning updates them. Three ways of doing so:

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

from typing import TYPE_CHECKING, Literal

import torch

from zoo.models.cgcnn import CGCNN, Architecture

if TYPE_CHECKING:
    from torch import Tensor

Mode = Literal["full", "head", "layerwise"]

HEAD = ("conv_to_fc", "fcs", "fc_out")
DECAY = 0.7
"""In ``layerwise`` each layer nearer to the input learns at this fraction of the next one's rate."""


def scratch(architecture: Architecture, atom_table: Tensor, seed: int) -> CGCNN:
    """Return a network with random weights that depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CGCNN(architecture, atom_table)


def transfer(source: CGCNN, mode: Mode, seed: int) -> tuple[CGCNN, dict[str, float]]:
    """Return a copy of `source` with new fully connected layers, and its learning rates by depth.

    Parameters
    ----------
    source : CGCNN
        The pretrained network; it is not changed.
    mode : {"full", "head", "layerwise"}
    seed : int
        Seed of the new layers.

    Returns
    -------
    network : CGCNN
    rates : dict of str to float
        Factor on the learning rate by prefix of parameter names.
    """
    network = scratch(source.architecture, source.atom_table, seed)
    kept = {name: tensor for name, tensor in source.state_dict().items() if name.split(".")[0] not in HEAD}
    network.load_state_dict(kept, strict=False)
    network.freeze_statistics()
    if mode == "head":
        network.freeze("embedding", "convs")
    if mode != "layerwise":
        return network, {}
    depth = source.architecture.convolutions
    rates = {f"convs.{layer}": DECAY ** (depth - layer) for layer in range(depth)}
    return network, {"embedding": DECAY ** (depth + 1), **rates}
