"""Difficulty of a prediction, estimated from the disagreement of a blend's members, to scale conformal intervals.

In normalised conformal prediction (Papadopoulos, Gammerman & Vovk, IASTED AIA 2008; Lei et al., J. Am. Stat. Assoc.
113, 1094 (2018)) each residual is divided by an estimate σ of how difficult its row is. The half-width of a new
crystal's interval is the conformal quantile of these ratios times its own σ. Here σ = base + slope × disagreement. The
slope is chosen on out-of-fold rows. It is 0, and all intervals have the same width, unless scaling narrows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SHARES = (0.25, 0.5, 0.75)
"""Candidates for the share of the mean difficulty that depends on the disagreement."""

LEVELS = (0.8, 0.9, 0.95)
"""Levels at which the candidates are compared, by the mean width of their intervals."""

MIN_GAIN = 0.02
"""Smallest reduction of the mean width for which intervals are scaled: a smaller one may be chance."""

MIN_ROWS = 50
"""Number of rows below which intervals are not scaled: their quantiles are too uncertain to compare candidates."""


@dataclass(frozen=True)
class Difficulty:
    """σ = base + slope × disagreement, with a mean of 1 over the rows that it was fitted on.

    Parameters
    ----------
    base : float
        Positive.
    slope : float
        Not negative; in units of 1 / disagreement.
    """

    base: float = 1.0
    slope: float = 0.0

    def of(self, disagreement: Array) -> Array:
        """Return the difficulty of predictions from the disagreement of their members, both of any shape."""
        return self.base + self.slope * disagreement


def disagreement(values: Array, weights: Array) -> Array:
    """Return the weighted standard deviation of m predictions.

    Parameters
    ----------
    values : array of shape (m, ...)
        Predictions of the members.
    weights : array of shape (m,)
        Sum 1.

    Returns
    -------
    array of shape (...)
    """
    mean = np.tensordot(weights, values, axes=1)
    return np.sqrt(np.tensordot(weights, (values - mean) ** 2, axes=1))


def fit_difficulty(residuals: Array, disagreements: Array) -> Difficulty:
    """Choose the slope that gives the narrowest intervals on average.

    Parameters
    ----------
    residuals : array of shape (n,)
        Absolute out-of-fold residuals.
    disagreements : array of shape (n,)
        Of the members' out-of-fold predictions of the same rows.

    Returns
    -------
    Difficulty
        Constant if scaling makes intervals less than `MIN_GAIN` narrower, or there are fewer than `MIN_ROWS` rows.
    """
    return Difficulty() if len(residuals) < MIN_ROWS else _narrowest(residuals, disagreements)


def held_out_scales(
    difficulty: Difficulty, residuals: Array, disagreements: Array, folds: Sequence[NDArray[np.int64]]
) -> Array:
    """Return the difficulty of each row, of rows in the folds by a fit to the other folds.

    Residuals divided by a difficulty that was chosen on them would be a little too small.

    Parameters
    ----------
    difficulty : Difficulty
        Fitted to all folds; applied to the rows that are in none.
    residuals, disagreements : arrays of shape (n,)
    folds : sequence of array
        Disjoint positions.

    Returns
    -------
    array of shape (n,)
    """
    scales = difficulty.of(disagreements)
    if difficulty.slope:
        rows = np.concatenate(folds)
        for fold in folds:
            rest = np.setdiff1d(rows, fold)
            scales[fold] = _narrowest(residuals[rest], disagreements[rest]).of(disagreements[fold])
    return scales


def _narrowest(residuals: Array, disagreements: Array) -> Difficulty:
    mean, constant = float(disagreements.mean()), Difficulty()
    if not mean > 1e-12 * float(residuals.max()):
        return constant
    widths = {constant: _log_width(residuals, np.ones(len(residuals)))}
    for share in SHARES:
        candidate = Difficulty(1 - share, share / mean)
        widths[candidate] = _log_width(residuals, candidate.of(disagreements))
    best = min(widths, key=lambda each: widths[each])
    return best if widths[best] <= widths[constant] + np.log(1 - MIN_GAIN) else constant


def _log_width(residuals: Array, difficulties: Array) -> float:
    """Return the mean over levels of the logarithm of the mean half-width; infinite if an interval has no width."""
    quantiles = np.quantile(residuals / difficulties, LEVELS, method="higher")
    if not quantiles.all():
        return float("inf")
    return float(np.log(quantiles * difficulties.mean()).mean())
