"""Weights of predictors from predictions of rows that they were not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.analysis.blending import PRIOR_POWER, PRIOR_ROWS, blend_weights


def made(sigmas: list[float], n: int, *, shared: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Targets, and predictors whose errors have these deviations, with a part that all share."""
    random = np.random.default_rng(seed)
    target = random.normal(size=n)
    common = shared * random.normal(size=n)
    return target, np.stack([target + common + sigma * random.normal(size=n) for sigma in sigmas])


def test_weights_are_shares() -> None:
    weights = blend_weights(*made([0.3, 0.5, 0.9], 200))
    assert weights.shape == (3,)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1] > weights[2]


def test_independent_errors_are_weighted_as_their_variances_say() -> None:
    """The best linear combination weighs by 1/σ²: 0.8 and 0.2 for deviations of 1 and 2."""
    weights = blend_weights(*made([1.0, 2.0], 20_000))
    np.testing.assert_allclose(weights, [0.8, 0.2], atol=0.03)


def test_a_predictor_that_adds_nothing_gets_exactly_nothing() -> None:
    target, predictions = made([0.1], 500)
    useless = predictions[0] + np.random.default_rng(1).normal(size=500)
    weights = blend_weights(target, np.stack([predictions[0], useless]))
    np.testing.assert_array_equal(weights, [1.0, 0.0])


def test_two_equal_predictors_share() -> None:
    weights = blend_weights(*made([0.5, 0.5], 400))
    np.testing.assert_allclose(weights, [0.5, 0.5], atol=0.08)


def test_few_rows_are_trusted_less() -> None:
    """A predictor with the errors of another, 2 % larger, adds nothing; on few rows that may be chance."""

    def weight(n: int) -> float:
        target, predictions = made([0.5], n)
        worse = target + 1.02 * (predictions[0] - target)
        return float(blend_weights(target, np.stack([predictions[0], worse]))[1])

    prior = 1 / (1 + 1.02**PRIOR_POWER)
    assert weight(12) == pytest.approx(prior * PRIOR_ROWS / (12 + PRIOR_ROWS))
    assert weight(2_000) == 0


def test_the_blend_is_at_least_as_good_as_its_best_member_on_new_rows() -> None:
    for seed in range(5):
        target, predictions = made([0.4, 0.5, 0.6], 1_000, shared=0.2, seed=seed)
        weights = blend_weights(target[:500], predictions[:, :500])
        errors = np.abs(predictions[:, 500:] - target[500:]).mean(axis=1)
        assert np.abs(weights @ predictions[:, 500:] - target[500:]).mean() < errors.min()


def test_the_result_depends_on_the_numbers_alone() -> None:
    given = made([0.3, 0.5], 50)
    np.testing.assert_array_equal(blend_weights(*given), blend_weights(*given))


def test_one_predictor_has_all_the_weight() -> None:
    np.testing.assert_array_equal(blend_weights([1.0, 2.0], [[1.5, 1.5]]), [1.0])


@pytest.mark.parametrize(
    ("target", "predictions"),
    [([1.0], np.empty((0, 1))), ([1.0, 2.0], [[1.0]]), ([np.nan], [[1.0]]), ([1.0], [[np.inf]])],
)
def test_what_cannot_be_weighed_is_refused(target: list[float], predictions: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"predictions of shape|finite"):
        blend_weights(target, predictions)


def test_probabilities_are_weighted_by_their_logarithmic_loss() -> None:
    """The truth is drawn from a mixture of two predictors; its shares are the weights of the smallest loss."""
    random = np.random.default_rng(0)
    predictions = random.dirichlet(np.ones(3), (2, 20_000))
    mixed = 0.7 * predictions[0] + 0.3 * predictions[1]
    target = (mixed.cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1)
    np.testing.assert_allclose(blend_weights(target, predictions), [0.7, 0.3], atol=0.03)
    noise = random.dirichlet(np.ones(3), 20_000)
    assert blend_weights(target, np.stack([mixed, noise]))[1] == 0
    order = [2, 0, 1]
    renamed = blend_weights(np.argsort(order)[target], predictions[:, :, order])
    np.testing.assert_allclose(renamed, blend_weights(target, predictions))
