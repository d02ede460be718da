"""GatedGCN three ways - compiled, on DGL, on torch's indices - against its equations, written plainly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from zoo.plugins.networks.gatedgcn.body import Body
from zoo.plugins.networks.gatedgcn.network import gatedgcn
from zoo.plugins.networks.gatedgcn.settings import Settings

from zoo._utils import compiled
from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.dgl_import import Substitute
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pymatgen.core import Structure

    from zoo.data.graphs.neighbors import CrystalGraph

# More than a block of features of an edge, and two groups of values.
SMALL = Settings(width=160, edge_width=80, layers=2, gaussians=9, pooling="both")
needs_compiler = pytest.mark.skipif(bool(compiled.missing()), reason="zoo was installed without a C compiler")


@pytest.fixture(scope="module")
def graphs(real_structures: list[Structure]) -> list[CrystalGraph]:
    return [build_graph(Crystal.from_structure(structure)) for structure in real_structures[:12]]


@pytest.fixture
def batch(graphs: list[CrystalGraph]) -> GraphBatch:
    return GraphBatch.gather(PackedGraphs.pack(graphs), np.arange(len(graphs)))


def network(settings: Settings = SMALL) -> Body:
    torch.manual_seed(3)
    body = gatedgcn.build(settings)
    assert isinstance(body, Body)
    return body


@pytest.fixture(params=[pytest.param("compiled", marks=needs_compiler), "DGL", "indexed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The compiled kernels; the DGL layer, which is the way without them; the same without DGL."""
    if request.param != "compiled":
        monkeypatch.setattr(compiled, "updating", None)
    if request.param == "indexed":
        monkeypatch.setattr("zoo.data.graphs.batch.in_dgl", lambda _: False)
        monkeypatch.setattr("zoo.plugins.networks.gatedgcn.body.dgl", lambda: Substitute("dgl"))
    way: str = request.param
    return way


def plainly(body: Body, graph: CrystalGraph) -> NDArray[np.float64]:
    """Evaluate the equations of the body's documentation, for all atoms of the cell, one at a time."""
    tensors = {name: tensor.detach().double().numpy() for name, tensor in body.state_dict().items()}
    settings = body.settings

    def linear(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x @ tensors[f"{name}.weight"].T + tensors.get(f"{name}.bias", 0.0)

    def norm(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
        return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(-x))

    def silu(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x * sigmoid(x)

    places = np.linspace(0, settings.gaussian_end, settings.gaussians)
    atoms = tensors["embedding.weight"][graph.numbers]
    distances = np.asarray(graph.distances, dtype=np.float64)
    spacing = settings.gaussian_end / (settings.gaussians - 1)
    edges = silu(linear("expansion", np.exp(-(((distances[..., None] - places) / spacing) ** 2))))
    means, around = [atoms.mean(axis=0)], [edges.mean(axis=(0, 1))]
    for layer in (f"layers.{index}." for index in range(settings.layers)):
        inner = np.stack([norm(f"{layer}norm_atoms", each) for each in atoms])
        new_atoms, new_edges = atoms.copy(), edges.copy()
        for i in range(len(atoms)):
            values, gates = np.zeros(settings.width), np.zeros(settings.width)
            for edge, j in enumerate(graph.neighbors[i]):
                z = linear(f"{layer}center", inner[i]) + linear(f"{layer}neighbor", inner[j])
                z = z + linear(f"{layer}edge", edges[i, edge])
                gate = np.tile(sigmoid(z), settings.width // settings.edge_width) / len(graph.neighbors[i])
                values += gate * linear(f"{layer}value", inner[j])
                gates += gate
                new_edges[i, edge] += silu(z)
            message = norm(f"{layer}norm_messages", values / (1e-3 + gates))
            hidden = silu(linear(f"{layer}hidden", np.concatenate([inner[i], message])))
            new_atoms[i] += linear(f"{layer}out", hidden)
        atoms, edges = new_atoms, new_edges
        means.append(atoms.mean(axis=0))
        around.append(edges.mean(axis=(0, 1)))
    return np.concatenate([*means, *around])


def test_it_computes_its_equations(way: str, graphs: list[CrystalGraph], batch: GraphBatch) -> None:
    body = network()
    found = body.embed(batch).detach().numpy()
    expected = np.stack([plainly(body, graph) for graph in graphs])
    assert found.shape == (len(graphs), SMALL.vector_size)
    assert found == pytest.approx(expected, abs=2e-5), way


def test_vectors_for_other_properties_hold_edges_too(batch: GraphBatch) -> None:
    trained = Settings(width=8, edge_width=4, layers=2)
    body, other = network(trained), network(gatedgcn.transferred(trained))
    other.load_state_dict(body.state_dict())
    vectors, more = body.embed(batch), other.embed(batch)
    assert vectors.shape[1] == trained.vector_size == 24
    assert more.shape[1] == 36
    assert torch.equal(more[:, :24], vectors)


def gradients(body: Body, batch: GraphBatch, weights: torch.Tensor) -> list[torch.Tensor]:
    body.zero_grad()
    (body.embed(batch) * weights.to(body.embedding.weight.dtype)).sum().backward()
    return [parameter.grad for parameter in body.parameters() if parameter.grad is not None]


def test_gradients_are_those_of_double_precision(way: str, batch: GraphBatch) -> None:
    weights = torch.randn(len(batch), SMALL.vector_size, generator=torch.Generator().manual_seed(1))
    found = gradients(network(), batch, weights)
    expected = gradients(network().double(), batch.double(), weights)
    assert len(found) == len(list(network().parameters()))
    for ours, exact in zip(found, expected, strict=True):
        assert ours.double().numpy() == pytest.approx(exact.numpy(), abs=1e-5 * float(exact.abs().max())), way


def test_the_analytic_gradient_is_that_of_differences(batch: GraphBatch) -> None:
    body = network(Settings(width=4, edge_width=2, layers=2, gaussians=4)).double()
    weights = torch.linspace(-1, 1, body.vector_size).double()
    exact = gradients(body, batch.double(), weights)
    with torch.no_grad():
        for parameter, gradient in zip(body.parameters(), exact, strict=True):
            direction = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)).double()
            ends = []
            for step in (1e-5, -2e-5):
                parameter.add_(direction, alpha=step)
                ends.append(float((body.embed(batch.double()) * weights).sum()))
            parameter.add_(direction, alpha=1e-5)
            assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(float((gradient * direction).sum()), rel=1e-5, abs=1e-6)


@needs_compiler
def test_half_precision_is_close(batch: GraphBatch) -> None:
    exact = network().embed(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network().embed(batch)
    assert found.dtype == torch.float32
    assert float((found - exact).detach().abs().max()) < 0.02 * float(exact.detach().abs().max())


def test_depths_name_every_parameter_once() -> None:
    body = network(Settings(width=4, edge_width=2, layers=3))
    prefixes = [prefix for depth in body.depths for prefix in depth]
    for name, _ in body.named_parameters():
        assert sum(name.startswith(f"{prefix}.") for prefix in prefixes) == 1, name
