"""The kernel machine with a fast search is scikit-learn's own with the same parameters."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from zoo.models.regression.regressors import Regressor
from zoo.training.kernel_regression import CLIP, COSTS, EPSILON, GAMMAS, fit_kernel_machine


def _data(n: int = 80, d: int = 7) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    features = random.normal(size=(n, d)) * np.arange(1, d + 1)
    return features, 50 + 10 * np.sin(features[:, 0]) + features[:, 1]


def test_it_predicts_what_scikit_learn_does() -> None:
    features, target = _data()
    fitted, chosen = fit_kernel_machine(features, target, 0)
    cost, gamma = float(chosen["C"]), float(fitted.model.gamma[0])
    assert cost in COSTS
    assert round(gamma * features.shape[1], 6) in GAMMAS
    scaler, y = StandardScaler(), StandardScaler()
    machine = SVR(C=cost, gamma=gamma, epsilon=EPSILON)
    machine.fit(scaler.fit_transform(features), np.ravel(y.fit_transform(target[:, None])))
    new = 2 * _data()[0][:20]
    prepared = np.clip(scaler.transform(new), -CLIP, CLIP)
    expected = y.inverse_transform(machine.predict(prepared)[:, None])[:, 0]
    np.testing.assert_allclose(fitted.predict(new), expected, rtol=2e-3)


def test_undefined_features_and_a_constant_target() -> None:
    features, _ = _data()
    features[::3, 2] = np.nan
    features[:, 4] = np.nan
    fitted, _ = fit_kernel_machine(features, np.full(len(features), 3.0), 0)
    np.testing.assert_allclose(fitted.predict(features), 3.0, atol=0.1)
    again = Regressor.from_tensors("kernel", fitted.tensors())
    np.testing.assert_array_equal(again.predict(features), fitted.predict(features))


def test_a_seed_determines_it() -> None:
    features, target = _data()
    one, other = (fit_kernel_machine(features, target, 5)[0].predict(features) for _ in range(2))
    np.testing.assert_array_equal(one, other)
