"""Several bodies become one wide body that computes the features of all of them at once.

The weight matrices are block-diagonal: the features of the sources are concatenated, and the weights between different
sources are zero until training changes them. The result gives exactly the sources' features; for a single source, it is
a copy. Chen, Goodfellow & Shlens, ICLR 2016 (Net2Net), widened a single network in a similar way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from zoo.plugins.networks.cgcnn.body import Body
    from zoo.plugins.networks.cgcnn.settings import Settings


def copy_side_by_side(bodies: Sequence[Body], wide: Body) -> list[Tensor]:
    """Copy the tensors of bodies into those of a wide one, and return the positions of each body's vector in its."""
    size: Settings = wide.settings
    width, bonds = size.width, torch.arange(size.gaussians)
    first, places = 0, []
    state = wide.state_dict()
    for name in state:
        if name.endswith("fc_full.weight"):
            state[name].zero_()
    for source in bodies:
        own = torch.arange(first, first := first + source.settings.width)
        places.append(own)
        both = torch.cat([own, width + own])  # of gate and core; of centre and neighbour
        for name, tensor in source.state_dict().items():
            if name == "atom_table":
                continue
            leaf = name.split(".")[-2]
            if not tensor.dim():  # the number of batches seen, which is not used
                state[name].copy_(tensor)
            elif leaf == "fc_full" and tensor.dim() == 2:
                state[name][both[:, None], torch.cat([both, 2 * width + bonds])] = tensor
            else:
                state[name][both if leaf in ("fc_full", "bn1") else own] = tensor
    wide.load_state_dict(state)
    layers = size.vector_size // width
    return [torch.cat([layer * width + place for layer in range(layers)]) for place in places]
