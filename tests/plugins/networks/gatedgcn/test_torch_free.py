"""Vectors without torch are those of the torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from zoo.plugins.networks.gatedgcn import torch_free
from zoo.plugins.networks.gatedgcn.body import Body
from zoo.plugins.networks.gatedgcn.settings import Settings

from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs

if TYPE_CHECKING:
    from pymatgen.core import Structure

SMALL = Settings(width=24, edge_width=12, layers=3, gaussians=9, pooling="both")
pytestmark = pytest.mark.skipif(not torch_free.possible(), reason="zoo was installed without a C compiler")


def test_shapes_are_those_of_the_module() -> None:
    state = Body(SMALL).state_dict()
    assert torch_free.shapes(SMALL) == {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert torch_free.vector_size(SMALL) == Body(SMALL).vector_size


def test_vectors_are_those_of_the_module(real_structures: list[Structure]) -> None:
    """Of several bodies, and of enough crystals for several pieces."""
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures[:20]])
    graphs = graphs.select(np.arange(200) % 20)
    torch.manual_seed(4)
    bodies = [Body(settings) for settings in (SMALL, Settings(width=8, edge_width=8, layers=1))]
    arrays = []
    for body in bodies:
        with torch.no_grad():
            body.embedding.weight.mul_(30)  # so that some of the exponentials overflow
        tensors = {name: tensor.numpy() for name, tensor in body.state_dict().items()}
        arrays.append(torch_free.ArrayBody(body.settings, None, tensors))
    found = torch_free.embed(arrays, graphs)
    with torch.no_grad():
        batch = GraphBatch.gather(graphs, np.arange(200))
        expected = torch.cat([body.embed(batch) for body in bodies], dim=1).numpy()
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
