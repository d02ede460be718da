"""Support vector machines with a Gaussian kernel, their parameters searched on kernels that are computed once.

scikit-learn's ``SVR`` and ``SVC`` solve for the support vectors. Left to themselves, they would compute every distance
anew in each of the sixty fits of a search: with a thousand features that takes ten times as long as all the rest.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.analysis.probabilities import SMALLEST, smoothed, softmax
from zoo.models.regression.classifiers import of_models
from zoo.models.regression.regressors import KernelMachine, Regressor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zoo.models.regression.classifiers import Classifier
    from zoo.models.regression.regressors import Model

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
    prepared, make = _standardised(features)
    offset, factor = float(target.mean()), float(target.std()) or 1.0
    scaled = (target - offset) / factor
    cost, gamma = _search(prepared, scaled, seed)
    kernel = np.exp(-gamma * _squared_distances(prepared))
    machine = _machine(_svr(cost).fit(kernel, scaled), prepared, gamma)
    return make(machine, np.array([offset, factor])), {"C": f"{cost:g}", "gamma": f"{gamma:.3g}"}


def fit_kernel_classifier(
    features: Array, target: Array, seed: int, *, classes: int
) -> tuple[Classifier, dict[str, str]]:
    """Fit kernel machines that give the probabilities of classes, with C and γ chosen by cross-validation.

    One machine separates two classes; of more, each has one that separates it from all others. Their decision values
    on inner folds determine the scale and offsets that turn them into logits (Platt, *Advances in Large Margin
    Classifiers*, 61 (1999)), and C and γ have the smallest logarithmic loss of these.

    Parameters
    ----------
    features : array of shape (n, d)
        As in :func:`fit_kernel_machine`.
    target : array of shape (n,)
        Positions of classes.
    seed : int
        Of the inner folds.
    classes : int
        Number of classes; one without training rows is unlikely everywhere.

    Returns
    -------
    classifier : Classifier
    chosen : dict of str to str
        The parameters.
    """
    prepared, make = _standardised(features)
    present, labels = np.unique(target.astype(np.int64), return_inverse=True)
    columns = prepared.shape[1]

    def part(model: Model) -> Regressor:
        return make(model, np.array([0.0, 1.0]))

    if len(present) == 1:
        return of_models({int(present[0]): 0.0}, classes, part, columns), {}
    cost, gamma, slope, offsets = _search_classes(prepared, labels, seed)
    kernel = np.exp(-gamma * _squared_distances(prepared))
    models: dict[int, Model | float] = {}
    for position, each in enumerate(present):
        if len(present) == 2 and not position:
            models[int(each)] = float(offsets[0])
            continue
        found = _machine(_svc(cost).fit(kernel, labels == position), prepared, gamma)
        models[int(each)] = replace(
            found, coefficients=slope * found.coefficients, intercept=slope * found.intercept + offsets[position]
        )
    return of_models(models, classes, part, columns), {"C": f"{cost:g}", "gamma": f"{gamma:.3g}"}


def _standardised(features: Array) -> tuple[Array, Callable[[Model, Array], Regressor]]:
    """Standardise features; also return a function that adds this preprocessing to a model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column that is undefined in all rows
        fill = np.nan_to_num(np.nanmedian(features, axis=0))
    filled = np.where(np.isnan(features), fill, features)
    mean, scale = filled.mean(axis=0), filled.std(axis=0)
    scale[scale < 1e-12] = 1.0
    prepared = np.clip((filled - mean) / scale, -CLIP, CLIP).astype(np.float32).astype(np.float64)

    def make(model: Model, target: Array) -> Regressor:
        return Regressor(model, fill, mean, scale, np.array([CLIP]), target)

    return prepared, make


def _machine(fitted: Any, prepared: Array, gamma: float) -> KernelMachine:
    return KernelMachine(
        vectors=prepared[fitted.support_].astype(np.float32),
        coefficients=np.ravel(fitted.dual_coef_).astype(np.float64),
        intercept=np.ravel(fitted.intercept_).astype(np.float64),
        gamma=np.array([gamma]),
    )


def _svc(cost: float) -> Any:
    from sklearn.svm import SVC

    return SVC(kernel="precomputed", C=cost)


def _search_classes(prepared: Array, labels: NDArray[np.int64], seed: int) -> tuple[float, float, float, Array]:
    """Return the C and the γ of the smallest logarithmic loss over inner folds, and the scale and offsets of logits."""
    random = np.random.default_rng([seed, 3])
    rows = random.permutation(len(labels))[:SEARCH_ROWS]
    rows = rows[np.argsort(labels[rows], kind="stable")]  # each fold has its share of every class
    folds = [np.arange(start, len(rows), INNER_FOLDS) for start in range(min(INNER_FOLDS, len(rows)))]
    squares, classes, labels = _squared_distances(prepared[rows]), int(labels.max()) + 1, labels[rows]
    best: tuple[float, float, float, float, Array] | None = None
    for relative in GAMMAS:
        gamma = relative / prepared.shape[1]
        kernel = np.exp(-gamma * squares)
        for cost in COSTS:
            scores = np.zeros((len(rows), classes))
            for fold in folds:
                rest = np.setdiff1d(np.arange(len(rows)), fold)
                inside, across = kernel[np.ix_(rest, rest)], kernel[np.ix_(fold, rest)]
                for each in range(1 if classes == 2 else 0, classes):
                    member = labels[rest] == each
                    if member.all() or not member.any():
                        scores[fold, each] = 1.0 if member.all() else -1.0
                    else:
                        scores[fold, each] = _svc(cost).fit(inside, member).decision_function(across)
            loss, slope, offsets = _logits(scores, labels)
            if best is None or loss < best[0]:
                best = loss, cost, gamma, slope, offsets
    assert best is not None
    return best[1:]


def _logits(scores: Array, labels: NDArray[np.int64]) -> tuple[float, float, Array]:
    """Fit logits slope × scores + offsets, shape (n, K), to classes; return the loss, the slope and the offsets."""
    from scipy.optimize import minimize

    classes = scores.shape[1]
    counts = np.bincount(labels, minlength=classes)
    wanted = smoothed(labels, classes)

    def cost(parameters: Array) -> tuple[float, Array]:
        p = softmax(parameters[0] * scores + parameters[1:])
        excess = p - wanted
        gradient = np.concatenate([[(excess * scores).sum()], excess.sum(axis=0)])
        return -float((wanted * np.log(np.maximum(p, SMALLEST))).sum()), gradient

    start = np.concatenate([[1.0], np.log((counts + 1) / (len(labels) + classes))])
    bounds = [(0.0, None), *[(None, None)] * classes]
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.fun), float(found.x[0]), np.asarray(found.x[1:], dtype=np.float64)


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
