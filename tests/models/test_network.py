"""How body, heads and experts make a network, and what of it is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from support.reference import unlike_the_initial

from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.dgl_import import dgl
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models.architecture import Architecture, default_architecture

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from zoo.models.network import CrystalNetwork

SMALL = default_architecture(width=16, convolutions=3, head=24, head_layers=2)

both_ways = pytest.mark.usefixtures("inner_loops")


@pytest.fixture(scope="module")
def graphs(real_structures: list[Structure]) -> PackedGraphs:
    return PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures])


@pytest.fixture(scope="module")
def batch(graphs: PackedGraphs) -> GraphBatch:
    return GraphBatch.gather(graphs, np.arange(len(graphs)))


def network(architecture: Architecture = SMALL) -> CrystalNetwork:
    return unlike_the_initial(architecture)


def test_each_target_has_a_head_and_single_takes_one(batch: GraphBatch) -> None:
    model = network(SMALL.changed(targets=3)).eval()
    with torch.no_grad():
        everything = model.all_targets(batch)
        assert everything.shape == (len(batch), 3)
        assert torch.equal(model(batch), everything[:, 0])
        for target in range(3):
            torch.testing.assert_close(model.single(target)(batch), everything[:, target])


def test_single_takes_its_part_of_a_mixture(batch: GraphBatch) -> None:
    model = network(SMALL.changed(pooling="all", experts=2, targets=3)).eval()
    with torch.no_grad():
        everything = model.all_targets(batch)
        assert len(torch.unique(everything[0])) == 3
        for target in range(3):
            torch.testing.assert_close(model.single(target)(batch), everything[:, target])


def test_a_mixture_is_the_mean_of_two_opinions(graphs: PackedGraphs, batch: GraphBatch) -> None:
    model = network(SMALL.changed(pooling="all", experts=2)).eval()
    with torch.no_grad():
        vectors = model.expert_vectors(batch)
        assert vectors.shape == (len(batch), 2 * 4 * SMALL.settings.width)
        own, read = model.opinions(batch)[..., 0]
        assert torch.equal(read, model.reader(vectors))
        assert torch.equal(model(batch), (own + read) / 2)
        known = GraphBatch.gather(graphs, np.arange(len(graphs)), vectors)
        assert torch.equal(model(known), model(batch))
        assert torch.equal(model.single(0)(batch), model(batch))


@both_ways
def test_it_takes_a_dgl_graph_in_place_of_a_batch(graphs: PackedGraphs, batch: GraphBatch) -> None:
    model = network().eval()
    alone = [GraphBatch.gather(graphs, np.array([row])).graph for row in range(len(graphs))]
    with torch.no_grad():
        expected = model(batch)
        assert torch.equal(model(batch.graph), expected)
        torch.testing.assert_close(model(dgl().batch(alone)), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.embed(alone[3]), model.embed(batch)[3:4], rtol=1e-5, atol=1e-5)


def test_vectors_of_all_layers_end_with_that_of_the_last(batch: GraphBatch) -> None:
    model = network().eval()
    everything = model.body_as(model.architecture.transferred).embed(batch)
    assert everything.shape == (len(batch), 4 * SMALL.settings.width)
    assert torch.equal(everything[:, -SMALL.settings.width :], model.embed(batch))


def test_experts_stay_as_they_are_while_the_rest_learns(batch: GraphBatch) -> None:
    model = network(SMALL.changed(pooling="all", experts=2)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    target = torch.linspace(-1, 1, len(batch)).unsqueeze(1)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (model.opinions(batch) - target).abs().mean().backward()
        optimizer.step()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name.startswith("experts.") or name == "body.atom_table"), name


@both_ways
def test_frozen_parts_keep_weights_and_statistics(batch: GraphBatch) -> None:
    model = network().train()
    model.freeze("body.embedding", "body.convs")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        model.train()
        optimizer.zero_grad()
        model(batch).square().sum().backward()
        optimizer.step()
    for name, tensor in model.state_dict().items():
        changed = not torch.equal(tensor, before[name])
        assert changed == name.startswith("heads."), name


@both_ways
def test_frozen_statistics_stay_while_the_weights_move(batch: GraphBatch) -> None:
    model = network().train()
    model(batch)  # statistics that are not the initial ones
    model.freeze_statistics()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    model(batch).square().sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    for name, tensor in model.state_dict().items():
        fixed = "running" in name or "tracked" in name or name == "body.atom_table"
        assert torch.equal(tensor, before[name]) == fixed, name
