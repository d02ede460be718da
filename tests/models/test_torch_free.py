"""Predicting without torch, against the plainly written network and the one that trains."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from support.reference import reference_forward, unlike_the_initial

from zoo.data.crystal import Crystal
from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import CrystalGraph, build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.hub import pull
from zoo.models.architecture import Architecture, default_architecture
from zoo.models.checkpoint import networks, weights
from zoo.models.checkpoint.networks import stored_state
from zoo.models.inference import TorchPredictor
from zoo.models.kernels import arrays
from zoo.models.torch_free import Ensemble, Predictor, possible

if TYPE_CHECKING:
    from zoo.models.network import CrystalNetwork

pytestmark = pytest.mark.skipif(not possible(default_architecture()), reason="zoo was installed without a C compiler")

SMALL = default_architecture(width=16, convolutions=3, head=24, head_layers=2)
SHAPES = {
    "as published": default_architecture(),
    "two layers after pooling": SMALL,
    "all layers pooled": SMALL.changed(pooling="all"),
    "mean, largest and smallest": SMALL.changed(pooling="mean-max-min"),
    "fewer Gaussians than are summed at once": SMALL.changed(gaussians=6),
    "experts": SMALL.changed(pooling="all", experts=2),
    "experts with largest and smallest": SMALL.changed(pooling="mean-max-min", experts=2),
}


@pytest.fixture(scope="module")
def graphs(real_structures: list[Structure]) -> list[CrystalGraph]:
    """Graphs of one atom, of 200 or more without any symmetry, and of 24 real crystals between."""
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]]).get_primitive_structure()
    rattled = (real_structures[1] * (5, 4, 4)).perturb(0.02, seed=1)
    assert len(rattled) >= 200
    return [build_graph(Crystal.from_structure(each)) for each in (copper, rattled, *real_structures[:24])]


def network(architecture: Architecture) -> CrystalNetwork:
    return unlike_the_initial(architecture).eval()


def without_torch(model: CrystalNetwork) -> Predictor:
    tensors = {name: tensor.numpy() for name, tensor in stored_state(model).items()}
    return Predictor(model.architecture, atom_table(), tensors)


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_reference(graphs: list[CrystalGraph], shape: str) -> None:
    model = network(SHAPES[shape])
    packed = PackedGraphs.pack(graphs)
    runner = without_torch(model)
    found = runner.predict_scaled(packed, runner.expert_vectors(packed))
    assert found.dtype == np.float32
    assert found == pytest.approx(reference_forward(model, graphs).detach().numpy(), rel=1e-5, abs=1e-5)
    assert found.std() > 0.01


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "as published"])
def test_both_ways_to_run_a_network_agree(graphs: list[CrystalGraph], shape: str) -> None:
    """What a GPU would run, here on the CPU."""
    model = network(SHAPES[shape])
    packed = PackedGraphs.pack(graphs)
    one, other = without_torch(model), TorchPredictor(model, "cpu")
    vectors = one.expert_vectors(packed)
    if model.architecture.experts:
        assert vectors == pytest.approx(other.expert_vectors(packed), rel=1e-5, abs=1e-5)
    else:
        assert vectors is other.expert_vectors(packed) is None
    assert one.predict_scaled(packed, vectors) == pytest.approx(
        other.predict_scaled(packed, vectors), rel=1e-5, abs=1e-5
    )
    size = one.architecture
    for body in (size.pooled("last"), size.pooled("all"), None):
        assert one.embed(packed, body) == pytest.approx(other.embed(packed, body), rel=1e-5, abs=1e-5)


def test_pieces_and_threads_change_nothing(graphs: list[CrystalGraph], monkeypatch: pytest.MonkeyPatch) -> None:
    packed = PackedGraphs.pack(graphs)
    runner = without_torch(network(SMALL))
    together = runner.predict_scaled(packed)
    for size in (1, 100, 1000):
        monkeypatch.setattr(arrays, "EDGES_PER_PIECE", size)
        found = []
        for threads in ("1", "3"):
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
            found.append(runner.predict_scaled(packed))
        assert found[0] == pytest.approx(together, abs=3e-6)
        assert found[1].tolist() == found[0].tolist(), "no digit depends on the number of threads"


def test_numbers_that_overflow_end_in_predictions(graphs: list[CrystalGraph]) -> None:
    """Gates far below zero are shut, cores far above it are what they are: as in torch, without a warning."""
    model = network(SMALL)
    with torch.no_grad():
        model.body.convs[0].fc_full.bias[:16] = -500.0
        model.body.convs[0].fc_full.bias[16:] = 100.0
    packed = PackedGraphs.pack(graphs)
    found = without_torch(model).predict_scaled(packed)
    assert found == pytest.approx(reference_forward(model, graphs).detach().numpy(), rel=1e-5, abs=1e-5)


def test_a_prediction_imports_no_torch() -> None:
    code = """
import sys
import zoo
from zoo.testing import sample_crystals as samples
table = zoo.load("dEf-10k", device="cpu").predict(samples.crystals()["NaCl"])
assert -2.5 < table.prediction[0] < -1.5, table
print([name for name in ("torch", "dgl", "sklearn", "scipy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_registered_backbone_gives_its_published_numbers_both_ways(real_structures: list[Structure]) -> None:
    folder = pull.pull("multi-113k").directory
    packed = PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures])
    for target in ("formation_energy_per_atom", "band_gap", "is_metal"):
        read = weights.select_target(weights.read(folder), target)
        (member,) = read.members
        runner = Predictor(read.config.architecture, read.atom_table, member.tensors)
        (other,) = networks.build(read).members
        expected = TorchPredictor(other.network, "cpu").predict_scaled(packed)
        assert runner.predict_scaled(packed) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_networks_evaluated_together_give_what_each_gives_alone(graphs: list[CrystalGraph]) -> None:
    """Their bodies share one pass over the graphs, and the vectors for the reference are those of the first."""
    packed, shape = PackedGraphs.pack(graphs), SHAPES["experts"]
    first = without_torch(network(shape))
    changed = {name: 1.1 * array for name, array in first.tensors.items() if name.endswith("fc_full.weight")}
    other = replace(first, tensors={**first.tensors, **changed})
    vectors = first.expert_vectors(packed)
    found = Ensemble([first, other, first]).evaluate(packed, [0, 1], shape.pooled("all"))
    assert found.experts is not None
    assert found.embedded is not None
    assert found.experts.tolist() == vectors.tolist()
    assert [each.tolist() for each in found.outputs] == [
        each.predict_scaled(packed, vectors).tolist() for each in (first, other)
    ]
    assert found.outputs[0].tolist() != found.outputs[1].tolist()
    assert found.embedded.tolist() == first.embed(packed, shape.pooled("all")).tolist()
    only = Ensemble([first, other]).evaluate(packed, [], shape.pooled("last"))
    assert only.outputs == []
    assert only.embedded.tolist() == first.embed(packed, shape.pooled("last")).tolist()
    alone = Ensemble([without_torch(network(SMALL))]).evaluate(packed, [0], None)
    assert alone.experts is alone.embedded is None
