"""Muon's steps go along the orthogonalised momentum; everything else takes AdamW's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.training.optimizers.adamw import AdamW
from zoo.training.optimizers.muon import MuonAdamW, matrices

VALUES = torch.linspace(-1, 1, 60).reshape(20, 3)
RATE, DECAY = 0.01, 0.1


def blank() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.Embedding(4, 2), nn.Linear(8, 1))


def backward(network: nn.Sequential) -> None:
    output = network[3](torch.tanh(network[1](network[0](VALUES))))
    (output - VALUES.prod(dim=1, keepdim=True)).square().mean().backward()


def ours(network: nn.Sequential) -> MuonAdamW:
    groups = {1.0: list(network[3].parameters()), 0.1: list(network[:3].parameters())}
    return MuonAdamW(groups, matrices(network), RATE, DECAY)


def train(network: nn.Sequential, optimizer: AdamW, steps: range) -> None:
    for step in steps:
        optimizer.schedule(1 / (1 + step))
        optimizer.zero_grad()
        backward(network)
        optimizer.step()


def test_matrices_are_those_of_linear_maps_that_are_trained() -> None:
    network = blank()
    assert [id(each) for each in matrices(network)] == [id(network[0].weight), id(network[3].weight)]
    network[3].requires_grad_(False)
    assert len(matrices(network)) == 1


def test_the_first_step_is_the_gradient_with_equal_singular_values() -> None:
    network = blank()
    before = network[0].weight.detach().clone()
    gradient = torch.randn(8, 3)
    network[0].weight.grad = gradient
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    optimizer = ours(network)
    optimizer.schedule(1.0)
    optimizer.step()
    rate = 0.1 * RATE
    step = before * (1 - rate * DECAY) - network[0].weight.detach()
    size = rate * 0.2 * 8**0.5  # as large as a step of AdamW: Liu et al., arXiv:2502.16982
    inside = left.T @ step @ right.T / size
    assert inside.diagonal().numpy() == pytest.approx(1.0, abs=0.4)  # Newton and Schulz's iteration is not converged
    assert (inside - inside.diagonal().diag()).abs().max() < 0.05
    assert torch.allclose(left @ inside @ right * size, step, atol=0.02 * size)  # computed in bfloat16


def test_all_others_take_the_steps_of_adamw() -> None:
    network, other = blank(), blank()
    train(network, ours(network), range(1))
    groups = {1.0: list(other[3].parameters()), 0.1: list(other[:3].parameters())}
    train(other, AdamW(groups, RATE, DECAY), range(1))
    for (name, tensor), expected in zip(network.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(tensor, expected) == (name not in ("0.weight", "3.weight")), name


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch is older than 2.9")
def test_its_steps_are_those_of_torch() -> None:
    network, other = blank(), blank()
    train(network, ours(network), range(5))
    rates = {"0.weight": 0.1 * RATE, "3.weight": RATE}
    found = dict(other.named_parameters())
    muon = torch.optim.Muon(
        [{"params": [found[name]], "lr": rate} for name, rate in rates.items()],
        weight_decay=DECAY,
        adjust_lr_fn="match_rms_adamw",
    )
    groups = {1.0: [other[3].bias], 0.1: [each for name, each in found.items() if name[0] != "3" and name not in rates]}
    adamw = AdamW(groups, RATE, DECAY)
    for step in range(5):
        adamw.schedule(1 / (1 + step))
        for group, rate in zip(muon.param_groups, rates.values(), strict=True):
            group["lr"] = rate / (1 + step)
        other.zero_grad()
        backward(other)
        adamw.step()
        muon.step()
    for name, tensor in network.named_parameters():
        assert torch.equal(tensor, found[name]), name


def test_it_continues_from_its_state() -> None:
    network = blank()
    optimizer = ours(network)
    train(network, optimizer, range(3))
    resumed = blank()
    resumed.load_state_dict(network.state_dict())
    continued = ours(resumed)
    for (name, tensor), (same, saved) in zip(continued.state(), optimizer.state(), strict=True):
        assert name == same
        tensor.copy_(saved)
    train(network, optimizer, range(3, 6))
    train(resumed, continued, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), resumed.parameters(), strict=True))
