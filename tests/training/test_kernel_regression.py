"""The kernel machine with a fast search is scikit-learn's own with the same parameters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from zoo.models.regression.classifiers import from_tensors
from zoo.models.regression.regressors import Regressor
from zoo.training import kernel_regression
from zoo.training.kernel_regression import (
    CLIP,
    COSTS,
    EPSILON,
    GAMMAS,
    SHARE,
    fit_kernel_classifier,
    fit_kernel_machine,
)


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


def _learned(fitted: Regressor, features: np.ndarray) -> np.ndarray:
    """Return the weight of each feature in the distance."""
    return (StandardScaler().fit(features).scale_ / fitted.scale) ** 2


def test_weights_are_the_mean_squares_of_derivatives() -> None:
    features, target = _data()
    plain, _ = fit_kernel_machine(features, target, 0)
    step = 1e-3 * np.diag(StandardScaler().fit(features).scale_)
    slopes = [(plain.predict(features + each) - plain.predict(features - each)) for each in step]
    squares = np.mean(np.square(slopes), axis=1)
    found = _learned(fit_kernel_machine(features, target, 0, weighted=7)[0], features)
    np.testing.assert_allclose(found, squares / squares.mean(), rtol=1e-2)


def test_features_that_do_not_matter_hardly_count_and_the_error_is_smaller() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 20))
    target = np.sin(2 * features[:, 0]) + features[:, 1]
    errors = []
    for weighted in (0, 20):
        fitted, _ = fit_kernel_machine(features[:150], target[:150], 0, weighted=weighted)
        errors.append(np.abs(fitted.predict(features[150:]) - target[150:]).mean())
    assert errors[1] < 0.6 * errors[0]
    assert _learned(fitted, features[:150])[:2].sum() > 0.8 * 20


def test_features_without_weights_keep_their_share() -> None:
    features, target = _data()
    fitted, _ = fit_kernel_machine(features, target, 0, weighted=3)
    found = _learned(fitted, features)
    np.testing.assert_allclose(found[3:], 1.0, rtol=1e-6)
    assert found[:3].sum() == pytest.approx(4 * SHARE)
    again = Regressor.from_tensors("kernel", fitted.tensors())
    far = 1e6 * features
    np.testing.assert_array_equal(again.predict(far), fitted.predict(far))
    np.testing.assert_allclose(fitted.predict(far), fitted.predict(10 * far), rtol=1e-9)  # clipped


def test_a_constant_target_weighs_all_features_alike() -> None:
    features, _ = _data()
    fitted, _ = fit_kernel_machine(features, np.full(len(features), 3.0), 0, weighted=7)
    np.testing.assert_allclose(_learned(fitted, features), 1.0)


def test_a_seed_determines_it() -> None:
    features, target = _data()
    one, other = (fit_kernel_machine(features, target, 5)[0].predict(features) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def clusters(classes: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Points around the corners of a simplex, with overlap, and the corners that they belong to."""
    random = np.random.default_rng(classes)
    labels = np.arange(n) % classes
    return 1.5 * np.eye(6)[labels] + random.normal(size=(n, 6)), labels.astype(float)


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_of_classes_are_calibrated_and_better_than_chance(classes: int) -> None:
    features, labels = clusters(classes, 400)
    fitted, chosen = fit_kernel_classifier(features[:200], labels[:200], 0, classes=classes)
    assert set(chosen) == {"C", "gamma"}
    p = fitted.predict(features[200:])
    np.testing.assert_allclose(p.sum(axis=1), 1)
    loss = -np.log(p[np.arange(200), labels[200:].astype(int)]).mean()
    assert loss < 0.9 * np.log(classes)
    right = (p.argmax(axis=1) == labels[200:]).mean()
    assert abs(p.max(axis=1).mean() - right) < 0.12
    again = from_tensors(fitted.tensors(), **fitted.described())
    np.testing.assert_array_equal(again.predict(features), fitted.predict(features))


def test_the_order_of_two_classes_does_not_matter() -> None:
    features, labels = clusters(2)
    one, other = (fit_kernel_classifier(features, each, 0, classes=2)[0] for each in (labels, 1 - labels))
    np.testing.assert_allclose(one.predict(features), other.predict(features)[:, ::-1], atol=0.05)


def test_classes_without_training_rows_are_unlikely() -> None:
    features, labels = clusters(2)
    found = fit_kernel_classifier(features, 2 * labels, 0, classes=4)[0].predict(features)
    assert found[:, [1, 3]].max() < 0.01
    alone = fit_kernel_classifier(features, np.ones(120), 0, classes=3)[0].predict(features)
    assert alone[:, 1].min() > 0.99


def test_few_rows_that_are_easily_told_apart_do_not_make_certain() -> None:
    features, labels = clusters(2, 12)
    p = fit_kernel_classifier(features + 20 * labels[:, None], labels, 0, classes=2)[0].predict(features)
    assert p.max() < 0.99


@pytest.fixture
def few_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"EXACT_ROWS": 100, "LANDMARKS": 40, "HELD_ROWS": 30, "BLOCK": 64}.items():
        monkeypatch.setattr(kernel_regression, name, value)


@pytest.mark.usefixtures("few_landmarks")
def test_many_rows_are_fitted_through_landmarks() -> None:
    """Beyond `EXACT_ROWS`, the machine has few vectors, and learns a smooth function from all rows all the same."""
    features, target = _data(600, 2)
    target[::20] += 100  # outliers
    fitted, chosen = fit_kernel_machine(features, target, 0)
    assert fitted.model.vectors.shape == (40, 2)
    assert chosen.keys() == {"landmarks", "ridge", "gamma"}
    new, expected = _data(700, 2)
    error = np.abs(fitted.predict(new[600:]) - expected[600:]).mean()
    assert error < 0.1 * np.abs(expected - np.median(expected)).mean()
    again = Regressor.from_tensors("kernel", fitted.tensors())
    np.testing.assert_array_equal(again.predict(new), fitted.predict(new))


@pytest.mark.usefixtures("few_landmarks")
def test_landmarks_minimise_the_absolute_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A general optimiser finds no better coefficients; errors count as squares up to ε, as the weights make them."""
    monkeypatch.setattr(kernel_regression, "LANDMARKS", 6)
    monkeypatch.setattr(kernel_regression, "ITERATIONS", 200)
    features, target = _data(150, 2)
    fitted, chosen = fit_kernel_machine(features, target, 0)
    prepared = np.clip((features - fitted.mean) / fitted.scale, -CLIP, CLIP)
    scaled = (target - fitted.target[0]) / fitted.target[1]

    def kernels(points: np.ndarray) -> np.ndarray:
        squares = ((points[:, None] - fitted.model.vectors) ** 2).sum(axis=2)
        return np.exp(-fitted.model.gamma * squares)

    def objective(coefficients: np.ndarray) -> float:
        errors = np.abs(kernels(prepared) @ coefficients - scaled)
        loss = np.where(errors < EPSILON, errors**2 / (2 * EPSILON), errors - EPSILON / 2).sum()
        penalty = coefficients @ kernels(fitted.model.vectors) @ coefficients
        return float(loss + float(chosen["ridge"]) * penalty / 2)

    found = fitted.model.coefficients
    best = minimize(objective, found, method="BFGS").fun
    assert objective(found) == pytest.approx(best, rel=1e-3)
    assert objective(1.02 * found) > objective(found)
