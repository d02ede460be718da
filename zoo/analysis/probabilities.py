"""Probabilities of classes: their losses, their calibration, and how often they come true.

Arrays of probabilities have shape (..., n, K) for n crystals and K classes; the target of a crystal is the position of
its class. Probabilities are calibrated by temperature scaling (Guo, Pleiss, Sun & Weinberger, ICML 2017): all logits
are divided by one number, which changes how certain a model is, but not which class it predicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

SMALLEST = 1e-15
"""Smallest probability in a logarithm: a class that was ruled out, and occurs, costs 35."""

HOTTEST = 20.0
"""Largest temperature; the smallest is its reciprocal."""


def softmax(logits: ArrayLike) -> Array:
    """Convert logits of shape (..., K) to probabilities."""
    shifted = np.asarray(logits, dtype=np.float64)
    powers = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def of_truth(target: ArrayLike, probabilities: Array) -> Array:
    """Return the probability of each crystal's own class, shape (..., n)."""
    classes = np.asarray(target).astype(np.int64)
    own: Array = probabilities[..., np.arange(len(classes)), classes]
    return own


def log_losses(target: ArrayLike, probabilities: ArrayLike) -> Array:
    """Return the logarithmic loss of each crystal, −log of the probability of its class, shape (..., n)."""
    losses: Array = -np.log(np.maximum(of_truth(target, np.asarray(probabilities, dtype=np.float64)), SMALLEST))
    return losses


def tempered(probabilities: Array, temperature: float) -> Array:
    """Divide the logits of probabilities by a temperature: above 1 the result is less certain, below 1 more."""
    if temperature == 1:
        return probabilities
    return softmax(np.log(np.maximum(probabilities, SMALLEST)) / temperature)


def smoothed(target: ArrayLike, classes: int) -> Array:
    """Return the probabilities that a calibration aims at, shape (n, classes).

    As in Platt's method (*Advances in Large Margin Classifiers*, 61 (1999)), that of the true class is not 1, but
    (m + 1) / (m + K) for m rows of the class and K classes: a few rows that are all predicted correctly do not make a
    model certain.
    """
    labels = np.asarray(target).astype(np.int64)
    counts = np.bincount(labels, minlength=classes)[labels]
    wanted = np.repeat(1 / (counts + classes)[:, None], classes, axis=1)
    wanted[np.arange(len(labels)), labels] *= counts + 1
    return wanted


def fit_temperature(target: ArrayLike, probabilities: Array) -> float:
    """Return the temperature with the smallest cross-entropy on rows that were not used in training.

    The probabilities aimed at are those of :func:`smoothed`; with many rows, the result is that of Guo et al.

    Parameters
    ----------
    target : array-like of shape (n,)
    probabilities : array of shape (n, K)
    """
    from scipy.optimize import minimize_scalar  # slow to import, and not needed for predictions

    logits, wanted = np.log(np.maximum(probabilities, SMALLEST)), smoothed(target, probabilities.shape[-1])

    def cost(log_temperature: float) -> float:
        found = softmax(logits / np.exp(log_temperature))
        return -float((wanted * np.log(np.maximum(found, SMALLEST))).sum())

    limit = np.log(HOTTEST)
    return float(np.exp(minimize_scalar(cost, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-6}).x))


def confusion(target: ArrayLike, probabilities: Array) -> NDArray[np.int64]:
    """Count the crystals of each class (rows) by predicted class (columns); shape (K, K)."""
    counts = np.zeros((probabilities.shape[-1],) * 2, dtype=np.int64)
    np.add.at(counts, (np.asarray(target).astype(np.int64), probabilities.argmax(axis=-1)), 1)
    return counts


def reliability(outcome: ArrayLike, probability: ArrayLike, bins: int = 10) -> tuple[Array, Array, NDArray[np.int64]]:
    """Compare probabilities with frequencies, in bins with equal numbers of predictions.

    Parameters
    ----------
    outcome : array-like of shape (n,)
        Whether what was predicted came true.
    probability : array-like of shape (n,)
        Predicted probabilities of that.
    bins : int
        Number of bins; fewer if there are fewer predictions.

    Returns
    -------
    predicted, observed : arrays of shape (bins,)
        Mean probability and frequency in each bin, in ascending order.
    counts : array of shape (bins,)
    """
    came_true, p = np.asarray(outcome, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    parts = np.array_split(np.argsort(p, kind="stable"), min(bins, len(p)))
    means = [(p[part].mean(), came_true[part].mean(), len(part)) for part in parts]
    predicted, observed, counts = zip(*means, strict=True)
    return np.array(predicted), np.array(observed), np.array(counts, dtype=np.int64)
