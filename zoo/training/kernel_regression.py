"""Support vector regression with a Gaussian kernel, its parameters searched on kernels that are computed once.

scikit-learn's ``SVR`` solves for the support vectors. Left to itself, it would compute every distance anew in each of
the sixty fits of a search: with a thousand features that takes ten times as long as all the rest.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.models.regression.regressors import KernelMachine, Regressor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COSTS = (1.0, 10.0, 100.0)
GAMMAS = (0.03, 0.1, 0.3, 1.0)
"""Candidates for C, and for γ times the number of features."""

EPSILON = 0.03
"""Errors that count for nothing, in standard deviations of the target."""

INNER_FOLDS = 5

CLIP = 10.0
"""Largest magnitude of a standardised feature."""

SEARCH_ROWS = 1500
"""Most rows that a search uses; the fit uses all."""


def fit_kernel_machine(features: Array, target: Array, seed: int) -> tuple[Regressor, dict[str, str]]:
    """Fit a kernel machine whose C and γ are chosen by cross-validation on the same rows.

    Parameters
    ----------
    features : array of shape (n, d)
        NaN marks what is undefined; the column's median stands in for it.
    target : array of shape (n,)
    seed : int
        Of the inner folds.

    Returns
    -------
    regressor : Regressor
    chosen : dict of str to str
        The parameters.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column that is undefined in all rows
        fill = np.nan_to_num(np.nanmedian(features, axis=0))
    filled = np.where(np.isnan(features), fill, features)
    mean, scale = filled.mean(axis=0), filled.std(axis=0)
    scale[scale < 1e-12] = 1.0
    prepared = np.clip((filled - mean) / scale, -CLIP, CLIP).astype(np.float32).astype(np.float64)
    offset, factor = float(target.mean()), float(target.std()) or 1.0
    scaled = (target - offset) / factor
    cost, gamma = _search(prepared, scaled, seed)
    kernel = np.exp(-gamma * _squared_distances(prepared))
    machine = _svr(cost).fit(kernel, scaled)
    regressor = Regressor(
        KernelMachine(
            vectors=prepared[machine.support_].astype(np.float32),
            coefficients=np.ravel(machine.dual_coef_).astype(np.float64),
            intercept=np.ravel(machine.intercept_).astype(np.float64),
            gamma=np.array([gamma]),
        ),
        fill,
        mean,
        scale,
        np.array([CLIP]),
        np.array([offset, factor]),
    )
    return regressor, {"C": f"{cost:g}", "gamma": f"{gamma:.3g}"}


def _svr(cost: float) -> Any:
    from sklearn.svm import SVR

    return SVR(kernel="precomputed", C=cost, epsilon=EPSILON)


def _search(prepared: Array, target: Array, seed: int) -> tuple[float, float]:
    """Return the C and the γ of the smallest mean absolute error over inner folds."""
    random = np.random.default_rng([seed, 3])
    rows = random.permutation(len(target))[:SEARCH_ROWS]
    folds = np.array_split(np.arange(len(rows)), min(INNER_FOLDS, len(rows)))
    squares, target = _squared_distances(prepared[rows]), target[rows]
    best = (np.inf, COSTS[0], GAMMAS[0])
    for relative in GAMMAS:
        gamma = relative / prepared.shape[1]
        kernel = np.exp(-gamma * squares)
        for cost in COSTS:
            error = 0.0
            for fold in folds:
                rest = np.setdiff1d(np.arange(len(rows)), fold)
                machine = _svr(cost).fit(kernel[np.ix_(rest, rest)], target[rest])
                error += float(np.abs(machine.predict(kernel[np.ix_(fold, rest)]) - target[fold]).sum())
            best = min(best, (error, cost, gamma))
    return best[1], best[2]


def _squared_distances(points: Array) -> Array:
    squares = (points**2).sum(axis=1)
    result: Array = np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0)
    return result
