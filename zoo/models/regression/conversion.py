"""Conversion of fitted scikit-learn models to plain arrays, through their public attributes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import InputError
from zoo.models.regression.classifiers import Classifier, of_models
from zoo.models.regression.regressors import KernelMachine, LinearModel, Regressor, TreeEnsemble

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zoo.models.regression.classifiers import Link
    from zoo.models.regression.regressors import Model

    Array = NDArray[np.float64]
    Single = NDArray[np.float32]

PLAIN = (0.0, 1.0)
"""Offset and factor of a target that is not scaled."""


def from_sklearn(fitted: Any, columns: int) -> Regressor:
    """Convert a fitted scikit-learn regressor to plain arrays.

    Parameters
    ----------
    fitted : object
        A pipeline of an imputer, a scaler, a clip and a regressor. All steps but the last are optional, and the
        pipeline may be inside a grid search or a ``TransformedTargetRegressor``.
    columns : int
        Number of features used in the fit.

    Raises
    ------
    InputError
        If a step cannot be stored as arrays; the message names its type.
    """
    fitted = getattr(fitted, "best_estimator_", fitted)
    target = np.array(PLAIN)
    if hasattr(fitted, "transformer_"):
        scaler = fitted.transformer_
        if type(scaler).__name__ != "StandardScaler":
            raise _unknown(scaler)
        target = np.array([float(scaler.mean_[0]), float(scaler.scale_[0])])
        fitted = fitted.regressor_
    prepared, last = _preprocessing(fitted, columns)
    return prepared(_model(last, columns), target)


def classifier_from_sklearn(fitted: Any, columns: int, classes: int) -> Classifier:
    """Convert a fitted scikit-learn classifier to plain arrays.

    Parameters
    ----------
    fitted : object
        A pipeline as in :func:`from_sklearn`, with a classifier as its last step,
        fitted to positions of classes.
    columns : int
        Number of features used in the fit.
    classes : int
        Number of classes, some of which may be without training rows.

    Raises
    ------
    InputError
        If a step cannot be stored as arrays; the message names its type.
    """
    fitted = getattr(fitted, "best_estimator_", fitted)
    prepared, model = _preprocessing(fitted, columns)

    def make(part: Model) -> Regressor:
        return prepared(part, np.array(PLAIN))

    name, present = type(model).__name__, [int(each) for each in model.classes_]
    models: dict[int, Model | float]
    if name == "DummyClassifier" and model.strategy == "prior":
        models = {each: float(share) for each, share in zip(present, model.class_prior_, strict=True)}
        return of_models(models, classes, make, columns, "identity")
    if name in ("RandomForestClassifier", "ExtraTreesClassifier"):
        trees = [each.tree_ for each in model.estimators_]
        models = {each: _trees(trees, 0.0, 1 / len(trees), columns, position) for position, each in enumerate(present)}
        return of_models(models, classes, make, columns, "identity")
    logits: list[Model]
    if name == "GradientBoostingClassifier":
        rate, zero = float(model.learning_rate), np.zeros((1, columns))
        sums = [_trees([each.tree_ for each in stage], 0.0, rate, columns) for stage in model.estimators_.T]
        offsets = np.ravel(model.decision_function(zero)) - [float(each.predict(zero)[0]) for each in sums]
        logits = [replace(each, base=np.array([offset])) for each, offset in zip(sums, offsets, strict=True)]
    elif name == "CalibratedClassifierCV":
        logits = _calibrated(model)
    elif hasattr(model, "coef_") and hasattr(model, "predict_proba") and np.shape(model.coef_)[1] == columns:
        logits = [
            LinearModel(np.asarray(row, dtype=np.float64), np.array([float(offset)]))
            for row, offset in zip(model.coef_, model.intercept_, strict=True)
        ]
    else:
        raise InputError(
            f"a {name} cannot be saved in a model; what can: logistic regression, forests, extra trees, gradient "
            "boosting, support vector machines with calibrated probabilities; before them imputer, scaler and np.clip"
        )
    if len(logits) == 1:  # the log-odds of the second of two classes
        return of_models({present[0]: 0.0, present[1]: logits[0]}, classes, make, columns)
    link: Link = "sigmoid" if name == "CalibratedClassifierCV" else "softmax"
    return of_models(dict(zip(present, logits, strict=True)), classes, make, columns, link)


def _calibrated(model: Any) -> list[Model]:
    """Return the logits of support vector machines with Platt's calibration, each of one class against all others."""
    (fitted, *others) = model.calibrated_classifiers_
    machines = getattr(fitted.estimator, "estimators_", [fitted.estimator])
    if others or not all(_is_gaussian(each, "SVC") and len(each.classes_) == 2 for each in machines):
        raise InputError(
            "a CalibratedClassifierCV can be saved in a model with ensemble=False, and around an SVC with a Gaussian "
            "kernel and a number for gamma, or, of three classes or more, a OneVsRestClassifier of it"
        )
    if model.method != "sigmoid":
        raise InputError(
            f"a CalibratedClassifierCV can be saved in a model with method='sigmoid', not {model.method!r}"
        )
    logits: list[Model] = []
    for machine, platt in zip(map(_kernel_machine, machines), fitted.calibrators, strict=True):
        # Of a decision value f, the probability is 1 / (1 + exp(a f + b)).
        logits.append(
            replace(
                machine,
                coefficients=-platt.a_ * machine.coefficients,
                intercept=-platt.a_ * machine.intercept - platt.b_,
            )
        )
    return logits


def _preprocessing(fitted: Any, columns: int) -> tuple[Callable[[Model, Array], Regressor], Any]:
    """Return a function that adds the preprocessing of a pipeline to a model, and the last step of the pipeline."""
    steps = [step for _, step in fitted.steps] if hasattr(fitted, "steps") else [fitted]
    fill, mean, scale = np.zeros(columns), np.zeros(columns), np.ones(columns)
    clip = np.array([np.inf])
    for step in steps[:-1]:
        name = type(step).__name__
        if name == "SimpleImputer" and len(step.statistics_) == columns:
            fill = np.nan_to_num(np.asarray(step.statistics_, dtype=np.float64))
        elif name == "StandardScaler":
            mean, scale = np.asarray(step.mean_, dtype=np.float64), np.asarray(step.scale_, dtype=np.float64)
        elif name == "FunctionTransformer" and step.func is np.clip:
            clip = np.array([float(step.kw_args["a_max"])])
        else:
            raise _unknown(step)

    def prepared(model: Model, target: Array) -> Regressor:
        return Regressor(model, fill, mean, scale, clip, target)

    return prepared, steps[-1]


def _model(fitted: Any, columns: int) -> Model:
    name = type(fitted).__name__
    if name == "DummyRegressor":
        return LinearModel(np.zeros(columns), np.ravel(fitted.constant_).astype(np.float64))
    if _is_gaussian(fitted, "SVR"):
        return _kernel_machine(fitted)
    if name in ("RandomForestRegressor", "ExtraTreesRegressor"):
        trees = [each.tree_ for each in fitted.estimators_]
        return _trees(trees, 0.0, 1 / len(trees), columns)
    if name == "GradientBoostingRegressor":
        trees = [each.tree_ for each in np.ravel(fitted.estimators_)]
        base = float(np.ravel(fitted.init_.constant_)[0]) if hasattr(fitted.init_, "constant_") else 0.0
        return _trees(trees, base, float(fitted.learning_rate), columns)
    fitted = getattr(fitted, "model_", fitted)
    if hasattr(fitted, "coef_") and hasattr(fitted, "intercept_") and np.size(fitted.coef_) == columns:
        # Use the prediction at zero instead of `intercept_`, because PLSRegression centres its features internally.
        at_zero = np.ravel(fitted.predict(np.zeros((1, columns)))).astype(np.float64)
        return LinearModel(np.ravel(fitted.coef_).astype(np.float64), at_zero)
    raise _unknown(fitted)


def _is_gaussian(fitted: Any, name: str) -> bool:
    """Whether it is a support vector machine whose kernel is a Gaussian with a given γ."""
    return type(fitted).__name__ == name and fitted.kernel == "rbf" and not isinstance(fitted.gamma, str)


def _kernel_machine(fitted: Any) -> KernelMachine:
    coefficients, intercept = np.ravel(fitted.dual_coef_), np.ravel(fitted.intercept_)
    vectors, gamma = np.asarray(fitted.support_vectors_, dtype=np.float32), np.array([float(fitted.gamma)])
    return KernelMachine(vectors, coefficients, intercept, gamma)


def _trees(trees: list[Any], base: float, rate: float, columns: int, output: int = 0) -> TreeEnsemble:
    """Return the ensemble of fitted trees; of those of a classifier, `output` is the position of the class."""
    starts = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])])
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("features", "thresholds", "values", "left", "right")}
    for start, tree in zip(starts[:-1], trees, strict=True):
        leaf, own = tree.children_left < 0, np.arange(tree.node_count)
        parts["features"].append(np.where(leaf, -1, tree.feature))
        parts["thresholds"].append(np.where(leaf, 0.0, tree.threshold))
        parts["values"].append(tree.value[:, 0, output])
        for name, children in (("left", tree.children_left), ("right", tree.children_right)):
            parts[name].append(np.where(leaf, own, children) + start)
    nodes = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return TreeEnsemble(
        roots=starts[:-1].astype(np.int32),
        features=nodes["features"].astype(np.int32),
        thresholds=_round_down(nodes["thresholds"]),
        values=nodes["values"].astype(np.float32),
        left=nodes["left"].astype(np.int32),
        right=nodes["right"].astype(np.int32),
        base=np.array([base]),
        rate=np.array([rate]),
        width=np.array([columns], dtype=np.int32),
    )


def _round_down(thresholds: Array) -> Single:
    """Round to single precision towards -∞, so that comparisons with single-precision features are unchanged."""
    single = thresholds.astype(np.float32)
    above = single.astype(np.float64) > thresholds
    single[above] = np.nextafter(single[above], np.float32(-np.inf))
    return single


def _unknown(step: Any) -> InputError:
    return InputError(
        f"a {type(step).__name__} cannot be saved in a model; what can: SVR with a Gaussian kernel and a number for "
        "gamma, forests, extra trees, gradient boosting, linear models; before them imputer, scaler and np.clip"
    )
