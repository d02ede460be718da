"""Classifiers of a regressor for each class: links, and arrays that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import CheckpointError, InputError
from zoo.models.regression.classifiers import Classifier, Link, from_tensors, of_models
from zoo.models.regression.regressors import LinearModel, Model, Regressor


def regressor(model: Model) -> Regressor:
    d = model.columns
    return Regressor(model, np.zeros(d), np.zeros(d), np.ones(d), np.array([np.inf]), np.array([0.0, 1.0]))


def constants(*values: float, link: Link = "softmax") -> Classifier:
    return of_models(dict(enumerate(values)), len(values), regressor, 3, link)


def test_links_by_hand() -> None:
    features = np.zeros((2, 3))
    np.testing.assert_allclose(constants(0.0, np.log(3)).predict(features), [[0.25, 0.75]] * 2)
    np.testing.assert_allclose(constants(0.2, 0.6, link="identity").predict(features), [[0.25, 0.75]] * 2)
    np.testing.assert_allclose(constants(-0.1, 0.6, link="identity").predict(features), [[0.0, 1.0]] * 2)
    np.testing.assert_allclose(constants(0.0, 0.0, link="identity").predict(features), [[0.5, 0.5]] * 2)


def test_parts_must_fit() -> None:
    good = constants(0.0, 1.0)
    with pytest.raises(CheckpointError, match="its parts read different numbers of columns"):
        Classifier((good.parts[0], regressor(LinearModel(np.zeros(2), np.zeros(1)))))
    assert from_tensors(good.tensors(), **good.described()).columns == 3
    arrays = {name: array for name, array in good.tensors().items() if name != "1.fill"}
    with pytest.raises(CheckpointError, match="fill"):
        from_tensors(arrays, **good.described())
    with pytest.raises(InputError, match="the regressor was fitted on 3 columns"):
        good.predict(np.zeros((1, 4)))
