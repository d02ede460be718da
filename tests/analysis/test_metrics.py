"""Errors and tests against closed forms and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn import metrics

from zoo.analysis.metrics import compare, errors, mean_absolute_deviation, summary


def test_errors_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    target = 10 ** rng.normal(2, 0.3, 50)
    prediction = target * 10 ** rng.normal(0, 0.1, 50)
    found = errors(target, prediction, log10=True)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(target, prediction))
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(target, prediction))
    assert found["r2"] == pytest.approx(metrics.r2_score(target, prediction))
    assert found["mae_log10"] == pytest.approx(metrics.mean_absolute_error(np.log10(target), np.log10(prediction)))


def test_a_negative_modulus_from_a_baseline_has_a_finite_error() -> None:
    assert np.isfinite(errors([10.0, 20.0], [-3.0, 20.0], log10=True)["mae_log10"])


def test_summary_is_mean_and_sample_deviation() -> None:
    assert summary([{"mae": 1.0}, {"mae": 2.0}, {"mae": 6.0}])["mae"] == {
        "mean": 3.0,
        "std": pytest.approx(np.sqrt(7)),
    }
    assert np.isnan(summary([{"mae": 1.0}])["mae"]["std"])


def test_many_seeds_are_compared_by_a_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    reference = [rng.gamma(2, 1, 30) for _ in range(8)]
    method = [rows * 0.9 + rng.normal(0, 0.02, 30) for rows in reference]
    found = compare(method, reference)
    means = [[rows.mean() for rows in side] for side in (method, reference)]
    assert found.p == pytest.approx(scipy_stats.ttest_rel(*means).pvalue)
    assert found.gain == pytest.approx(1 - np.mean(means[0]) / np.mean(means[1]))
    assert found.pairs == 8


def test_one_seed_is_compared_over_rows() -> None:
    rng = np.random.default_rng(2)
    reference = [rng.gamma(2, 1, 40)]
    method = [reference[0] - 0.1]
    found = compare(method, reference)
    assert found.test.startswith("Wilcoxon")
    assert found.p == pytest.approx(scipy_stats.wilcoxon(method[0] - reference[0]).pvalue)


def test_equal_methods_are_not_different() -> None:
    rows = [np.array([1.0, 2.0])] * 3
    assert compare(rows, rows).p == 1.0
    assert compare(rows[:1], rows[:1]).p == 1.0


def test_the_mean_absolute_deviation_is_the_error_of_the_mean() -> None:
    """Of 1, 2, 6: mean 3, deviations 2, 1, 3."""
    assert mean_absolute_deviation([1.0, 2.0, 6.0]) == 2.0
    target = np.random.default_rng(4).gamma(2, 1, 30)
    assert mean_absolute_deviation(target) == pytest.approx(errors(target, np.full(30, target.mean()))["mae"])
