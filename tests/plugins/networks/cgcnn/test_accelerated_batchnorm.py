"""One compiled convolution with batch statistics against the layer on DGL, in double precision."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from support.reference import unlike_the_initial
from zoo.plugins.networks.cgcnn.accelerated_batchnorm import Bonds, convolve

from zoo._utils import compiled
from zoo.data.crystal import Crystal
from zoo.data.graphs.batch import GraphBatch
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models.architecture import default_architecture
from zoo.models.kernels import arrays

if TYPE_CHECKING:
    from pymatgen.core import Structure

pytestmark = pytest.mark.skipif(bool(compiled.missing()), reason="zoo was installed without a C compiler")


@pytest.fixture(scope="module")
def batch(real_structures: list[Structure]) -> GraphBatch:
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures])
    return GraphBatch.gather(graphs, np.arange(len(graphs)))


@pytest.mark.parametrize("fixed", ["", "bn1", "bn2"])
@pytest.mark.parametrize("piece", [40, 1 << 20], ids=["many", "few"])
@pytest.mark.parametrize("width", [1, 70])
def test_outputs_gradients_and_statistics_are_those_of_the_layer(
    batch: GraphBatch, monkeypatch: pytest.MonkeyPatch, width: int, piece: int, fixed: str
) -> None:
    """Whichever normalisation has fixed statistics; factors of edges are kept, or computed anew for the gradient."""
    monkeypatch.setattr(arrays, "EDGES_PER_PIECE", piece)
    body = unlike_the_initial(default_architecture(width=width, convolutions=1)).body.train()
    conv = body.convs[0]
    if fixed:
        conv.get_submodule(fixed).eval()
    exact = copy.deepcopy(conv).double()
    rng = torch.Generator().manual_seed(0)
    atoms, up = torch.randn(2, len(batch.numbers), width, generator=rng)
    atoms.requires_grad_()
    bonds = Bonds(batch, body.settings, body.expand(batch.distances))
    found = convolve(atoms, bonds, (conv.fc_full, conv.bn1, conv.bn2))
    found.backward(up)

    double, graph = atoms.detach().double().requires_grad_(), batch.double().graph
    graph.edata["weight"] = batch.double().weights
    graph.edata["gaussians"] = copy.deepcopy(body).double().expand(batch.distances.double())
    expected = exact(graph, double)
    expected.backward(up.double())
    assert found.detach().numpy() == pytest.approx(expected.detach().numpy(), rel=1e-5, abs=1e-5)
    assert atoms.grad is not None
    assert double.grad is not None
    assert atoms.grad.numpy() == pytest.approx(double.grad.numpy(), abs=1e-4 * float(double.grad.abs().max()))
    largest = max(float(each.grad.abs().max()) for each in exact.parameters())
    for (name, mine), theirs in zip(conv.named_parameters(), exact.parameters(), strict=True):
        assert mine.grad.numpy() == pytest.approx(theirs.grad.numpy(), abs=1e-4 * largest), name
    for (name, mine), theirs in zip(conv.named_buffers(), exact.buffers(), strict=True):
        assert mine.numpy() == pytest.approx(theirs.numpy(), rel=1e-4, abs=1e-5), name


def test_the_gradient_belongs_to_weights_that_have_not_changed(batch: GraphBatch) -> None:
    body = unlike_the_initial(default_architecture(width=4, convolutions=1)).body.train()
    total = body.embed(batch).sum()
    with torch.no_grad():
        body.convs[0].fc_full.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()
