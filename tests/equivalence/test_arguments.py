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
