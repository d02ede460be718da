"""Classifiers as arrays give the probabilities of scikit-learn's own; regressors are in test_regressors.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from zoo.errors import InputError
from zoo.models.regression.classifiers import from_tensors, kinds_of
from zoo.models.regression.conversion import classifier_from_sklearn

COLUMNS = 8


def rows(classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features with gaps, classes that depend on them, and features to predict."""
    random = np.random.default_rng(classes)
    features, new = random.normal(size=(150, COLUMNS)), 3 * random.normal(size=(60, COLUMNS))
    target = (features[:, :classes] + 0.5 * random.normal(size=(150, classes))).argmax(axis=1)
    features[::7, 5] = np.nan
    new[::5, 2] = np.nan
    return features, target, new


def scaled(model: Any) -> Any:
    clip = FunctionTransformer(np.clip, kw_args={"a_min": -2.0, "a_max": 2.0})
    return make_pipeline(SimpleImputer(), StandardScaler(), clip, model)


def machines(**more: Any) -> Any:
    settings = {"cv": 3, "ensemble": False, **more}
    return CalibratedClassifierCV(OneVsRestClassifier(SVC(C=100.0, gamma=0.003)), **settings)


MODELS = {
    "forest": lambda: make_pipeline(SimpleImputer(), RandomForestClassifier(20, random_state=0)),
    "extra trees": lambda: make_pipeline(SimpleImputer(), ExtraTreesClassifier(20, random_state=0)),
    "boosting": lambda: make_pipeline(SimpleImputer(), GradientBoostingClassifier(n_estimators=20, random_state=0)),
    "logistic": lambda: scaled(LogisticRegression()),
    "svc": lambda: scaled(machines()),
    "frequencies": lambda: DummyClassifier(strategy="prior"),
}


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("model", MODELS)
def test_probabilities_are_those_of_scikit_learn(model: str, classes: int) -> None:
    features, target, new = rows(classes)
    fitted = MODELS[model]().fit(features, target)
    classifier = classifier_from_sklearn(fitted, COLUMNS, classes)
    np.testing.assert_allclose(classifier.predict(new), fitted.predict_proba(new), rtol=2e-5, atol=1e-7)
    told = classifier.described()
    again = from_tensors(classifier.tensors(), **told)
    np.testing.assert_array_equal(again.predict(new), classifier.predict(new))
    assert set(kinds_of(told["kind"], told["parts"])) == {f"{position}." for position in range(classes)}


@pytest.mark.parametrize("model", MODELS)
def test_a_class_without_training_rows_is_unlikely(model: str) -> None:
    features, target, new = rows(2)
    fitted = MODELS[model]().fit(features, 2 * target)
    found = classifier_from_sklearn(fitted, COLUMNS, 4).predict(new)
    assert found.shape == (60, 4)
    assert found[:, [1, 3]].max() < 0.01
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    np.testing.assert_allclose(found[:, [0, 2]], fitted.predict_proba(new), atol=0.01)


def test_what_cannot_be_saved_is_named() -> None:
    features, target, _ = rows(2)
    for model, message in [
        (machines(ensemble=True), "can be saved in a model with ensemble=False"),
        (machines(method="isotonic"), "with method='sigmoid', not 'isotonic'"),
        (CalibratedClassifierCV(LogisticRegression(), ensemble=False), "around an SVC with a Gaussian kernel"),
        (CalibratedClassifierCV(SVC(kernel="linear"), ensemble=False), "around an SVC with a Gaussian kernel"),
    ]:
        with pytest.raises(InputError, match=message):
            classifier_from_sklearn(model.fit(np.nan_to_num(features), target), COLUMNS, 2)
    features, target, _ = rows(3)
    three = CalibratedClassifierCV(SVC(gamma=0.01), ensemble=False).fit(np.nan_to_num(features), target)
    with pytest.raises(InputError, match="a OneVsRestClassifier of it"):
        classifier_from_sklearn(three, COLUMNS, 3)
    with pytest.raises(InputError, match="a GaussianNB cannot be saved in a model; what can: logistic regression"):
        classifier_from_sklearn(GaussianNB().fit(np.nan_to_num(features), target), COLUMNS, 2)
