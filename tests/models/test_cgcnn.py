"""The network against a plainly written one, against itself on DGL and torch, and against symmetry."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from support.reference import reference_forward, unlike_the_initial

from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.neighbors import CrystalGraph, build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models import cgcnn, fused, message_passing
from zoo.models.architecture import Architecture
from zoo.models.bonds import Bonds, expand

if TYPE_CHECKING:
    from zoo.models.cgcnn import CGCNN

SMALL = Architecture(width=16, convolutions=3, head=24, head_layers=2)


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


@pytest.fixture(scope="module")
def batch(graphs: list[CrystalGraph]) -> GraphBatch:
    return GraphBatch.gather(PackedGraphs.pack(graphs), np.arange(len(graphs)))


def network(architecture: Architecture = SMALL) -> CGCNN:
    return unlike_the_initial(architecture)


MODES = ("evaluation", "training", "frozen statistics")


def in_mode(model: CGCNN, mode: str) -> CGCNN:
    if mode == "frozen statistics":
        model.freeze_statistics()
    return model.train(mode != "evaluation")


both_ways = pytest.mark.usefixtures("inner_loops")


@both_ways
@pytest.mark.parametrize("mode", MODES)
def test_equals_the_reference(batch: GraphBatch, graphs: list[CrystalGraph], mode: str) -> None:
    model = in_mode(network(Architecture()).double(), mode)
    expected = reference_forward(model, graphs)
    assert model(batch.double()).detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)


POOLINGS = [SMALL, replace(SMALL, pooling="all")]


@both_ways
@pytest.mark.parametrize("architecture", POOLINGS, ids=["last", "all"])
@pytest.mark.parametrize("mode", MODES)
def test_single_precision_equals_the_reference(
    batch: GraphBatch, graphs: list[CrystalGraph], mode: str, architecture: Architecture
) -> None:
    model = in_mode(network(architecture), mode)
    expected = reference_forward(model, graphs)
    assert model(batch).detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)


@both_ways
@pytest.mark.parametrize("architecture", POOLINGS, ids=["last", "all"])
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


@both_ways
def test_a_mixture_equals_the_reference(batch: GraphBatch, graphs: list[CrystalGraph]) -> None:
    model = network(replace(SMALL, pooling="all", experts=2)).eval()
    expected = reference_forward(model, graphs)
    assert model(batch).detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)
    asked = GraphBatch.gather(PackedGraphs.pack(graphs), np.arange(len(graphs)), model.expert_vectors(batch))
    assert torch.equal(model(asked), model(batch))


def test_vectors_of_all_layers_end_with_that_of_the_last(batch: GraphBatch) -> None:
    model = network().eval()
    everything = model.embed(batch, "all")
    assert everything.shape == (len(batch), 4 * SMALL.width)
    assert torch.equal(everything[:, -SMALL.width :], model.embed(batch))


def test_what_is_left_out_at_random_hangs_on_the_seed_alone() -> None:
    """Not on the processor: NumPy's Mersenne Twister gives the same bits, 16 for each value, the lowest first."""
    high, low = np.random.RandomState(0).randint(0, 2**32, (5, 2), dtype=np.uint32).astype(np.uint64).T
    bits = ((high << np.uint64(32)) | low).view(np.int16)[:18].reshape(3, 6)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        left = cgcnn.leave_out(torch.ones(3, 6), 0.3).numpy()
        assert left == pytest.approx(np.where(bits < round(0.3 * 2**16) - 2**15, 0, 1 / 0.7), rel=1e-4)
        found = cgcnn.leave_out(torch.full((1000, 100), 2.0), 0.3)
    assert float((found == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(found.mean()) == pytest.approx(2.0, abs=0.02)


def test_experts_stay_as_they_are_while_the_rest_learns(batch: GraphBatch) -> None:
    model = network(replace(SMALL, pooling="all", experts=2)).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    target = torch.linspace(-1, 1, len(batch)).unsqueeze(1)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (model.opinions(batch) - target).abs().mean().backward()
        optimizer.step()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name.startswith("experts.") or name == "atom_table"), name


@both_ways
def test_running_statistics_equal_those_of_plain_batch_normalisation(
    batch: GraphBatch, graphs: list[CrystalGraph]
) -> None:
    """The first layer's input is at hand, so what torch's own layer makes of all edges can be compared."""
    model = network().train()
    conv = model.convs[0]
    plain = copy.deepcopy(conv.bn1)
    v = torch.cat([model.embedding(model.atom_table[torch.tensor(graph.numbers).long()]) for graph in graphs])
    offsets = np.cumsum([0, *(len(graph) for graph in graphs)])
    ends = torch.cat([torch.tensor(g.neighbors).long() + start for g, start in zip(graphs, offsets, strict=False)])
    distances = torch.cat([torch.tensor(graph.distances) for graph in graphs]).flatten()
    bonds = expand(distances, model.architecture, model.centers)
    plain(conv.fc_full(torch.cat([v.repeat_interleave(12, dim=0), v[ends.flatten()], bonds], dim=1)))
    model(batch)
    torch.testing.assert_close(conv.bn1.running_mean, plain.running_mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(conv.bn1.running_var, plain.running_var, rtol=1e-4, atol=1e-5)
    assert conv.bn1.num_batches_tracked == plain.num_batches_tracked == 1


@pytest.mark.parametrize("blocks", ["one", "many"])
def test_blocks_and_plain_steps_agree(batch: GraphBatch, blocks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient written by hand, against autograd through the steps that run on CUDA."""
    monkeypatch.setattr(message_passing, "BLOCK", 100 if blocks == "many" else 1 << 30)
    rng = torch.Generator().manual_seed(0)
    atoms, width = len(batch.numbers), 5
    shapes = ((atoms, 2 * width), (atoms, 2 * width), (2 * width, SMALL.gaussians))
    inputs = [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in shapes]
    bonds = Bonds(batch.double(), SMALL, network().double().centers)
    results = []
    for kernel in (message_passing.gated_sum, message_passing.plain_gated_sum):
        center, neighbor, weight = (values.clone().requires_grad_() for values in inputs)
        total = kernel(center, neighbor, bonds, weight)
        total.square().sum().backward()
        results.append((total, center.grad, neighbor.grad, weight.grad))
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("precision", ["single", "half"])
def test_the_path_of_cuda_gives_the_same_network(
    batch: GraphBatch, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs on CUDA, run here: no DGL, no blocks; in half precision as automatic casting does it."""

    source = network().train()

    def run() -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        model = copy.deepcopy(source)
        output = model(batch)
        output.float().square().sum().backward()
        gradients = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
        return output.float(), gradients, dict(model.named_buffers())

    output, gradients, buffers = run()
    monkeypatch.setattr(fused, "possible", lambda _: False)
    monkeypatch.setattr(cgcnn, "gated_sum", message_passing.plain_gated_sum)
    monkeypatch.setattr(cgcnn, "sum_neighbors", message_passing.plain_sum_neighbors)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "half"):
        other, theirs, statistics = run()
    assert gradients.keys() == theirs.keys()
    if precision == "single":
        torch.testing.assert_close(other, output, rtol=1e-4, atol=1e-4)
        for name, value in gradients.items():
            torch.testing.assert_close(theirs[name], value, rtol=1e-3, atol=1e-5 + 1e-3 * float(value.abs().max()))
        for name, value in buffers.items():
            torch.testing.assert_close(statistics[name], value, rtol=1e-4, atol=1e-4)
        return
    # Eight bits of a number: the gradient points the same way, and statistics are kept in single precision.
    assert float((other - output).detach().abs().mean()) < 0.05 * float(output.detach().std())
    ours, halves = (torch.cat([each[name].flatten() for name in gradients]) for each in (gradients, theirs))
    assert torch.nn.functional.cosine_similarity(ours, halves, dim=0) > 0.99
    for name, value in buffers.items():
        assert statistics[name].dtype == value.dtype
        torch.testing.assert_close(statistics[name], value, rtol=0.05, atol=0.05)


def test_dgl_and_torch_sum_the_same_neighbours(batch: GraphBatch) -> None:
    values = torch.randn(len(batch.numbers), 6, requires_grad=True)
    results = []
    for kernel in (message_passing.sum_neighbors, message_passing.plain_sum_neighbors):
        total = kernel(batch, values)
        (gradient,) = torch.autograd.grad(total.square().sum(), values)
        results.append((total, gradient))
    for with_dgl, plain in zip(*results, strict=True):
        torch.testing.assert_close(with_dgl, plain, rtol=1e-4, atol=1e-4)


@both_ways
def test_a_core_beyond_all_bounds_stays_finite(batch: GraphBatch) -> None:
    model = network().train()
    model.freeze_statistics()
    with torch.no_grad():
        model.convs[0].fc_full.bias.fill_(1000.0)
    total = model(batch)
    total.sum().backward()
    assert bool(torch.isfinite(total).all())
    for name, parameter in model.named_parameters():
        assert bool(torch.isfinite(parameter.grad).all()), name


def test_the_dgl_graph_is_the_batch(batch: GraphBatch) -> None:
    graph = batch.graph
    assert graph.batch_num_nodes().tolist() == batch.sizes.tolist()
    assert graph.batch_num_edges().tolist() == (12 * batch.sizes).tolist()
    neighbor, center = graph.edges()
    repeats = batch.counts.flatten().long()
    assert neighbor.tolist() == batch.neighbors.repeat_interleave(repeats).tolist()
    assert center.tolist() == np.repeat(np.arange(len(batch.numbers)), 12).tolist()


def _predict(model: CGCNN, structure: Structure) -> float:
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(structure))])
    with torch.no_grad():
        return float(model.double()(GraphBatch.gather(graphs, np.array([0])).double()))


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


def test_the_order_of_crystals_does_not_matter(batch: GraphBatch, graphs: list[CrystalGraph]) -> None:
    model = network().eval()
    order = np.random.default_rng(0).permutation(len(graphs))
    with torch.no_grad():
        mixed = model(GraphBatch.gather(PackedGraphs.pack(graphs), order))
        assert mixed.numpy() == pytest.approx(model(batch).numpy()[order], abs=1e-5)


@both_ways
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
        fixed = "running" in name or "tracked" in name or name == "atom_table"
        assert torch.equal(tensor, before[name]) == fixed, name


def test_gaussians_peak_at_their_centres() -> None:
    model = network()
    expanded = expand(torch.tensor([0.0, 2.4, 8.0]), model.architecture, model.centers)
    assert expanded.argmax(dim=1).tolist() == [0, 12, 40]
    assert expanded[1, 13] == pytest.approx(np.exp(-1.0), rel=1e-4)  # one spacing away, one width away


def test_statistics_of_many_edges_fit_half_precision(graphs: list[CrystalGraph]) -> None:
    """256 cells of two hundred atoms: sums over their edges exceed 65,504, where half precision ends."""
    batch = GraphBatch.gather(PackedGraphs.pack([graphs[1]] * 256), np.arange(256))
    found = {}
    for enabled in (False, True):
        model = network().train()
        with torch.autocast("cpu", torch.float16, enabled=enabled), torch.no_grad():
            model(batch)
        found[enabled] = torch.cat([conv.bn1.running_var for conv in model.convs])
    torch.testing.assert_close(found[True], found[False], rtol=0.02, atol=1e-3)
