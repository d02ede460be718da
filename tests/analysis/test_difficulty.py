"""Difficulty of predictions: chosen only where it narrows intervals, and the coverage is kept where it is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.analysis.conformal import half_width, sketch
from zoo.analysis.difficulty import MIN_ROWS, SHARES, Difficulty, disagreement, fit_difficulty, held_out_scales


def _rows(n: int, seed: int, informative: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return residuals and disagreements, which say how wide the residuals are distributed, or nothing."""
    random = np.random.default_rng(seed)
    spread = random.lognormal(sigma=0.8, size=n)
    return np.abs(random.normal(size=n)) * (spread if informative else 1.0), 0.1 * spread


def test_disagreement_is_a_weighted_standard_deviation() -> None:
    values = np.array([[1.0, 4.0], [3.0, 4.0]])
    np.testing.assert_allclose(disagreement(values, np.array([0.5, 0.5])), [1.0, 0.0])
    np.testing.assert_allclose(disagreement(values, np.array([0.75, 0.25])), [np.sqrt(0.75 * 0.25 * 4), 0.0])
    repeated = np.array([[1.0], [1.0], [1.0], [3.0]])
    np.testing.assert_allclose(disagreement(values[:, :1], np.array([0.75, 0.25])), repeated.std(axis=0))
    np.testing.assert_array_equal(disagreement(values[:1], np.ones(1)), [0.0, 0.0])


def test_a_disagreement_that_follows_the_errors_is_used_and_has_a_mean_difficulty_of_one() -> None:
    residuals, spread = _rows(300, 0, informative=True)
    found = fit_difficulty(residuals, spread)
    assert found.slope * spread.mean() in [pytest.approx(share) for share in SHARES]
    assert found.of(spread).mean() == pytest.approx(1)


def test_noise_is_no_difficulty() -> None:
    assert fit_difficulty(*_rows(300, 1, informative=False)) == Difficulty() == Difficulty(1.0, 0.0)


@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize("informative", [True, False])
def test_choosing_costs_next_to_no_coverage(level: float, *, informative: bool) -> None:
    """On fresh rows; each of 200 tables has one in ten intervals or so miss its value."""
    covered = []
    for seed in range(200):
        residuals, spread = _rows(100, 10 + seed, informative)
        found = fit_difficulty(residuals, spread)
        scales = held_out_scales(found, residuals, spread, np.array_split(np.arange(100), 5))
        half = half_width(sketch(residuals / scales, 499), level)
        fresh, at = _rows(200, 1000 + seed, informative)
        assert half is not None
        covered.append(np.mean(fresh <= half * found.of(at)))
    assert level - 0.006 < np.mean(covered) < level + 0.015


def test_the_difficulty_of_a_row_comes_from_the_other_folds() -> None:
    residuals, spread = _rows(120, 3, informative=True)
    folds = np.array_split(np.arange(100), 4)  # the last 20 rows are in none
    found = fit_difficulty(residuals[:100], spread[:100])
    scales = held_out_scales(found, residuals, spread, folds)
    np.testing.assert_array_equal(scales[100:], found.of(spread[100:]))
    rest = np.arange(25, 100)
    np.testing.assert_array_equal(scales[:25], fit_difficulty(residuals[rest], spread[rest]).of(spread[:25]))
    changed = np.where(np.arange(120) < 25, 50.0, residuals)
    np.testing.assert_array_equal(held_out_scales(found, changed, spread, folds)[:25], scales[:25])
    assert (held_out_scales(Difficulty(), residuals, spread, folds) == 1).all()


def test_intervals_are_narrower_by_the_disagreement() -> None:
    residuals, spread = _rows(5000, 2, informative=True)
    found = fit_difficulty(residuals, spread)
    plain, scaled = (np.quantile(ratios, 0.9) for ratios in (residuals, residuals / found.of(spread)))
    assert scaled < 0.85 * plain


@pytest.mark.parametrize(
    ("residuals", "spread"),
    [
        _rows(MIN_ROWS - 1, 0, informative=True),  # too few to compare quantiles
        (np.abs(np.random.default_rng(0).normal(size=60)), np.zeros(60)),  # one member, or members that agree
        (np.zeros(60), np.ones(60)),
        (np.zeros(60), np.zeros(60)),
        (np.empty(0), np.empty(0)),
    ],
)
def test_tables_that_say_nothing_of_difficulty(residuals: np.ndarray, spread: np.ndarray) -> None:
    with np.errstate(all="raise"):
        assert fit_difficulty(residuals, spread) == Difficulty()
