"""The optimiser takes torch's steps, in every digit."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from zoo.training.optimizing import AdamW

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer

VALUES = torch.linspace(-1, 1, 24).reshape(8, 3)


def led_back(network: nn.Module, reset: Callable[[], None]) -> float:
    reset()
    error = (network(VALUES) - VALUES.prod(dim=1, keepdim=True)).square().mean()
    error.backward()
    return error.item()


def steps(kind: type[Optimizer], *, fused: bool, stop: int | None = None) -> tuple[list[torch.Tensor], list[float]]:
    """Fit two layers at two rates on a schedule, and return their weights; at `stop`, go on from what was saved."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Softplus(), nn.Linear(4, 1))

    def begin() -> tuple[Optimizer, torch.optim.lr_scheduler.LambdaLR]:
        optimizer = kind([{"params": network[0].parameters(), "lr": 0.01}], lr=0.1, weight_decay=0.1, fused=fused)  # type: ignore[call-arg]
        optimizer.add_param_group({"params": network[2].parameters()})
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))

    optimizer, schedule = begin()
    losses = []
    for step in range(12):
        if step == stop:
            saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
            optimizer, schedule = begin()
            optimizer.load_state_dict(saved[0])
            schedule.load_state_dict(saved[1])

        losses.append(float(optimizer.step(lambda reset=optimizer.zero_grad: led_back(network, reset))))
        schedule.step()
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in network.parameters())
    return [parameter.detach() for parameter in network.parameters()], losses


@pytest.mark.parametrize("fused", [False, True])
def test_steps_are_torchs(fused: bool) -> None:
    expected, losses = steps(torch.optim.AdamW, fused=fused)
    assert losses[-1] < 0.9 * losses[0]
    for stop in (None, 5):
        found, same = steps(AdamW, fused=fused, stop=stop)
        assert same == losses
        assert all(map(torch.equal, found, expected))
