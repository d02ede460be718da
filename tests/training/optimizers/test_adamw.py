"""The optimiser takes the steps of torch.optim.AdamW, to the last digit."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from zoo.training.optimizers.adamw import AdamW

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = torch.linspace(-1, 1, 24).reshape(8, 3)
STEPS = 12
RATES = [0.1, 0.01]


def blank() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Softplus(), nn.Linear(4, 1))


def backward(network: nn.Module, factor: float = 1.0) -> None:
    for parameter in network.parameters():
        parameter.grad = None
    error = (network(VALUES) - VALUES.prod(dim=1, keepdim=True)).square().mean()
    (error * factor).backward()


def ours(network: nn.Sequential) -> AdamW:
    groups = {1.0: list(network[2].parameters()), 0.1: list(network[0].parameters())}
    return AdamW(groups, learning_rate=0.1, weight_decay=0.1)


@pytest.fixture(scope="module")
def expected() -> list[torch.Tensor]:
    """Two layers at two rates, on a schedule."""
    network = blank()
    groups = [{"params": network[layer].parameters(), "lr": rate} for layer, rate in zip((2, 0), RATES, strict=True)]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.1, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    for _ in range(STEPS):
        backward(network)
        optimizer.step()
        schedule.step()
    return [parameter.detach() for parameter in network.parameters()]


def steps(network: nn.Module, optimizer: AdamW, numbers: range, step: Callable[[], None]) -> None:
    for number in numbers:
        optimizer.schedule(1 / (1 + number))
        step()
    assert optimizer.learning_rate == pytest.approx(0.1 / (1 + numbers[-1]))


def test_steps_are_torchs(expected: list[torch.Tensor]) -> None:
    network = blank()
    optimizer = ours(network)

    def step() -> None:
        backward(network)
        optimizer.step()

    steps(network, optimizer, range(STEPS), step)
    assert all(map(torch.equal, network.parameters(), expected))
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_saved_state_goes_on_as_if_it_had_not_been_saved(expected: list[torch.Tensor]) -> None:
    network = blank()
    first, second = ours(network), ours(network)
    for optimizer, numbers in ((first, range(5)), (second, range(5, STEPS))):

        def step(optimizer: AdamW = optimizer) -> None:
            backward(network)
            optimizer.step()

        if optimizer is second:
            saved = dict(first.state())
            for name, tensor in second.state():
                tensor.copy_(saved[name])
        steps(network, optimizer, numbers, step)
    assert all(map(torch.equal, network.parameters(), expected))


def test_a_scaler_of_gradients_changes_nothing_and_leaves_out_steps_that_overflow(
    expected: list[torch.Tensor],
) -> None:
    network = blank()
    optimizer = ours(network)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)

    def step(factor: float = 1.0) -> None:
        backward(network, factor * scaler.get_scale())
        scaler.scale(torch.ones(()))
        scaler.unscale_(optimizer)  # type: ignore[arg-type]
        scaler.step(optimizer)  # type: ignore[arg-type]
        scaler.update()

    steps(network, optimizer, range(5), step)
    before = [parameter.clone() for parameter in network.parameters()]
    step(float("inf"))
    assert all(map(torch.equal, network.parameters(), before))
    assert scaler.get_scale() == 2.0**9
    steps(network, optimizer, range(5, STEPS), step)
    for found, parameter in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(found, parameter, rtol=1e-6, atol=1e-7)


def test_parameters_without_a_gradient_stay_as_they_are() -> None:
    network = blank()
    optimizer = ours(network)
    backward(network)
    before = network[0].weight.clone()
    network[0].weight.grad = None
    optimizer.step()
    assert torch.equal(network[0].weight, before)
    assert not torch.equal(network[2].weight, blank()[2].weight)


def test_it_imports_no_compiler() -> None:
    code = (
        "import sys, torch; from zoo.training.optimizers.adamw import AdamW; "
        "weight = torch.nn.Parameter(torch.ones(3)); "
        "optimizer = AdamW({1.0: [weight]}, 0.1, 0.1); weight.sum().backward(); optimizer.step(); "
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
