"""What is carried over, what starts anew, what learns how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from zoo.data.crystal import Crystal
from zoo.data.elements import atom_table
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models.architecture import default_architecture
from zoo.training.loop import rate_of
from zoo.training.transfer import DECAY, scratch, side_by_side, transfer

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from zoo.models.network import CrystalNetwork

SMALL = default_architecture(width=8, convolutions=3, head=8)
TABLE = torch.from_numpy(atom_table().copy())


def test_scratch_depends_on_its_seed_alone_and_leaves_the_global_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, second, third = (scratch(SMALL, TABLE, seed).heads[0].fc_out.weight for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


@pytest.mark.parametrize("mode", ["full", "head", "layerwise"])
def test_body_is_kept_and_head_is_new(mode: str) -> None:
    source = scratch(SMALL, TABLE, 1)
    source.body.convs[0].bn1.running_mean += 0.5
    network, _ = transfer(source, mode, seed=2)  # type: ignore[arg-type]
    fresh = scratch(SMALL.changed(pooling="all"), TABLE, 2)
    for name, tensor in network.state_dict().items():
        origin = source if name.startswith("body.") else fresh
        assert torch.equal(tensor, origin.state_dict()[name]), name


def test_the_authors_pooling_can_be_asked_for() -> None:
    network, _ = transfer(scratch(SMALL, TABLE, 1), "full", seed=2, settings=SMALL.settings)
    assert network.heads[0].norm is None
    assert network.heads[0].conv_to_fc.weight.shape == (8, 8)


@pytest.mark.parametrize("mode", ["full", "head", "layerwise"])
def test_batch_norm_keeps_the_sources_statistics(mode: str) -> None:
    network, _ = transfer(scratch(SMALL, TABLE, 1), mode, seed=2)  # type: ignore[arg-type]
    norms = [module for module in network.train().body.convs.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    assert len(norms) == 6
    assert not any(module.training for module in norms)


def test_layerwise_rates_fall_towards_the_input() -> None:
    _, rates = transfer(scratch(SMALL, TABLE, 1), "layerwise", seed=2)
    names = [
        "body.embedding.weight",
        "body.convs.0.fc_full.weight",
        "body.convs.1.bn1.bias",
        "body.convs.2.bn2.weight",
        "heads.0.fc_out.bias",
    ]
    assert [rate_of(name, rates) for name in names] == pytest.approx([DECAY**4, DECAY**3, DECAY**2, DECAY, 1.0])


def test_head_mode_trains_the_head_alone() -> None:
    network, _ = transfer(scratch(SMALL, TABLE, 1), "head", seed=2)
    trained = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trained == {"heads"}


def test_a_mixture_reads_other_bodies_and_leaves_them_as_they_are() -> None:
    experts = [scratch(SMALL.changed(head=4, targets=2), TABLE, seed) for seed in (5, 6)]
    network, _ = transfer(scratch(SMALL, TABLE, 1), "mixture", seed=2, experts=experts)
    for place, expert in zip(network.experts, experts, strict=True):
        found, given = place.state_dict(), expert.body.state_dict()
        assert given.keys() - found.keys() == {"atom_table"}
        assert all(torch.equal(found[name], given[name]) for name in found)
    trained = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trained == {"body", "heads", "reader"}
    assert not any(module.training for module in network.train().experts.modules())
    assert network.reader.conv_to_fc.weight.shape == (8, 2 * 4 * 8)  # two experts, embedding and three convolutions


# --- several networks become one ---


def answers(network: CrystalNetwork, batch: GraphBatch, mode: str) -> torch.Tensor:
    with torch.no_grad():
        return network.train(mode == "training").all_targets(batch)


@pytest.mark.parametrize("mode", ["evaluation", "training"])
@pytest.mark.parametrize("pooling", ["last", "all"])
def test_side_by_side_each_answers_as_before(real_structures: list[Structure], pooling: str, mode: str) -> None:
    shape = SMALL.changed(pooling=pooling, head_layers=2)
    one, other = scratch(shape.changed(width=8), TABLE, 1), scratch(shape.changed(width=12, targets=2), TABLE, 2)
    with torch.no_grad():
        for network in (one, other):
            for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm1d)):
                norm.running_mean.uniform_(-0.5, 0.5)
                norm.running_var.uniform_(0.5, 1.5)
    heads = {0: (1, other.single(1)), 2: (0, one)}
    joined = side_by_side([one, other], shape.changed(width=20, targets=3), 5, heads)
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures[:12]])
    batch = GraphBatch.gather(graphs, np.arange(12))
    found = answers(joined, batch, mode)
    assert found[:, 0].numpy() == pytest.approx(answers(other, batch, mode)[:, 1].numpy(), abs=1e-5)
    assert found[:, 2].numpy() == pytest.approx(answers(one, batch, mode)[:, 0].numpy(), abs=1e-5)
    assert found[:, 1].std() > 0  # of a head that starts anew


def test_of_a_single_source_side_by_side_is_a_copy() -> None:
    source = scratch(SMALL, TABLE, 1)
    copied = side_by_side([source], SMALL, 2, {0: (0, source)})
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, copied.state_dict()[name]), name
    copied.body.embedding.weight.data += 1
    assert not torch.equal(source.body.embedding.weight, copied.body.embedding.weight)
