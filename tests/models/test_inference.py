"""Prediction with torch: batches change nothing, and a network is left as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.reference import unlike_the_initial

from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models import inference
from zoo.models.architecture import default_architecture

if TYPE_CHECKING:
    from pymatgen.core import Structure

SMALL = default_architecture(width=8, convolutions=2, pooling="all", experts=2)


@pytest.fixture(scope="module")
def graphs(real_structures: list[Structure]) -> PackedGraphs:
    return PackedGraphs.pack([build_graph(Crystal.from_structure(each)) for each in real_structures])


def test_batches_and_order_change_nothing(graphs: PackedGraphs, monkeypatch: pytest.MonkeyPatch) -> None:
    network = unlike_the_initial(SMALL).train()
    rows = np.random.default_rng(0).permutation(len(graphs))
    together = inference.predict_scaled(network, graphs, np.arange(len(graphs)))
    assert together.std() > 0.01
    monkeypatch.setattr(inference, "BATCH", 7)
    vectors = inference.expert_vectors(network, graphs, rows)
    assert vectors is not None
    assert vectors.shape == (len(graphs), 2 * 3 * 8)
    for known in (None, vectors):
        found = inference.predict_scaled(network, graphs, rows, vectors=known)
        assert found == pytest.approx(together[rows], abs=1e-5)
    assert network.training
    assert inference.embed(network, graphs, rows, SMALL.pooled("last")).shape == (len(graphs), 8)
    assert inference.predict_scaled(network, graphs, rows[:0]).shape == (0,)
    assert inference.expert_vectors(unlike_the_initial(default_architecture(width=8)), graphs, rows) is None
