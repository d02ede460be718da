"""Support vector machines with a Gaussian kernel, their parameters searched on kernels that are computed once.

scikit-learn's ``SVR`` and ``SVC`` solve for the support vectors. Left to themselves, they would compute every distance
anew in each of the sixty fits of a search: with a thousand features that takes ten times as long as all the rest.

Features may be weighted by how strongly the property depends on them, as in a recursive feature machine with a
diagonal metric and a single iteration (A. Radhakrishnan et al., Science 383, 1461 (2024)).

The matrix of kernels grows with the square of the rows. So a regression on more than `EXACT_ROWS` rows is a ridge
regression on the kernels with some of them, the landmarks (Nyström's approximation; C. Williams, M. Seeger, NeurIPS 13
(2001); A. Rudi et al., NeurIPS 28 (2015)): its memory does not grow, its time in proportion to the rows.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.analysis.probabilities import SMALLEST, smoothed, softmax
from zoo.models.regression.classifiers import of_models
from zoo.models.regression.regressors import KernelMachine, Regressor, squared_distances, standardised

if TYPE_CHECKING:
    from collections.abc import Sequence

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
"""Maximum number of rows that determine parameters and weights of features; the fit uses all."""

SHARE = 0.3
"""Sum of the weights of weighted features, relative to that of all others."""

LEAST_WEIGHT = 1e-8
"""Smallest weight of a feature, relative to their mean: a scale must be finite."""

EXACT_ROWS = 6000
"""Maximum number of rows of a support vector regression, whose memory grows with their square; beyond, landmarks."""

LANDMARKS = 3000
"""Number of rows whose kernels with all others are the features of a ridge regression."""

RIDGES = (1e-3, 1e-2, 1e-1)
"""Candidates for the strength of the ridge."""

HELD_ROWS = 1000
"""Rows on which γ and the ridge are chosen, after a fit to `EXACT_ROWS` at most."""

ITERATIONS = 4
"""Of weighted least squares; the error has stopped changing by then (docs/benchmarks/defaults.md)."""

JITTER = 1e-8
"""Relative increase of the diagonal of a matrix to invert, which equal landmarks make singular."""

BLOCK = 2000
"""Rows whose kernels with the landmarks are in memory together."""


def fit_kernel_machine(
    features: Array, target: Array, seed: int, *, weighted: int = 0
) -> tuple[Regressor, dict[str, str]]:
    """Fit a kernel machine whose C and γ are chosen by cross-validation on the same rows.

    Parameters
    ----------
    features : array of shape (n, d)
        NaN marks what is undefined; the column's median stands in for it.
    target : array of shape (n,)
    seed : int
        Of the inner folds.
    weighted : int
        Number of leading columns whose weights in the distance are learned; see :func:`_weights`. All other columns
        have equal weights, and `1 / SHARE` times their sum.

    Returns
    -------
    regressor : Regressor
    chosen : dict of str to str
        The parameters.
    """
    preparation = _Preparation.fit(features)
    prepared = preparation.of(features)
    offset, factor = float(target.mean()), float(target.std()) or 1.0
    scaled = (target - offset) / factor
    if weighted:
        roots = np.ones(prepared.shape[1])
        weights = _weights(prepared[:, :weighted], scaled, seed)
        others = len(roots) - weighted
        roots[:weighted] = np.sqrt(weights * (SHARE * others / weighted if others else 1.0))
        preparation = preparation.weighted(roots)
        prepared = preparation.of(features)
    target_scale = np.array([offset, factor])
    if len(prepared) > EXACT_ROWS:
        model, chosen = _fit_to_landmarks(prepared, scaled, seed)
        return preparation.regressor(model, target_scale), chosen
    cost, gamma = _search(prepared, scaled, seed)
    kernel = _kernel(squared_distances(prepared, prepared), gamma)
    machine = _machine(_svr(cost).fit(kernel, scaled), prepared, gamma)
    return preparation.regressor(machine, target_scale), {"C": f"{cost:g}", "gamma": f"{gamma:.3g}"}


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
    preparation = _Preparation.fit(features)
    prepared = preparation.of(features)
    present, labels = np.unique(target.astype(np.int64), return_inverse=True)
    columns = prepared.shape[1]

    def part(model: Model) -> Regressor:
        return preparation.regressor(model, np.array([0.0, 1.0]))

    if len(present) == 1:
        return of_models({int(present[0]): 0.0}, classes, part, columns), {}
    cost, gamma, slope, offsets = _search_classes(prepared, labels, seed)
    kernel = _kernel(squared_distances(prepared, prepared), gamma)
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


@dataclass(frozen=True, eq=False)
class _Preparation:
    """What is done to features before a machine reads them, as in :class:`zoo.models.regression.regressors.Regressor`.

    A fitted machine's vectors have the bits that its regressor makes of the same rows, so that it can be stored by rows
    (:mod:`zoo.models.regression.training_rows`).
    """

    fill: Array
    mean: Array
    scale: Array
    clip: Array

    @classmethod
    def fit(cls, features: Array) -> _Preparation:
        """Return the standardisation of features."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column that is undefined in all rows
            fill = np.nan_to_num(np.nanmedian(features, axis=0))
        filled = np.where(np.isnan(features), fill, features)
        mean, scale = filled.mean(axis=0), filled.std(axis=0)
        scale[scale < 1e-12] = 1.0
        return cls(fill, mean, scale, np.array([CLIP]))

    def weighted(self, roots: Array) -> _Preparation:
        """Return a preparation after which the columns are multiplied by the roots of their weights."""
        return replace(self, scale=self.scale / roots, clip=self.clip * roots)

    def of(self, features: Array) -> Array:
        """Return prepared features, rounded to single precision as a machine's vectors are."""
        prepared = standardised(features, self.fill, self.mean, self.scale, self.clip)
        return prepared.astype(np.float32).astype(np.float64)

    def regressor(self, model: Model, target: Array) -> Regressor:
        """Return a model with this preparation, and the offset and factor of its target."""
        return Regressor(model, self.fill, self.mean, self.scale, self.clip, target)


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
    squares, classes, labels = squared_distances(prepared[rows], prepared[rows]), int(labels.max()) + 1, labels[rows]
    best: tuple[float, float, float, float, Array] | None = None
    for relative in GAMMAS:
        gamma = relative / prepared.shape[1]
        kernel = _kernel(squares.copy(), gamma)
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
    squares, target = squared_distances(prepared[rows], prepared[rows]), target[rows]
    best = (np.inf, COSTS[0], GAMMAS[0])
    for relative in GAMMAS:
        gamma = relative / prepared.shape[1]
        kernel = _kernel(squares.copy(), gamma)
        for cost in COSTS:
            error = 0.0
            for fold in folds:
                rest = np.setdiff1d(np.arange(len(rows)), fold)
                machine = _svr(cost).fit(kernel[np.ix_(rest, rest)], target[rest])
                error += float(np.abs(machine.predict(kernel[np.ix_(fold, rest)]) - target[fold]).sum())
            best = min(best, (error, cost, gamma))
    return best[1], best[2]


def _weights(points: Array, target: Array, seed: int) -> Array:
    """Return a weight for each column: the mean square of a kernel machine's derivative by it, relative to their mean.

    The machine is one in which all columns weigh the same, and the mean is over the rows to which it was fitted.
    """
    rows = np.random.default_rng([seed, 5]).permutation(len(points))[:SEARCH_ROWS]
    points, target = points[rows], target[rows]
    cost, gamma = _search(points, target, seed)
    kernel = _kernel(squared_distances(points, points), gamma)
    fitted = _svr(cost).fit(kernel, target)
    kernel[:, fitted.support_] *= np.ravel(fitted.dual_coef_)
    kernel[:, np.setdiff1d(np.arange(len(rows)), fitted.support_)] = 0.0
    # Up to a factor of -2γ, the derivative at x_i is Σ_j a_j k(x_i, x_j) (x_i - x_j).
    derivatives = points * kernel.sum(axis=1)[:, None] - kernel @ points
    squares = (derivatives**2).mean(axis=0)
    mean = float(squares.mean())
    return np.maximum(squares / mean, LEAST_WEIGHT) if mean > 0 else np.ones(len(squares))


def _fit_to_landmarks(points: Array, target: Array, seed: int) -> tuple[KernelMachine, dict[str, str]]:
    """Minimise Σ |error| + ridge · aᵀKa / 2 over the coefficients a of the landmarks, by weighted least squares.

    γ and the strength of the ridge are those with the smallest mean absolute error on `HELD_ROWS` other rows, after
    the first of the least squares.
    """
    from scipy.linalg import solve

    order = np.random.default_rng([seed, 4]).permutation(len(points))
    held, tried, landmarks = order[:HELD_ROWS], order[HELD_ROWS:EXACT_ROWS], points[order[HELD_ROWS:][:LANDMARKS]]
    between = squared_distances(landmarks, landmarks)

    def kernels(rows: NDArray[np.int64], gamma: float) -> Array:
        return _kernel(squared_distances(points[rows], landmarks), gamma)

    def minimum(rows: NDArray[np.int64], weights: Array, gamma: float, ridges: Sequence[float]) -> list[Array]:
        gram, moment = np.zeros_like(between), np.zeros(len(landmarks))
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            kernel = kernels(block, gamma)
            weighted = (kernel * weights[block, None]).T
            gram += weighted @ kernel
            moment += weighted @ target[block]
        gram[np.diag_indices_from(gram)] *= 1 + JITTER
        penalty = _kernel(between.copy(), gamma)
        return [solve(gram + ridge * penalty, moment, assume_a="pos", overwrite_a=True) for ridge in ridges]

    weights = np.ones(len(points))
    best = (np.inf, GAMMAS[0], RIDGES[0])
    for gamma in (relative / points.shape[1] for relative in GAMMAS):
        kernel = kernels(held, gamma)
        for ridge, found in zip(RIDGES, minimum(tried, weights, gamma, RIDGES), strict=True):
            best = min(best, (float(np.abs(kernel @ found - target[held]).sum()), gamma, ridge))
    _, gamma, ridge = best
    for _ in range(ITERATIONS):
        (coefficients,) = minimum(order, weights, gamma, [ridge])
        for start in range(0, len(order), BLOCK):
            block = order[start : start + BLOCK]
            errors = np.abs(kernels(block, gamma) @ coefficients - target[block])
            weights[block] = 1 / np.maximum(errors, EPSILON)
    fitted = KernelMachine(landmarks.astype(np.float32), coefficients, np.zeros(1), np.array([gamma]))
    return fitted, {"landmarks": f"{len(landmarks)}", "ridge": f"{ridge:g}", "gamma": f"{gamma:.3g}"}


def _kernel(distances: Array, gamma: float) -> Array:
    """Turn squared distances into kernels, in place."""
    distances *= -gamma
    return np.exp(distances, out=distances)
