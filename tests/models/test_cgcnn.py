"""The network against a plainly written one, against itself on DGL and torch, and against symmetry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pymatgen.core import Structure
from reference import reference_forward

from zoo.batches import GraphBatch
from zoo.crystals import Crystal
from zoo.elements import atom_table
from zoo.graphs import PackedGraphs, build_graph
from zoo.models import kernels
from zoo.models.cgcnn import CGCNN, Architecture
from zoo.transfer import scratch

SMALL = Architecture(width=16, convolutions=3, head=24, head_layers=2)


@pytest.fixture(scope="module")
def batch(real_structures: list[Structure]) -> GraphBatch:
    graphs = [build_graph(Crystal.from_structure(structure)) for structure in real_structures[:24]]
    return GraphBatch.gather(PackedGraphs.pack(graphs), np.arange(24))


def network(architecture: Architecture = SMALL) -> CGCNN:
    return scratch(architecture, torch.from_numpy(atom_table().copy()), seed=1)


@pytest.mark.parametrize("training", [False, True])
def test_equals_the_reference(batch: GraphBatch, training: bool) -> None:
    model = network(Architecture()).double().train(training)
    expected = reference_forward(model, _double(batch))
    assert model(_double(batch)).detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)


def test_gradients_equal_the_references(batch: GraphBatch) -> None:
    model = network().train()
    model(batch).square().sum().backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    reference_forward(model, batch).square().sum().backward()
    for name, parameter in model.named_parameters():
        scale = max(1.0, float(parameter.grad.abs().max()))
        assert float((found[name] - parameter.grad).abs().max()) < 1e-4 * scale, name


def test_dgl_and_torch_kernels_agree(batch: GraphBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    results = {}
    for choice in (True, False):
        monkeypatch.setattr(kernels, "uses_dgl", lambda _values, choice=choice: choice)
        model = network().train()
        model(batch).square().sum().backward()
        results[choice] = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    for name, gradient in results[True].items():
        torch.testing.assert_close(gradient, results[False][name], rtol=1e-4, atol=1e-5)


def test_dgl_runs_where_a_gradient_is_asked_for() -> None:
    values = torch.zeros(3, 2, requires_grad=True)
    assert kernels.uses_dgl(values)
    assert not kernels.uses_dgl(values.detach())
    assert not kernels.uses_dgl(values.bfloat16())
    with torch.no_grad():
        assert not kernels.uses_dgl(values)


def test_the_dgl_graph_is_the_batch(batch: GraphBatch) -> None:
    graph = batch.graph
    assert graph.batch_num_nodes().tolist() == batch.sizes.tolist()
    assert graph.batch_num_edges().tolist() == (12 * batch.sizes).tolist()
    neighbor, center = graph.edges()
    assert neighbor.tolist() == batch.neighbors.flatten().tolist()
    assert center.tolist() == np.repeat(np.arange(len(batch.numbers)), 12).tolist()


def _predict(model: CGCNN, structure: Structure) -> float:
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(structure))])
    with torch.no_grad():
        return float(model.double()(_double(GraphBatch.gather(graphs, np.array([0])))))


def _double(batch: GraphBatch) -> GraphBatch:
    return GraphBatch(batch.numbers, batch.neighbors, batch.distances.double(), batch.sizes)


def test_symmetry_of_the_prediction(real_structures: list[Structure]) -> None:
    model = network(Architecture()).eval()
    rng = np.random.default_rng(3)
    for structure in real_structures[::4]:
        expected = _predict(model, structure)
        shuffled = Structure.from_sites([structure[i] for i in rng.permutation(len(structure))])
        moved = structure.copy().translate_sites(range(len(structure)), rng.random(3))
        doubled = structure.copy().make_supercell([2, 1, 1], in_place=False)
        turned = Structure(
            structure.lattice.matrix @ np.linalg.qr(rng.normal(size=(3, 3)))[0],
            structure.species,
            structure.frac_coords,
        )
        for variant in (shuffled, moved, doubled, turned):
            assert _predict(model, variant) == pytest.approx(expected, abs=1e-5)


def test_the_order_of_crystals_does_not_matter(batch: GraphBatch, real_structures: list[Structure]) -> None:
    model = network().eval()
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(s)) for s in real_structures[:24]])
    order = np.random.default_rng(0).permutation(24)
    with torch.no_grad():
        mixed = model(GraphBatch.gather(graphs, order))
        assert mixed.numpy() == pytest.approx(model(batch).numpy()[order], abs=1e-5)


def test_frozen_parts_keep_weights_and_statistics(batch: GraphBatch) -> None:
    model = network().train()
    model.freeze("embedding", "convs")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        model.train()
        optimizer.zero_grad()
        model(batch).square().sum().backward()
        optimizer.step()
    for name, tensor in model.state_dict().items():
        changed = not torch.equal(tensor, before[name])
        assert changed == name.startswith(("conv_to_fc", "fcs", "fc_out")), name


def test_frozen_statistics_stay_while_the_weights_move(batch: GraphBatch) -> None:
    model = network().train()
    model(batch)  # statistics that are not the initial ones
    model.freeze_statistics()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    model(batch).square().sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    for name, tensor in model.state_dict().items():
        fixed = "running" in name or "tracked" in name or name == "atom_table"
        assert torch.equal(tensor, before[name]) == fixed, name


def test_gaussians_peak_at_their_centres() -> None:
    expanded = network().expand(torch.tensor([0.0, 2.4, 8.0]))
    assert expanded.argmax(dim=1).tolist() == [0, 12, 40]
    assert expanded[1, 13] == pytest.approx(np.exp(-1.0), rel=1e-4)  # one spacing away, one width away
