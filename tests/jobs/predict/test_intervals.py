"""Ends of intervals by hand: scaled by the difficulty, or of older runs without one, and levels that rows allow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zoo.analysis import conformal
from zoo.analysis.difficulty import Difficulty
from zoo.data.scaling import TargetScaler
from zoo.errors import InputError
from zoo.jobs.predict import intervals
from zoo.models.checkpoint.weights import MemberArrays
from zoo.models.regression.blends import WeightedRegressor
from zoo.models.regression.regressors import LinearModel, Regressor

FIRST = MemberArrays({}, TargetScaler("identity", 0.0, 1.0), calibration=(0.1, 0.2, 0.3, 0.4, 0.5))
SECOND = replace(FIRST, calibration=(0.6, 0.7, 0.8, 0.9))
CENTERS, APART = np.array([[1.0, 5.0], [2.0, 5.0]]), np.array([[0.0, 2.0], [0.5, 4.0]])


def test_scaled_intervals_surround_the_prediction() -> None:
    members = [replace(each, difficulty=Difficulty(0.5, 1.0)) for each in (FIRST, SECOND)]
    intervals.check("run", members, 0.8)  # five and four rows count as nine
    lower, upper = intervals.ends(members, CENTERS, APART, np.array([1.5, 5.0]), 0.8)
    # The half-width is the eighth of nine residuals times the mean difficulty, 0.75 and 3.5.
    np.testing.assert_allclose(lower, [1.5 - 0.8 * 0.75, 5 - 0.8 * 3.5])
    np.testing.assert_allclose(upper, [1.5 + 0.8 * 0.75, 5 + 0.8 * 3.5])


def test_seeds_with_different_difficulties_share_their_residuals() -> None:
    members = [replace(FIRST, difficulty=Difficulty()), replace(SECOND, difficulty=Difficulty(0.5, 1.0))]
    lower, upper = intervals.ends(members, CENTERS, APART, np.array([1.5, 5.0]), 0.8)
    np.testing.assert_allclose((upper - lower) / 2, [0.8 * 1.0, 0.8 * 2.75])


def test_members_of_older_runs_are_combined_as_before() -> None:
    found = intervals.ends([FIRST, SECOND], CENTERS, APART, CENTERS.mean(axis=0), 0.8)
    expected = conformal.intervals(CENTERS, [FIRST.calibration, SECOND.calibration], 0.8)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(InputError, match="run has 4 calibration rows a network, and an interval needs 9"):
        intervals.check("run", [FIRST, SECOND], 0.8)


def test_levels_that_the_rows_do_not_allow() -> None:
    scaled = [replace(each, difficulty=Difficulty()) for each in (FIRST, SECOND)]
    with pytest.raises(InputError, match=r"needs more calibration rows than the 9 there are: at most 0\.9"):
        intervals.check("run", scaled, 0.95)
    with pytest.raises(InputError, match="run has 5 calibration rows, and an interval needs 9"):
        intervals.check("run", scaled[:1], 0.8)
    with pytest.raises(InputError, match="run has no calibration rows"):
        intervals.check("run", [replace(FIRST, calibration=())], 0.8)


def test_the_folds_of_a_cross_fit_count_together() -> None:
    """Ten folds of 50 rows leave five residuals each; all fifty are those of one model."""
    ridge = LinearModel(np.ones(1), np.zeros(1))
    regressor = Regressor(ridge, np.zeros(1), np.zeros(1), np.ones(1), np.array([np.inf]), np.array([0.0, 1.0]))
    part = WeightedRegressor("ridge", regressor, FIRST.scaler, 1.0, ("magpie",))
    folds = [replace(each, weight=0.0, regressors=(part,)) for each in (FIRST, SECOND)]
    intervals.check("run", folds, 0.8)
    lower, upper = intervals.ends(folds, CENTERS, APART, CENTERS.mean(axis=0), 0.8)
    assert (lower < upper).all()
