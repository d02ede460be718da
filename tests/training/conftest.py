"""A target that a small network learns in a second: the volume per atom of real crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.scaling import TargetScaler
from zoo.training.batches import LabelledGraphs

if TYPE_CHECKING:
    from pymatgen.core import Structure
    from support.smallfit import Data


@pytest.fixture(scope="session")
def data(real_structures: list[Structure]) -> Data:
    """Thirty training rows, the others for validation."""
    graphs = PackedGraphs.pack([build_graph(Crystal.from_structure(s)) for s in real_structures])
    targets = np.array([s.volume / len(s) for s in real_structures])
    rows = np.random.default_rng(0).permutation(len(targets))
    train, validation = (LabelledGraphs(graphs, targets, part) for part in (rows[:30], rows[30:]))
    return train, validation, TargetScaler.fit(targets[train.rows], "log10")
