"""All convolutions as one step, against the same network in double precision; threads change no digit."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from support.reference import unlike_the_initial
from zoo.plugins.networks.cgcnn.accelerated import edges_of, layer_arrays

from zoo._utils import compiled
from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models.architecture import default_architecture
from zoo.models.kernels import arrays

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from zoo.models.network import CrystalNetwork

pytestmark = pytest.mark.skipif(compiled.convolving is None, reason="zoo was installed without a C compiler")

SMALL = default_architecture(width=8, convolutions=3)


@pytest.fixture
def batch(real_structures: list[Structure]) -> GraphBatch:
    graphs = [build_graph(Crystal.from_structure(structure)) for structure in real_structures]
    return GraphBatch.gather(PackedGraphs.pack(graphs), np.arange(len(graphs)))


def gradients(
    network: CrystalNetwork, batch: GraphBatch, up: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    vectors = network.embed(batch)
    vectors.backward(up.to(vectors.dtype))
    found = {name: each.grad for name, each in network.named_parameters() if each.grad is not None}
    return vectors.detach(), found


@pytest.mark.parametrize("gaussians", [5, 41])
@pytest.mark.parametrize("width", [1, 5, 64, 70])
@pytest.mark.parametrize("piece", [40, 1 << 20], ids=["many", "few"])
def test_vectors_and_gradients_are_those_of_single_convolutions(
    batch: GraphBatch, monkeypatch: pytest.MonkeyPatch, width: int, gaussians: int, piece: int
) -> None:
    """Of many pieces, whose factors are computed anew for the gradient, and of few, whose factors are kept."""
    monkeypatch.setattr(arrays, "EDGES_PER_PIECE", piece)
    monkeypatch.setattr(arrays, "MIN_EDGES_PER_THREAD", 1)
    size = default_architecture(width=width, convolutions=3, gaussians=gaussians, pooling="all")
    network = unlike_the_initial(size).eval()
    count = len(edges_of(batch, size.settings))
    assert count > 10 if piece == 40 else count == 2
    up = torch.randn(len(batch), 4 * width, generator=torch.Generator().manual_seed(0))
    exact, expected = gradients(copy.deepcopy(network).double(), batch.double(), up)
    vectors, found = gradients(network, batch, up)
    assert vectors.numpy() == pytest.approx(exact.numpy(), rel=1e-5, abs=1e-5)
    assert found.keys() == expected.keys()
    assert len([name for name in found if name.startswith("body.convs.")]) == 18
    for name, gradient in found.items():
        largest = float(expected[name].abs().max())
        assert gradient.numpy() == pytest.approx(expected[name].numpy(), abs=1e-4 * largest), name


def test_a_gradient_may_be_asked_for_twice_but_not_of_weights_that_have_changed(batch: GraphBatch) -> None:
    network = unlike_the_initial(SMALL).eval()
    vectors = network.embed(batch).sum()
    weight = network.body.convs[1].fc_full.weight
    once, twice = (torch.autograd.grad(vectors, weight, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(once, twice)
    with torch.no_grad():
        weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        vectors.backward()


def test_weights_may_be_stored_in_any_order(batch: GraphBatch) -> None:
    network = unlike_the_initial(SMALL).eval()
    expected = network(batch)
    for convolution in network.body.convs:
        convolution.fc_full.weight = torch.nn.Parameter(convolution.fc_full.weight.detach().T.contiguous().T)
        convolution.bn1.running_mean = torch.stack([convolution.bn1.running_mean] * 2, dim=1)[:, 0]
        assert not convolution.fc_full.weight.is_contiguous()
    assert torch.equal(network(batch), expected)


def test_frozen_convolutions_lead_gradients_to_what_comes_before(batch: GraphBatch) -> None:
    network = unlike_the_initial(SMALL).eval()
    network.embed(batch).sum().backward()
    expected = network.body.embedding.weight.grad
    network.zero_grad()
    network.freeze("body.convs")
    network.train().embed(batch).sum().backward()
    assert expected is not None
    assert float(expected.abs().max()) > 0
    assert torch.equal(network.body.embedding.weight.grad, expected)
    assert all(parameter.grad is None for parameter in network.body.convs.parameters())


def test_arrays_that_do_not_fit_are_refused(batch: GraphBatch) -> None:
    """Compiled loops trust their shapes, so those are looked at before."""
    assert compiled.convolving is not None
    kind = compiled.convolving
    network = unlike_the_initial(SMALL).eval()
    layers = [layer_arrays((each.fc_full, each.bn1, each.bn2)) for each in network.body.convs]
    narrow = [
        layer_arrays((each.fc_full, each.bn1, each.bn2))
        for each in unlike_the_initial(default_architecture(width=7)).body.convs
    ]
    first, *others = layers[0]
    for wrong in ([], [layers[0], *narrow], [layers[0][:2] + narrow[0][2:]], [(first[:, :16].copy(), *others)]):
        with pytest.raises(ValueError, match="do not fit"):
            kind.Layers(wrong)
    with pytest.raises(ValueError, match="do not fit"):
        kind.Layers([(first, others[0], None, None)])

    edges = edges_of(batch, SMALL.settings)
    atoms = np.zeros((len(batch.numbers), 8), dtype=np.float32)
    sizes, copies = batch.sizes.numpy(), batch.copies.numpy()
    right: list[Any] = [kind.Layers(layers), edges, sizes, copies, atoms, True, False]
    convolutions, out = kind.Convolutions(*right), np.empty((len(batch), 32), dtype=np.float32)
    for place, wrong in (
        (0, kind.Layers(narrow)),
        (2, sizes[:-1]),
        (2, 0 * sizes),
        (2, sizes + 1),
        (2, np.array([sizes.sum()])),
        (3, copies[1:]),
        (4, atoms[1:]),
        (4, atoms[:, :0]),
        (4, np.zeros((len(atoms), 9), dtype=np.float32)),
    ):
        with pytest.raises(ValueError, match="do not fit"):
            kind.Convolutions(*right[:place], wrong, *right[place + 1 :])
    for place in range(5):
        with pytest.raises(TypeError):
            kind.Convolutions(*right[:place], None, *right[place + 1 :])
    merged = np.concatenate([[sizes[:2].sum()], sizes[2:]])
    kind.Convolutions(*right[:2], merged, *right[3:])  # fewer crystals are crystals, too
    for wrong in (out[1:], out[:, :24].copy()):
        with pytest.raises(ValueError, match="do not fit"):
            convolutions.run(0, wrong)
        with pytest.raises(ValueError, match="do not fit"):
            kind.Gradients(convolutions, wrong)
    with pytest.raises(ValueError, match="do not fit"):
        kind.Gradients(kind.Convolutions(*right[:5], False, False), out)
    led_back = kind.Gradients(convolutions, out)
    with pytest.raises(ValueError, match="not run"):
        led_back.run(0)
    for piece in range(len(edges)):
        convolutions.run(piece, out)
    led_back.run(0)
    with pytest.raises(ValueError, match="run backwards before"):
        led_back.run(0)
    with pytest.raises(ValueError, match="pieces that were not run"):
        led_back.layer(0)
    with pytest.raises(TypeError):
        kind.Gradients(None, out)
    for call in (lambda: convolutions.run(len(edges), out), lambda: led_back.run(-1), lambda: led_back.layer(3)):
        with pytest.raises(IndexError, match="there is no"):
            call()


@pytest.mark.parametrize("training", [True, False])
def test_pieces_and_threads_change_no_digit(batch: GraphBatch, monkeypatch: pytest.MonkeyPatch, training: bool) -> None:
    size = default_architecture(width=16, convolutions=2)

    def gradients_of(threads: int, piece: int) -> tuple[int, dict[str, torch.Tensor]]:
        for name in ("EDGES_PER_PIECE", "MIN_EDGES_PER_THREAD"):
            monkeypatch.setattr(arrays, name, piece)
        had = torch.get_num_threads()
        torch.set_num_threads(threads)
        model = unlike_the_initial(size).train(training)
        model(batch).square().sum().backward()
        torch.set_num_threads(had)
        count = len(edges_of(batch, size.settings))
        return count, {name: each.grad for name, each in model.named_parameters() if each.grad is not None}

    few, whole = gradients_of(1, 1 << 30)
    many, one = gradients_of(1, 50)
    assert few == 1
    assert many > 5
    again, two = gradients_of(2, 50)
    assert again == many
    for name, gradient in one.items():
        assert torch.equal(two[name], gradient), name
        torch.testing.assert_close(whole[name], gradient, rtol=1e-4, atol=1e-4 * max(1.0, float(gradient.abs().max())))


def test_training_with_the_kernels_imports_no_dgl() -> None:
    code = """
import sys
import numpy as np
from support.reference import unlike_the_initial
from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models.architecture import default_architecture
copper = Crystal(np.array([29]), 1.8 * (1 - np.eye(3)), np.zeros((1, 3)))
batch = GraphBatch.gather(PackedGraphs.pack([build_graph(copper)] * 3), np.arange(3))
network = unlike_the_initial(default_architecture(width=8, convolutions=2)).train()
network(batch).sum().backward()
network.freeze_statistics()
network(batch).sum().backward()
print("dgl" in sys.modules)
"""
    tests = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {tests!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
