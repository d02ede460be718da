"""Weights of a blend of predictors, from their out-of-fold predictions.

Ensemble selection (Caruana, Niculescu-Mizil, Crew & Ksikes, ICML 2004): starting from an empty ensemble, each of a
fixed number of rounds adds, with replacement, the predictor that minimises the error of the average: the mean absolute
error, or the logarithmic loss of probabilities. A predictor's weight is its share of the rounds. Two measures reduce
overfitting to small tables: the selection is averaged over bootstrap samples of the rows (the bagged variant of the
paper), and the result is shrunk towards weights that depend on the error of each predictor alone, more strongly the
fewer rows there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis import probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Loss = Callable[[NDArray[np.float64]], NDArray[np.float64]]

ROUNDS = 40
"""Rounds of one selection: weights are multiples of 1/40."""

SAMPLES = 50
"""Number of bootstrap samples over which the selection is averaged."""

PRIOR_ROWS = 20
"""Strength of the prior, in rows: with this many rows of data, the result lies halfway."""

PRIOR_POWER = 8
"""Prior weights are proportional to this power of the inverse error: an error 10 % larger halves them."""

SMALLEST = 0.05
"""Predictors with a smaller weight are dropped: they cost time and change nothing."""


def blend_weights(target: ArrayLike, predictions: ArrayLike, *, seed: int = 0) -> NDArray[np.float64]:
    """Return a weight for each predictor: non-negative, summing to 1, exactly 0 for those that add nothing.

    Parameters
    ----------
    target : array-like of shape (n,)
        On the scale on which errors count, for example log10; or positions of classes.
    predictions : array-like of shape (m, n) or (m, n, K)
        Out-of-fold predictions of m predictors, on the same scale; or their probabilities of K classes.
    seed : int
        Seed of the bootstrap samples.

    Returns
    -------
    array of shape (m,)

    Raises
    ------
    ValueError
        If there are no predictors or no rows, or a value is not finite.
    """
    y, p = np.asarray(target, dtype=np.float64), np.atleast_2d(np.asarray(predictions, dtype=np.float64))
    loss: Loss = _absolute
    if not p.size or p.shape[1] != len(y):
        raise ValueError(f"predictions of shape {p.shape} for {len(y)} targets")
    if not (np.isfinite(y).all() and np.isfinite(p).all()):
        raise ValueError("targets and predictions must be finite")
    if p.ndim == 3:
        loss, parts = _logarithmic, np.maximum(probabilities.of_truth(y, p), probabilities.SMALLEST)
    else:
        parts = p - y
    random = np.random.default_rng(seed)
    n = len(y)
    samples: Sequence[NDArray[np.int64]] = [np.arange(n), *random.integers(0, n, size=(SAMPLES, n))]
    selected = np.mean([_select(parts[:, rows], loss) for rows in samples], axis=0)
    trust = n / (n + PRIOR_ROWS)
    return _drop_small(trust * selected + (1 - trust) * _prior(loss(parts).mean(axis=1)))


def _prior(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights that depend on the loss of each predictor alone."""
    tiny = np.finfo(np.float64).tiny
    weights: NDArray[np.float64] = ((losses.min() + tiny) / (losses + tiny)) ** PRIOR_POWER
    weights /= weights.sum()
    return weights


def _absolute(total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the absolute errors of sums of signed errors."""
    return np.abs(total)


def _logarithmic(total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithmic losses of sums of probabilities of the true class, up to a constant."""
    return -np.log(total)


def _select(parts: NDArray[np.float64], loss: Loss) -> NDArray[np.float64]:
    """Return the weights from one greedy selection.

    `parts`, of shape (m, n), are what a loss takes of an average: signed errors, or probabilities of the true class.
    """
    counts = np.zeros(len(parts))
    total = np.zeros(parts.shape[1])
    for size in range(1, ROUNDS + 1):
        best = int(np.argmin(loss(total + parts).sum(axis=1)))
        counts[best] += 1
        total += parts[best]
        assert counts.sum() == size
    return counts / ROUNDS


def _drop_small(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    kept: NDArray[np.float64] = np.where(weights < min(SMALLEST, float(weights.max())), 0.0, weights)
    kept /= kept.sum()
    return kept
