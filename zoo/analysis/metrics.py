"""Prediction errors, and their summary over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis.probabilities import confusion, log_losses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray


def errors(target: ArrayLike, prediction: ArrayLike, *, log10: bool = False) -> dict[str, float]:
    """Return the errors of one method on one set of rows.

    Parameters
    ----------
    target : array-like of shape (n,)
        In the task's unit, or positions of classes.
    prediction : array-like of shape (n,) or (n, K)
        In the task's unit, or the probabilities of K classes.
    log10 : bool
        Also return the errors of log10, as is customary for moduli.

    Returns
    -------
    dict
        ``mae`` and ``rmse`` in the task's unit, and ``r2`` (dimensionless; NaN if all targets are equal). With `log10`
        also ``mae_log10``, ``rmse_log10``, and ``factor``, which is 10 to the power of ``mae_log10``: the factor by
        which a typical prediction is off. For classes, see :func:`class_errors`.
    """
    if np.ndim(prediction) == 2:
        return class_errors(target, prediction)
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    residual = p - y
    variation = float(((y - y.mean()) ** 2).sum())
    found: dict[str, float] = {}
    if log10:
        logs = row_errors(y, p, log10=True)
        found = {"mae_log10": float(logs.mean()), "factor": float(10 ** logs.mean())}
        found["rmse_log10"] = float(np.sqrt((logs**2).mean()))
    return found | {
        "mae": float(np.abs(residual).mean()),
        "rmse": float(np.sqrt((residual**2).mean())),
        "r2": 1 - float((residual**2).sum()) / variation if variation > 0 else float("nan"),
    }


def class_errors(target: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Return the errors of predicted classes.

    Parameters
    ----------
    target : array-like of shape (n,)
        Positions of classes.
    probabilities : array-like of shape (n, K)

    Returns
    -------
    dict
        ``log_loss``, the mean of −log of the probability of the true class; ``accuracy``, the fraction predicted
        correctly; ``balanced_accuracy``, the mean of that fraction over the classes that occur; and ``roc_auc``, the
        probability that a random member of a class has a higher probability of it than a random other row: of the
        second of two classes, and averaged over more. It is NaN if only one class occurs.
    """
    y, p = np.asarray(target).astype(np.int64), np.asarray(probabilities, dtype=np.float64)
    counts = confusion(y, p)
    occurs = counts.sum(axis=1) > 0
    areas = [_area(y == each, p[:, each]) for each in (range(p.shape[1]) if p.shape[1] > 2 else (1,))]
    known = [area for area in areas if np.isfinite(area)]
    return {
        "log_loss": float(log_losses(y, p).mean()),
        "accuracy": float(np.trace(counts) / counts.sum()),
        "balanced_accuracy": float((np.diag(counts)[occurs] / counts.sum(axis=1)[occurs]).mean()),
        "roc_auc": float(np.mean(known)) if known else float("nan"),
    }


def _area(member: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve: the Mann-Whitney statistic, in which a tie counts one half."""
    from scipy.stats import rankdata

    inside, outside = int(member.sum()), int((~member).sum())
    if not (inside and outside):
        return float("nan")
    return float((rankdata(score)[member].sum() - inside * (inside + 1) / 2) / (inside * outside))


def row_errors(target: ArrayLike, prediction: ArrayLike, *, log10: bool = False) -> NDArray[np.float64]:
    """Return the error of each row, shape (n,): the absolute error in the task's unit or of its log10.

    For the probabilities of K classes, of shape (n, K), it is the logarithmic loss.
    """
    if np.ndim(prediction) == 2:
        return log_losses(target, prediction)
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if not log10:
        return np.abs(p - y)
    # Non-positive predictions have no logarithm, so all are clipped at a tenth of the smallest target.
    ratio: NDArray[np.float64] = np.log10(np.maximum(p, float(y.min()) / 10)) - np.log10(y)
    return np.abs(ratio)


def mean_absolute_deviation(target: ArrayLike) -> float:
    """Return the mean absolute deviation of targets from their mean: the error of predicting that mean.

    An error divided by it is dimensionless; 1 is as good as a constant prediction. The mean is that of the test rows,
    so this is slightly stricter than the baseline ``mean``, which uses the training rows only.
    """
    y = np.asarray(target, dtype=np.float64)
    return float(np.abs(y - y.mean()).mean())


def summary(per_seed: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return mean and sample standard deviation over seeds of each error; the deviation of one seed is NaN.

    ``factor`` is averaged geometrically, so that it remains 10 to the power of the mean ``mae_log10``.
    """
    found = {}
    for name in per_seed[0]:
        values = np.array([row[name] for row in per_seed])
        mean = 10 ** np.log10(values).mean() if name == "factor" else values.mean()
        found[name] = {"mean": float(mean), "std": float(values.std(ddof=1)) if len(values) > 1 else float("nan")}
    return found
