"""What is carried over, what starts anew, what learns how fast."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from zoo.elements import atom_table
from zoo.models.cgcnn import Architecture
from zoo.training import rate_of
from zoo.transfer import BODY, DECAY, scratch, transfer

SMALL = Architecture(width=8, convolutions=3, head=8)
TABLE = torch.from_numpy(atom_table().copy())


def test_scratch_depends_on_its_seed_alone_and_leaves_the_global_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, second, third = (scratch(SMALL, TABLE, seed).fc_out.weight for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


@pytest.mark.parametrize("mode", ["full", "head", "layerwise"])
def test_body_is_kept_and_head_is_new(mode: str) -> None:
    source = scratch(SMALL, TABLE, 1)
    source.convs[0].bn1.running_mean += 0.5
    network, _ = transfer(source, mode, seed=2)  # type: ignore[arg-type]
    fresh = scratch(replace(SMALL, pooling="all"), TABLE, 2)
    for name, tensor in network.state_dict().items():
        origin = source if name.split(".")[0] in (*BODY, "atom_table") else fresh
        assert torch.equal(tensor, origin.state_dict()[name]), name


def test_the_authors_pooling_can_be_asked_for() -> None:
    network, _ = transfer(scratch(SMALL, TABLE, 1), "full", seed=2, pooling="last")
    assert network.norm is None
    assert network.conv_to_fc.weight.shape == (8, 8)


@pytest.mark.parametrize("mode", ["full", "head", "layerwise"])
def test_batch_norm_keeps_the_sources_statistics(mode: str) -> None:
    network, _ = transfer(scratch(SMALL, TABLE, 1), mode, seed=2)  # type: ignore[arg-type]
    norms = [module for module in network.train().convs.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    assert len(norms) == 6
    assert not any(module.training for module in norms)


def test_layerwise_rates_fall_towards_the_input() -> None:
    _, rates = transfer(scratch(SMALL, TABLE, 1), "layerwise", seed=2)
    names = [
        "embedding.weight",
        "convs.0.fc_full.weight",
        "convs.1.bn1.bias",
        "convs.2.bn2.weight",
        "fc_out.bias",
    ]
    assert [rate_of(name, rates) for name in names] == pytest.approx([DECAY**4, DECAY**3, DECAY**2, DECAY, 1.0])


def test_head_mode_trains_the_head_alone() -> None:
    network, _ = transfer(scratch(SMALL, TABLE, 1), "head", seed=2)
    trained = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trained == {"conv_to_fc", "fc_out"}


def test_a_mixture_reads_other_bodies_and_leaves_them_as_they_are() -> None:
    experts = [scratch(replace(SMALL, head=4, targets=2), TABLE, seed) for seed in (5, 6)]
    network, _ = transfer(scratch(SMALL, TABLE, 1), "mixture", seed=2, experts=experts)
    for place, expert in zip(network.experts, experts, strict=True):
        for part in BODY:
            found, given = (each.get_submodule(part).state_dict() for each in (place, expert))
            assert all(torch.equal(found[name], given[name]) for name in given)
    trained = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trained == {"embedding", "convs", "conv_to_fc", "fc_out", "reader"}
    assert not any(module.training for module in network.train().experts.modules())
    assert network.reader.conv_to_fc.weight.shape == (8, 2 * 4 * 8)  # two experts, embedding and three convolutions
