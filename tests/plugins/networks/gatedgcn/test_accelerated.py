"""When the compiled edge update is used, and what it refuses; test_body compares its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from zoo.plugins.networks.gatedgcn import accelerated
from zoo.plugins.networks.gatedgcn.body import Body
from zoo.plugins.networks.gatedgcn.settings import Settings

from zoo._utils import compiled
from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs

if TYPE_CHECKING:
    from pymatgen.core import Structure

SMALL = Settings(width=8, edge_width=4, layers=2, gaussians=5)
pytestmark = pytest.mark.skipif(compiled.updating is None, reason="zoo was installed without a C compiler")


@pytest.fixture
def batch(real_structures: list[Structure]) -> GraphBatch:
    graphs = [build_graph(Crystal.from_structure(structure)) for structure in real_structures[:12]]
    return GraphBatch.gather(PackedGraphs.pack(graphs), np.arange(len(graphs)))


def test_kernels_are_left_out_where_the_graph_is_differentiated(batch: GraphBatch) -> None:
    distances = batch.distances.clone().requires_grad_()
    moved = GraphBatch(**{**vars_of(batch), "distances": distances})
    assert accelerated.possible(distances, batch)
    assert not accelerated.possible(distances, moved)
    Body(SMALL).embed(moved).sum().backward()
    assert distances.grad is not None
    assert distances.grad.abs().max() > 0


def vars_of(batch: GraphBatch) -> dict[str, torch.Tensor]:
    names = ("numbers", "copies", "degrees", "neighbors", "distances", "counts", "sizes")
    return {name: getattr(batch, name) for name in names}


def test_threads_change_nothing(batch: GraphBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    body = Body(SMALL)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        found.append(body.embed(batch))
    assert torch.equal(*found)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("starts", [0, 3, 2]),
        ("starts", [0, 1]),
        ("neighbors", [1, 0, 2]),
        ("neighbors", [-1, 0, 1]),
        ("weights", [1.0]),
        ("ends", [1, 2]),  # an edge leads from one piece to the other
        ("ends", [1]),
        ("ends", [3]),
    ],
)
def test_no_edge_leads_beyond_its_piece(name: str, wrong: list[float]) -> None:
    assert compiled.updating is not None
    given = {"starts": [0, 1, 3], "neighbors": [1, 0, 1], "weights": [1.0, 0.5, 0.5], "ends": [2]}
    kinds = {"weights": np.float32}

    def graph(**lists: list[float]) -> object:
        assert compiled.updating is not None
        return compiled.updating.Graph(*(np.array(each, kinds.get(key, np.int64)) for key, each in lists.items()))

    graph(**given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="do not fit"):
        graph(**{**given, name: wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", range(6))
def test_arrays_of_an_update_must_fit(wrong: int) -> None:
    assert compiled.updating is not None
    graph = compiled.updating.Graph(
        np.array([0, 1, 3]), np.array([1, 0, 1]), np.ones(3, np.float32), np.array([2], np.int64)
    )
    shapes = [(3, 4), (2, 12), (2, 4), (2, 12), (3, 4), (3, 4)]
    arrays = [np.zeros(shape, np.float32) for shape in shapes]
    graph.update(0, *arrays)
    arrays[wrong] = np.zeros((1, 8), np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        graph.update(0, *arrays)
