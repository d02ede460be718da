"""Prediction errors, and their summary over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray


def errors(target: ArrayLike, prediction: ArrayLike, *, log10: bool = False) -> dict[str, float]:
    """Return the errors of one method on one set of rows.

    Parameters
    ----------
    target, prediction : array-like of shape (n,)
        In the task's unit.
    log10 : bool
        Also return the errors of log10, as is customary for moduli.

    Returns
    -------
    dict
        ``mae`` and ``rmse`` in the task's unit, and ``r2`` (dimensionless; NaN if all targets are equal). With `log10`
        also ``mae_log10``, ``rmse_log10``, and ``factor``, which is 10 to the power of ``mae_log10``: the factor by
        which a typical prediction is off.
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    residual = p - y
    variation = float(((y - y.mean()) ** 2).sum())
    found: dict[str, float] = {}
    if log10:
        logs = absolute_errors(y, p, log10=True)
        found = {"mae_log10": float(logs.mean()), "factor": float(10 ** logs.mean())}
        found["rmse_log10"] = float(np.sqrt((logs**2).mean()))
    return found | {
        "mae": float(np.abs(residual).mean()),
        "rmse": float(np.sqrt((residual**2).mean())),
        "r2": 1 - float((residual**2).sum()) / variation if variation > 0 else float("nan"),
    }


def absolute_errors(target: ArrayLike, prediction: ArrayLike, *, log10: bool = False) -> NDArray[np.float64]:
    """Return the absolute error of each row, shape (n,), in the task's unit or of its log10."""
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
