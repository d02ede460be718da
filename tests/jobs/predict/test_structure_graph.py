"""The graph of a crystal, and the networks that take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from pymatgen.core import Lattice, Structure

import zoo
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.dgl_import import dgl

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def salt() -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]])


def test_rock_salt_is_two_atoms_with_six_neighbours_of_each_element(salt: Structure) -> None:
    graph = zoo.graph(salt)
    assert graph.ndata["number"].tolist() == [11, 17]
    assert graph.ndata["copies"].flatten().tolist() == [4, 4]
    sources, centers = graph.edges(order="eid")
    edges = zip(
        centers.tolist(),
        sources.tolist(),
        graph.edata["count"].flatten().tolist(),
        graph.edata["distance"].tolist(),
        strict=True,
    )
    nearest = sorted((center, source, count) for center, source, count, distance in edges if distance < 3)
    assert nearest == [(0, 1, 6), (1, 0, 6)]
    assert float(graph.edata["distance"].min()) == pytest.approx(2.82)
    assert torch.zeros(2, 1).index_add_(0, centers, graph.edata["count"]).flatten().tolist() == [12, 12]


def test_whatever_a_crystal_is_written_as_its_graph_is_the_same(salt: Structure) -> None:
    expected = zoo.graph(salt)
    for other in (zoo.Crystal.from_structure(salt), salt.to(fmt="cif"), salt.to(fmt="poscar")):
        graph = zoo.graph(other)
        assert graph.ndata["number"].tolist() == expected.ndata["number"].tolist()
        assert graph.edata["distance"].tolist() == pytest.approx(expected.edata["distance"].tolist(), abs=1e-4)


def test_what_is_no_crystal_is_refused() -> None:
    with pytest.raises(zoo.ZooError):
        zoo.graph("salt")


def test_a_models_network_reads_the_graph_that_its_predictions_are_made_of(
    backbone: Path, salt: Structure, real_structures: list[Structure]
) -> None:
    model = zoo.load(backbone, device="cpu")
    scaler = model.checkpoint.members[0].scaler
    structures = [salt, *real_structures[:5]]
    graphs = dgl().batch([zoo.graph(each, model) for each in structures])
    assert len(model.networks) == 1
    assert model.network is model.networks[0]
    with torch.no_grad():
        found = scaler.unscale(model.network(graphs).numpy())
        vectors = model.network.body_as(model.network.architecture.transferred).embed(GraphBatch.of(graphs))
    assert found == pytest.approx(model.predict(structures).prediction.to_numpy(), abs=1e-5)
    assert vectors.numpy() == pytest.approx(model.embed(structures), abs=1e-5)


def test_gradients_reach_the_distances(backbone: Path, salt: Structure) -> None:
    """Those of the graph are those of differences, in double precision."""
    network, graph = zoo.load(backbone, device="cpu").network.double(), zoo.graph(salt)
    graph.ndata["copies"], graph.edata["count"] = graph.ndata["copies"].double(), graph.edata["count"].double()
    distances = graph.edata["distance"].double()

    def energy(distances: torch.Tensor) -> torch.Tensor:
        with graph.local_scope():
            graph.edata["distance"] = distances
            output: torch.Tensor = network(graph)
            return output

    assert torch.autograd.gradcheck(energy, (distances.requires_grad_(),))
    network.float()
    single = distances.detach().float().requires_grad_()
    (slopes,) = torch.autograd.grad(energy(single).sum(), single)
    (exact,) = torch.autograd.grad(network.double() and energy(distances).sum(), distances)
    assert slopes.tolist() == pytest.approx(exact.tolist(), rel=1e-3, abs=1e-6)
