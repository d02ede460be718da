"""Compiled functions refuse arguments that they would read beyond."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from zoo._utils import compiled

pytestmark = pytest.mark.skipif(bool(compiled.missing()), reason="zoo was installed without a C compiler")

ARRAYS = {
    "numbers": np.ones(2, np.uint8),
    "neighbors": np.zeros((2, 3), np.int32),
    "distances": np.ones((2, 3), np.float32),
    "offsets": np.array([0, 2], np.int64),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_no_array_to_merge_may_be_missing(name: str) -> None:
    merging = import_module("zoo.data.graphs.kernels.merging")
    with pytest.raises(TypeError, match=name):
        merging.merge(*({**ARRAYS, name: None}).values(), 1e-5, None)


def test_distances_to_expand_may_not_be_missing() -> None:
    gating = import_module("zoo.models.kernels.gating")
    with pytest.raises(TypeError, match="distances"):
        gating.largest(None, 0.2, 41)


TREE = {
    "roots": np.array([0], np.int32),
    "features": np.array([1, -1, -1], np.int32),
    "thresholds": np.zeros(3, np.float32),
    "left": np.array([1, 1, 2], np.int32),
    "right": np.array([2, 1, 2], np.int32),
    "values": np.array([0, 3, 5], np.float32),
}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("roots", np.array([3], np.int32)),
        ("features", np.array([2, -1, -1], np.int32)),  # rows have two columns
        ("left", np.array([3, 1, 2], np.int32)),
        ("right", np.array([-1, 1, 2], np.int32)),
        ("values", np.zeros(2, np.float32)),
        ("thresholds", None),
    ],
)
def test_no_tree_leads_beyond_its_nodes(name: str, wrong: np.ndarray | None) -> None:
    trees = import_module("zoo.models.kernels.trees")
    rows, result = np.array([[0, -1], [0, 1]], np.float32), np.zeros(2)
    assert trees.sums(rows, *TREE.values(), 10, result)
    assert result.tolist() == [3, 5]
    with pytest.raises((TypeError, ValueError), match=rf"do not fit|{name}"):
        trees.sums(rows, *({**TREE, name: wrong}).values(), 10, result)
