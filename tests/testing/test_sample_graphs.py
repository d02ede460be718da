"""Graphs on which networks are checked."""

from __future__ import annotations

import numpy as np
import pytest
from support.schnet import schnet

from zoo.testing import sample_graphs
from zoo.testing.sample_crystals import crystals


def test_merged_and_complete_batches_have_the_same_atoms_and_neighbours() -> None:
    graphs = sample_graphs.graphs(list(crystals().values()))
    merged, complete = sample_graphs.batch(graphs), sample_graphs.complete(graphs)
    assert len(merged.numbers) < len(complete.numbers) == sum(map(len, graphs))
    assert float(merged.copies.sum()) == len(complete.numbers)
    assert float(complete.counts.sum()) == 12 * len(complete.numbers)


def test_crystals_with_other_elements_are_left_out() -> None:
    given = list(crystals().values())
    assert [each.reduced_formula for each in sample_graphs.structures(_taking(14), given)] == ["Si"]
    assert sample_graphs.structures(schnet(), None) == given


def _taking(*elements: int) -> object:
    from dataclasses import replace

    return replace(schnet(), elements=elements)


@pytest.mark.parametrize(("change", "same"), [(1e-6, True), (1e-2, False), (np.nan, False)])
def test_vectors_are_compared_relative_to_the_largest_component(change: float, same: bool) -> None:
    one = np.array([[1000.0, 1.0]], dtype=np.float32)
    assert sample_graphs.are_close(one, one * np.float32(1 + change)) == same
