"""The network three ways - compiled, on DGL, on torch's indices - against a plainly written one, and its symmetries."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from support.reference import reference_forward, unlike_the_initial

from zoo._utils import compiled
from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.dgl_import import Substitute
from zoo.data.graphs.neighbors import CrystalGraph, build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models.architecture import Architecture, default_architecture

if TYPE_CHECKING:
    from zoo.models.network import CrystalNetwork

SMALL = default_architecture(width=16, convolutions=3, head=24, head_layers=2)


@pytest.fixture(scope="module")
def graphs(real_structures: list[Structure]) -> list[CrystalGraph]:
    """Graphs of one atom, of 200 or more twice (with all symmetry and with none), and of 24 real crystals between."""
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]]).get_primitive_structure()
    largest = real_structures[1] * (5, 4, 4)
    rattled = largest.copy().perturb(0.02, seed=1)
    structures = [copper, largest, rattled, *real_structures[:24]]
    found = [build_graph(Crystal.from_structure(structure)) for structure in structures]
    assert len(found[0]) == 1
    assert len(found[1]) >= 200
    return found


@pytest.fixture
def batch(graphs: list[CrystalGraph]) -> GraphBatch:
    """A new one each time, because it keeps its DGLGraph."""
    return GraphBatch.gather(PackedGraphs.pack(graphs), np.arange(len(graphs)))


def network(architecture: Architecture = SMALL) -> CrystalNetwork:
    return unlike_the_initial(architecture)


MODES = ("evaluation", "training", "frozen statistics")


def in_mode(model: CrystalNetwork, mode: str) -> CrystalNetwork:
    if mode == "frozen statistics":
        model.freeze_statistics()
    return model.train(mode != "evaluation")


@pytest.fixture(params=["compiled", "DGL", "indexed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled kernels; the DGL layer, which is the way without them; the same without DGL."""
    if request.param == "compiled":
        if compiled.missing():
            pytest.skip("zoo was installed without a C compiler")
        return
    for part in compiled.PARTS:
        monkeypatch.setattr(compiled, part, None)
    if request.param == "indexed":
        monkeypatch.setattr("zoo.data.graphs.batch.in_dgl", lambda _device: False)
        monkeypatch.setattr("zoo.plugins.networks.cgcnn.body.dgl", lambda: Substitute("dgl"))


every_way = pytest.mark.usefixtures("way")


@every_way
@pytest.mark.parametrize("mode", MODES)
def test_double_precision_equals_the_reference(batch: GraphBatch, graphs: list[CrystalGraph], mode: str) -> None:
    model = in_mode(network(default_architecture()).double(), mode)
    expected = reference_forward(model, graphs)
    assert model(batch.double()).detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)


POOLINGS = [SMALL, SMALL.changed(pooling="all"), SMALL.changed(pooling="mean-max-min")]


@every_way
@pytest.mark.parametrize("architecture", POOLINGS, ids=["last", "all", "mean-max-min"])
@pytest.mark.parametrize("mode", MODES)
def test_single_precision_equals_the_reference(
    batch: GraphBatch, graphs: list[CrystalGraph], mode: str, architecture: Architecture
) -> None:
    model = in_mode(network(architecture), mode)
    expected = reference_forward(model, graphs)
    assert model(batch).detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)


@every_way
@pytest.mark.parametrize("architecture", POOLINGS, ids=["last", "all", "mean-max-min"])
@pytest.mark.parametrize("mode", MODES)
def test_gradients_equal_the_references(
    batch: GraphBatch, graphs: list[CrystalGraph], mode: str, architecture: Architecture
) -> None:
    model = in_mode(network(architecture), mode)
    model(batch).square().mean().backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    reference_forward(model, graphs).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert float((found[name] - parameter.grad).abs().max()) < 1e-4 * max(1.0, float(parameter.grad.abs().max())), (
            name
        )
    assert max(float(gradient.abs().max()) for gradient in found.values()) > 0.05


@every_way
def test_a_mixture_equals_the_reference(batch: GraphBatch, graphs: list[CrystalGraph]) -> None:
    model = network(SMALL.changed(pooling="all", experts=2)).eval()
    expected = reference_forward(model, graphs)
    assert model(batch).detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)
    asked = GraphBatch.gather(PackedGraphs.pack(graphs), np.arange(len(graphs)), model.expert_vectors(batch))
    assert torch.equal(model(asked), model(batch))


@every_way
def test_running_statistics_equal_those_of_plain_batch_normalisation(
    batch: GraphBatch, graphs: list[CrystalGraph]
) -> None:
    """The first layer's input is at hand, so what torch's own layer makes of all edges can be compared."""
    model = network().train()
    conv = model.body.convs[0]
    plain = torch.nn.BatchNorm1d(2 * SMALL.settings.width)
    plain.load_state_dict(conv.bn1.state_dict())
    v = torch.cat([model.body.embedding(model.atom_table[torch.tensor(graph.numbers).long()]) for graph in graphs])
    offsets = np.cumsum([0, *(len(graph) for graph in graphs)])
    ends = torch.cat([torch.tensor(g.neighbors).long() + start for g, start in zip(graphs, offsets, strict=False)])
    distances = torch.cat([torch.tensor(graph.distances) for graph in graphs]).flatten()
    bonds = model.body.expand(distances)
    plain(conv.fc_full(torch.cat([v.repeat_interleave(12, dim=0), v[ends.flatten()], bonds], dim=1)))
    model(batch)
    torch.testing.assert_close(conv.bn1.running_mean, plain.running_mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(conv.bn1.running_var, plain.running_var, rtol=1e-4, atol=1e-5)
    assert conv.bn1.num_batches_tracked == plain.num_batches_tracked == 1


@pytest.mark.parametrize("way", ["DGL", "indexed"], indirect=True)
def test_half_precision_points_the_same_way(batch: GraphBatch, way: None) -> None:
    """With eight bits a number the gradient has the same direction, and statistics stay in single precision."""
    source = network().train()

    def run() -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        model = copy.deepcopy(source)
        output = model(batch)
        output.float().square().sum().backward()
        gradients = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
        return output.float(), gradients, dict(model.named_buffers())

    output, gradients, buffers = run()
    with torch.autocast("cpu", torch.bfloat16):
        other, halves, statistics = run()
    assert gradients.keys() == halves.keys()
    assert float((other - output).detach().abs().mean()) < 0.05 * float(output.detach().std())
    one, two = (torch.cat([each[name].flatten() for name in gradients]) for each in (gradients, halves))
    assert torch.nn.functional.cosine_similarity(one, two, dim=0) > 0.99
    for name, value in buffers.items():
        assert statistics[name].dtype == value.dtype
        torch.testing.assert_close(statistics[name], value, rtol=0.05, atol=0.05)


@every_way
def test_a_core_beyond_all_bounds_stays_finite(batch: GraphBatch) -> None:
    model = network().train()
    model.freeze_statistics()
    with torch.no_grad():
        model.body.convs[0].fc_full.bias.fill_(1000.0)
    total = model(batch)
    total.sum().backward()
    assert bool(torch.isfinite(total).all())
    for name, parameter in model.named_parameters():
        assert bool(torch.isfinite(parameter.grad).all()), name


def _predict(model: CrystalNetwork, structure: Structure) -> float:
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(structure))])
    with torch.no_grad():
        return float(model.double()(GraphBatch.gather(graphs, np.array([0])).double()))


@pytest.mark.parametrize("pooling", ["last", "mean-max-min"])
def test_symmetry_of_the_prediction(real_structures: list[Structure], pooling: str) -> None:
    model = network(default_architecture(pooling=pooling)).eval()
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


def test_the_order_of_crystals_does_not_matter(batch: GraphBatch, graphs: list[CrystalGraph]) -> None:
    model = network().eval()
    order = np.random.default_rng(0).permutation(len(graphs))
    with torch.no_grad():
        mixed = model(GraphBatch.gather(PackedGraphs.pack(graphs), order))
        assert mixed.numpy() == pytest.approx(model(batch).numpy()[order], abs=1e-5)


def test_statistics_of_many_edges_fit_half_precision(graphs: list[CrystalGraph]) -> None:
    """256 cells of two hundred atoms: sums over their edges exceed 65,504, where half precision ends."""
    batch = GraphBatch.gather(PackedGraphs.pack([graphs[1]] * 256), np.arange(256))
    found = {}
    for enabled in (False, True):
        model = network().train()
        with torch.autocast("cpu", torch.float16, enabled=enabled), torch.no_grad():
            model(batch)
        found[enabled] = torch.cat([conv.bn1.running_var for conv in model.body.convs])
    torch.testing.assert_close(found[True], found[False], rtol=0.02, atol=1e-3)
