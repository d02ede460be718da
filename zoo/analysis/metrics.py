"""Errors, and whether a difference between two methods is more than luck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

MIN_SEEDS = 3
"""Fewest seeds for a test over seeds: the deviation over two rests on one number."""


def errors(target: ArrayLike, prediction: ArrayLike, *, log10: bool = False) -> dict[str, float]:
    """Return the errors of one method on one set of rows.

    Parameters
    ----------
    target, prediction : array-like of shape (n,)
        In the task's unit.
    log10 : bool
        Also give the mean absolute error of log10, as is usual for moduli.

    Returns
    -------
    dict
        ``mae`` and ``rmse`` in the task's unit, ``r2`` without unit (NaN if all targets are equal), and with
        `log10` also ``mae_log10``.
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    residual = p - y
    spread = float(((y - y.mean()) ** 2).sum())
    result = {
        "mae": float(np.abs(residual).mean()),
        "rmse": float(np.sqrt((residual**2).mean())),
        "r2": 1 - float((residual**2).sum()) / spread if spread > 0 else float("nan"),
    }
    if log10:
        result["mae_log10"] = float(absolute_errors(y, p, log10=True).mean())
    return result


def absolute_errors(target: ArrayLike, prediction: ArrayLike, *, log10: bool = False) -> NDArray[np.float64]:
    """Return the absolute error of each row, shape (n,), in the task's unit or of its log10."""
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if not log10:
        return np.abs(p - y)
    # Zero and less have no logarithm: a tenth of the smallest target stands in for them, and for what is smaller still.
    ratio: NDArray[np.float64] = np.log10(np.maximum(p, float(y.min()) / 10)) - np.log10(y)
    return np.abs(ratio)


def mean_absolute_deviation(target: ArrayLike) -> float:
    """Return the mean absolute deviation of targets from their mean: the error of guessing the mean.

    An error divided by it says how much of the spread is left unexplained, whatever the unit; 1 is no better than
    guessing. Test rows' own mean makes it a little stricter than the baseline ``mean``, which knows training rows only.
    """
    y = np.asarray(target, dtype=np.float64)
    return float(np.abs(y - y.mean()).mean())


def summary(per_seed: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return mean and sample standard deviation over seeds of each error; the deviation of one seed is NaN."""
    return {
        name: {
            "mean": float(np.mean([row[name] for row in per_seed])),
            "std": float(np.std([row[name] for row in per_seed], ddof=1)) if len(per_seed) > 1 else float("nan"),
        }
        for name in per_seed[0]
    }


@dataclass(frozen=True)
class Comparison:
    """A method against a reference on the same rows.

    Parameters
    ----------
    gain : float
        Reduction of the mean absolute error, as a fraction of the reference's.
    p : float
        Two-sided p-value of `test`.
    test : str
        Which test was made, in words.
    pairs : int
        Number of pairs that it rests on.
    """

    gain: float
    p: float
    test: str
    pairs: int


def paired_t(method: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of the paired t-test between errors of shape (seeds,); 1 if they are equal."""
    from scipy import stats

    if np.allclose(method, reference, rtol=1e-12, atol=0):
        return 1.0
    return float(stats.ttest_rel(method, reference).pvalue)


def compare(method: Sequence[ArrayLike], reference: Sequence[ArrayLike]) -> Comparison:
    """Compare absolute errors pairwise.

    With three seeds or more: a paired t-test over the seeds' mean absolute errors (as Lee & Asahi 2021 do).
    With fewer: Wilcoxon's signed-rank test over the test rows, which says whether this one model is better on
    these rows, not whether the next seed's would be.

    Parameters
    ----------
    method, reference : sequence over seeds of arrays of shape (n,)
        Absolute errors on the test rows of each seed, in the same order of rows.
    """
    from scipy import stats

    ours = [np.asarray(rows, dtype=np.float64) for rows in method]
    theirs = [np.asarray(rows, dtype=np.float64) for rows in reference]
    mean_ours, mean_theirs = (np.array([rows.mean() for rows in side]) for side in (ours, theirs))
    gain = float(1 - mean_ours.mean() / mean_theirs.mean())
    if len(ours) >= MIN_SEEDS:
        p = paired_t(mean_ours, mean_theirs)
        return Comparison(gain, p, f"paired t-test over {len(ours)} seeds", len(ours))
    difference = np.concatenate(ours) - np.concatenate(theirs)
    p = float(stats.wilcoxon(difference).pvalue) if np.any(difference) else 1.0
    return Comparison(gain, p, f"Wilcoxon signed-rank test over {len(difference)} test rows", len(difference))
