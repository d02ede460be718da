"""Conformal intervals: the rule by hand, and the coverage that it promises on exchangeable numbers."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.analysis import conformal
from zoo.errors import InputError


@pytest.mark.parametrize(
    ("level", "rank"),
    [(0.9, 9), (0.8, 8), (0.5, 5), (0.85, 9)],  # ⌈10 × level⌉ of nine residuals
)
def test_the_rank_for_one_network(level: float, rank: int) -> None:
    residuals = [1, 2, 4, 8, 16, 32, 64, 128, 256]
    lower, upper = conformal.intervals(np.array([[5.0, -5.0]]), [residuals], level)
    half = residuals[rank - 1]
    assert lower.tolist() == [5 - half, -5 - half]
    assert upper.tolist() == [5 + half, -5 + half]
    assert conformal.half_width(residuals, level) == half


def test_two_networks_by_hand() -> None:
    """Ends 0 ∓ {1, 2, 3} and 10 ∓ {1, 2, 3}, six in all: ⌈7 × 0.5⌉ = 4, ⌈7 × 0.8⌉ = 6."""
    centers, calibrations = np.array([[0.0], [10.0]]), [[1, 2, 3], [1, 2, 3]]
    lower, upper = conformal.intervals(centers, calibrations, 0.5)
    assert (lower[0], upper[0]) == (-1.0, 11.0)  # lower ends: 9 8 7 -1 -2 -3, upper ends: 1 2 3 11 12 13
    lower, upper = conformal.intervals(centers, calibrations, 0.8)
    assert (lower[0], upper[0]) == (-3.0, 13.0)


def test_equal_networks_are_as_one() -> None:
    residuals = np.arange(1, 100).tolist()
    alone = conformal.intervals(np.array([[1.0]]), [residuals], 0.9)
    halves = conformal.intervals(np.array([[1.0], [1.0]]), [residuals[::2], residuals[1::2]], 0.9)
    assert alone == halves


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_coverage_on_exchangeable_residuals(level: float) -> None:
    """Over draws of 30 calibration residuals and a new one, ⌈31 · level⌉ / 31 are covered, not more and not less."""
    draws = np.abs(np.random.default_rng(1).standard_cauchy((4000, 31)))
    held = [conformal.covered(row[30:], row[:30].tolist(), level) for row in draws]
    exact = np.ceil(31 * level) / 31
    assert np.mean(held) == pytest.approx(exact, abs=3.5 * np.sqrt(exact * (1 - exact) / 4000))


def test_coverage_of_several_networks() -> None:
    """Networks that err in part together: the guarantee is a little below 1 − 2α; what is found is above 1 − α."""
    rng = np.random.default_rng(2)
    held = []
    for _ in range(1000):
        truth = rng.normal(size=151)
        shared = rng.normal(size=151)
        centers = truth + 0.7 * shared + 0.7 * rng.normal(size=(3, 151))
        residuals = np.abs(centers - truth)
        calibrations = [np.sort(residuals[k, 50 * k : 50 * (k + 1)]) for k in range(3)]
        lower, upper = conformal.intervals(centers[:, -1:], calibrations, 0.9)
        held.append(lower[0] <= truth[-1] <= upper[0])
    assert 0.9 < np.mean(held) < 0.99


def test_a_sketch_is_never_narrower() -> None:
    rng = np.random.default_rng(3)
    values = rng.exponential(size=3217)
    kept = conformal.sketch(values, 499)
    assert len(kept) == 499
    assert list(kept) == sorted(kept)
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        whole, sketched = (conformal.half_width(each, level) for each in (np.sort(values), kept))
        assert whole is not None
        assert sketched is not None
        assert whole <= sketched <= whole * 1.05
    few = conformal.sketch([3.0, 1.0, 2.0], 499)
    assert few == pytest.approx((1.0, 2.0, 3.0), rel=2e-5)
    assert all(kept >= value for kept, value in zip(few, (1.0, 2.0, 3.0), strict=True))


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0, 90.0, -0.5, float("nan")])
def test_what_is_no_level(level: float) -> None:
    with pytest.raises(InputError, match=r"from 0\.5 to below 1"):
        conformal.check_level(level, [[1.0] * 50])


def test_too_few_calibration_rows() -> None:
    conformal.check_level(0.95, [[1.0] * 19])
    with pytest.raises(InputError, match=r"0\.96 needs more calibration rows than the 19 there are: at most 0\.95"):
        conformal.check_level(0.96, [[1.0] * 19])
    assert conformal.half_width([1.0] * 19, 0.96) is None
    assert conformal.covered(np.array([1.0]), [1.0] * 19, 0.96) is None
    assert conformal.covered(np.array([0.5, 1.5]), [1.0] * 19, 0.9) == 0.5


@pytest.mark.parametrize(("calibration", "tested"), [(9, 40), (50, 50), (400, 20)])
def test_the_band_holds_95_percent_of_the_measured_coverages(calibration: int, tested: int) -> None:
    """Simulated: exchangeable residuals, the share of test rows inside the interval. Both tails are at most 2.5 %."""
    draws = np.random.default_rng(4).exponential(size=(4000, calibration + tested))
    level = 0.8
    held = [
        np.sum(row[calibration:] <= (conformal.half_width(row[:calibration].tolist(), level) or 0)) for row in draws
    ]
    low, high = conformal.coverage_band(np.array([level]), calibration, tested)
    assert np.mean(held < low) <= 0.035
    assert np.mean(held > high) <= 0.035
    assert np.mean((held < low + 2) | (held > high - 2)) > 0.05  # no wider than need be


def test_the_band_of_one_calibration_row_and_one_test_row_by_hand() -> None:
    """Beta(2 · 0.5, 2 · 0.5) is uniform, so of two test rows 0, 1 or 2 are covered with probability 1/3 each."""
    low, high = conformal.coverage_band(np.array([0.5]), 1, 2, share=0.5)
    assert (low.tolist(), high.tolist()) == ([0], [2])
    low, high = conformal.coverage_band(np.array([0.5]), 1, 2, share=0.2)
    assert (low.tolist(), high.tolist()) == ([1], [1])
