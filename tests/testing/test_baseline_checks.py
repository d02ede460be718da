"""Mistakes in the classifiers of baselines; those in regressors are in test_conformance.py."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from zoo.contracts import Baseline
from zoo.registry import plugins
from zoo.testing import check_baseline

if TYPE_CHECKING:
    from collections.abc import Callable


class Overconfident(DummyClassifier):
    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        return 2 * np.asarray(super().predict_proba(features))


@pytest.mark.parametrize("name", ["majority", "logistic"])
def test_the_classifiers_of_zoo_conform(name: str) -> None:
    baseline = plugins.baseline(name)
    assert baseline.kinds == ("classification",)
    check_baseline(baseline)


@pytest.mark.parametrize(
    ("classifier", "said"),
    [
        (Overconfident, "predict_proba gives numbers that are no probabilities"),
        (partial(make_pipeline, SimpleImputer(), LinearSVC()), "predict_proba"),
    ],
)
def test_a_classifier_gives_probabilities(classifier: Callable[[], Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_baseline(Baseline("bad", classifier=lambda _seed: classifier(), featurizer="magpie"))


def test_a_baseline_without_any_model_is_refused() -> None:
    with pytest.raises(TypeError, match="build=None must be a function"):
        Baseline("empty")
    with pytest.raises(TypeError, match="classifier=3 must be a function"):
        Baseline("bad", classifier=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="does not serve regression"):
        Baseline("only", classifier=lambda _seed: DummyClassifier()).make("regression", 0)
