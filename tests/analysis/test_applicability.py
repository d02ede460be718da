"""Distances to training crystals, on points whose distances are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.analysis.applicability import DISTANCES, REFERENCES, Reference
from zoo.data.tables.table import read_table
from zoo.registry import plugins

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_points_on_a_line() -> None:
    """0, 1, 3, 7: nearest others at 1, 1, 2, 4, in units of their standard deviation."""
    points = np.array([[0.0], [1.0], [3.0], [7.0]])
    reference = Reference.of(points, seed=0)
    assert np.array(reference.distances) * points.std() == pytest.approx([1, 1, 2, 4], rel=1e-3)
    assert reference.share == 0.8
    assert reference.is_far(np.array([[10.9], [11.1], [-3.9], [-4.1], [1.0]])).tolist() == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_of_many_crystals_few_are_kept_and_one_in_a_hundred_is_far() -> None:
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(8, 20))
    reference = Reference.of(rng.normal(size=(3000, 8)) @ mixing, seed=0)
    assert reference.vectors.shape == (REFERENCES, 20)
    assert reference.vectors.dtype == np.float16
    assert len(reference.distances) == DISTANCES
    assert reference.share == 0.99
    fresh = reference.is_far(rng.normal(size=(4000, 8)) @ mixing)
    assert 0.004 < fresh.mean() < 0.02
    assert reference.is_far(4 * rng.normal(size=(200, 8)) @ mixing).mean() > 0.5
    assert reference.is_far(10 + rng.normal(size=(200, 20))).all()


def test_real_crystals_in_the_vectors_of_a_backbone() -> None:
    """Of other compounds of the same table few are far; of the same, crushed to 60 % of their length, most are."""
    table = read_table(EXAMPLES / "bulk_modulus.csv", plugins.task("bulk-modulus"))
    crystals = [record.crystal for record in table.records[:300]]
    model = zoo.load("dEf-10k")
    reference = Reference.of(model.embed(crystals[:200]), seed=0)
    crushed = [zoo.Crystal(each.numbers, 0.6 * each.lattice, each.frac) for each in crystals[200:]]
    assert reference.is_far(model.embed(crystals[:200])).sum() <= 2
    assert reference.is_far(model.embed(crystals[200:])).mean() <= 0.05
    assert reference.is_far(model.embed(crushed)).mean() > 0.5


def test_a_column_without_variance_counts_as_it_is() -> None:
    points = np.column_stack([np.arange(5.0), np.full(5, 2.0)])
    reference = Reference.of(points, seed=0)
    assert reference.is_far(np.array([[2.0, 2.0], [2.0, 9.0]])).tolist() == [False, True]


def test_vectors_too_large_for_the_file_are_cut_not_infinite() -> None:
    reference = Reference.of(np.array([[1e9], [0.0], [1.0]]), seed=0)
    assert np.isfinite(reference.vectors).all()
    assert np.isfinite(reference.distances).all()
