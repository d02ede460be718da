"""Errors and their summaries against closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from zoo.analysis.metrics import errors, mean_absolute_deviation, row_errors, summary


def test_errors_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    target = 10 ** rng.normal(2, 0.3, 50)
    prediction = target * 10 ** rng.normal(0, 0.1, 50)
    found = errors(target, prediction, log10=True)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(target, prediction))
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(target, prediction))
    assert found["r2"] == pytest.approx(metrics.r2_score(target, prediction))
    assert found["mae_log10"] == pytest.approx(metrics.mean_absolute_error(np.log10(target), np.log10(prediction)))
    assert found["rmse_log10"] == pytest.approx(metrics.root_mean_squared_error(np.log10(target), np.log10(prediction)))
    assert found["factor"] == pytest.approx(10 ** found["mae_log10"])
    assert next(iter(found)) == "mae_log10"


def test_the_mean_of_factors_is_that_of_the_logarithms() -> None:
    found = summary([{"factor": 10.0}, {"factor": 1000.0}])["factor"]
    assert found == {"mean": pytest.approx(100.0), "std": pytest.approx(990 / np.sqrt(2))}


def test_a_negative_modulus_from_a_baseline_has_a_finite_error() -> None:
    assert np.isfinite(errors([10.0, 20.0], [-3.0, 20.0], log10=True)["mae_log10"])


def test_summary_is_mean_and_sample_deviation() -> None:
    assert summary([{"mae": 1.0}, {"mae": 2.0}, {"mae": 6.0}])["mae"] == {
        "mean": 3.0,
        "std": pytest.approx(np.sqrt(7)),
    }
    assert np.isnan(summary([{"mae": 1.0}])["mae"]["std"])


def test_the_mean_absolute_deviation_is_the_error_of_the_mean() -> None:
    """Of 1, 2, 6: mean 3, deviations 2, 1, 3."""
    assert mean_absolute_deviation([1.0, 2.0, 6.0]) == 2.0
    target = np.random.default_rng(4).gamma(2, 1, 30)
    assert mean_absolute_deviation(target) == pytest.approx(errors(target, np.full(30, target.mean()))["mae"])


@pytest.mark.parametrize("classes", [2, 4])
def test_errors_of_classes_are_those_of_scikit_learn(classes: int) -> None:
    random = np.random.default_rng(classes)
    p = random.dirichlet(np.ones(classes), 300).round(1)  # with ties
    p /= p.sum(axis=1, keepdims=True)
    y = (p + random.dirichlet(np.ones(classes), 300)).argmax(axis=1)
    found, likeliest = errors(y, p), p.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, likeliest))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, likeliest))
    assert found["roc_auc"] == pytest.approx(
        metrics.roc_auc_score(y, p[:, 1] if classes == 2 else p, multi_class="ovr")
    )
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, np.maximum(p, 1e-15)), rel=1e-3)
    assert row_errors(y, p).mean() == found["log_loss"]
    p = random.dirichlet(np.ones(classes), 300)  # of two equal probabilities, the first class is predicted
    order = random.permutation(classes)
    assert errors(np.argsort(order)[y], p[:, order]) == pytest.approx(errors(y, p))


def test_a_class_that_does_not_occur_counts_for_nothing() -> None:
    found = errors([0, 1, 1], [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert found["roc_auc"] == 1.0
    assert np.isnan(errors([1, 1], [[0.3, 0.7], [0.4, 0.6]])["roc_auc"])
