"""The moving average of a network's weights, which is validated and kept instead of the weights."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.models.network import CrystalNetwork


def weights(network: CrystalNetwork) -> dict[str, Tensor]:
    """Return the parameters and buffers of a network by name, except those of its frozen experts.

    The tensors share memory with the network.
    """
    return {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("experts.")}


class MovingAverage:
    """An exponential moving average of weights and buffers.

    After step 1 it is the network itself. After each further step t it moves by 1 - d of the way to the weights, where
    d = min(decay, t / (9 + t)), so that the random start soon loses influence. Integers are copied.

    Parameters
    ----------
    network : CrystalNetwork
    decay : float
        Per step.
    """

    def __init__(self, network: CrystalNetwork, decay: float) -> None:
        self.network = copy.deepcopy(network)
        """A network with the averaged weights."""
        self._decay = decay
        # Grouped by type once: torch averages a list of tensors of one type in one call.
        kinds: dict[torch.dtype, list[tuple[Tensor, Tensor]]] = {}
        for averaged, current in zip(weights(self.network).values(), weights(network).values(), strict=True):
            kinds.setdefault(averaged.dtype, []).append((averaged, current))
        self._pairs = [tuple(map(list, zip(*pairs, strict=True))) for pairs in kinds.values()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after a step; steps count from 1."""
        decay = min(self._decay, step / (9 + step)) if step > 1 else 0.0
        for averaged, current in self._pairs:
            if averaged[0].is_floating_point() and step > 1:
                get_ema_multi_avg_fn(decay)(averaged, current, step)  # type: ignore[no-untyped-call]
            else:
                for old, new in zip(averaged, current, strict=True):
                    old.copy_(new)
