"""Probabilities of classes against closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax as reference_softmax

from zoo.analysis.probabilities import confusion, fit_temperature, log_losses, reliability, softmax, tempered


def drawn(n: int, classes: int, *, scale: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Targets drawn from the returned probabilities, which are therefore perfectly calibrated."""
    random = np.random.default_rng(seed)
    p = reference_softmax(scale * random.normal(size=(n, classes)), axis=1)
    return (p.cumsum(axis=1) < random.random((n, 1))).sum(axis=1), p


def test_softmax() -> None:
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 1000.0], [-2000.0, 0.0]])
    np.testing.assert_allclose(softmax(logits), [[0.25, 0.75], [0.5, 0.5], [0.0, 1.0]], atol=1e-15)


def test_log_losses_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import log_loss

    y, p = drawn(200, 3)
    assert log_losses(y, p).mean() == pytest.approx(log_loss(y, p))
    assert log_losses([0], [[0.25, 0.75]])[0] == pytest.approx(np.log(4))
    assert log_losses([0], [[0.0, 1.0]])[0] == pytest.approx(15 * np.log(10))  # finite


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_temperature_scaling_undoes_a_temperature(temperature: float, classes: int) -> None:
    y, p = drawn(20_000, classes)
    assert fit_temperature(y, tempered(p, 1 / temperature)) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_has_the_smallest_loss_and_changes_no_class() -> None:
    y, p = drawn(2000, 3)
    wrong = tempered(p, 0.3)
    found = fit_temperature(y, wrong)
    best = log_losses(y, tempered(wrong, found)).mean()
    for other in (0.97 * found, 1.03 * found):
        assert log_losses(y, tempered(wrong, other)).mean() > best
    np.testing.assert_array_equal(tempered(wrong, found).argmax(axis=1), p.argmax(axis=1))


def test_the_temperature_does_not_depend_on_the_order_of_classes() -> None:
    y, p = drawn(300, 3)
    wrong, order = tempered(p, 0.5), np.array([2, 0, 1])
    swapped = np.argsort(order)[y]
    assert fit_temperature(swapped, wrong[:, order]) == pytest.approx(fit_temperature(y, wrong), rel=1e-6)


def test_a_few_correct_predictions_do_not_make_a_model_certain() -> None:
    p = np.array([[0.7, 0.3], [0.3, 0.7]] * 6)
    temperature = fit_temperature([0, 1] * 6, p)
    # Six rows of each class are all predicted correctly, which is as good as 7 of 8 (Laplace's rule of succession).
    assert tempered(p, temperature).max() == pytest.approx(7 / 8, abs=1e-3)
    certain = np.array([[1 - 1e-9, 1e-9], [1e-9, 1 - 1e-9]] * 6)
    assert tempered(certain, fit_temperature([0, 1] * 6, certain)).max() == pytest.approx(7 / 8, abs=1e-3)


def test_confusion_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import confusion_matrix

    y, p = drawn(100, 3)
    np.testing.assert_array_equal(confusion(y, p), confusion_matrix(y, p.argmax(axis=1)))


def test_calibrated_probabilities_come_true() -> None:
    y, p = drawn(20_000, 2)
    predicted, observed, counts = reliability(y == 1, p[:, 1])
    assert counts.tolist() == [2000] * 10
    assert (np.diff(predicted) > 0).all()
    np.testing.assert_allclose(observed, predicted, atol=4 * np.sqrt(0.25 / 2000))
    _, bent, _ = reliability(y == 1, tempered(p, 0.3)[:, 1])
    assert np.abs(bent - reliability(y == 1, tempered(p, 0.3)[:, 1])[0]).max() > 0.1
    assert [len(each) for each in reliability([1, 0, 1], [0.2, 0.1, 0.9])] == [3, 3, 3]
