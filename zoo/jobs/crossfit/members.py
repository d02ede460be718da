"""The members of a blend, and how they are fitted on each fold.

:func:`default_members` lists the default members (docs/benchmarks/defaults.md says why). Random forests and extra
trees are not among them: alongside gradient boosting, they only took weight from better members.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.scaling import LIMIT_MARGIN, UNSCALED, TargetScaler
from zoo.errors import InputError
from zoo.jobs import baselines
from zoo.jobs.methods import Outcome, fit_network
from zoo.models.regression.blends import WeightedRegressor
from zoo.models.regression.conversion import classifier_from_sklearn, from_sklearn
from zoo.registry import plugins
from zoo.training.kernel_regression import fit_kernel_classifier, fit_kernel_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo._utils.devices import Device
    from zoo.data.splits import Split
    from zoo.jobs.crossfit.readout import ReadoutFit
    from zoo.jobs.methods import Dataset
    from zoo.models.network import CrystalNetwork
    from zoo.models.regression.blends import Inputs
    from zoo.models.regression.classifiers import Classifier
    from zoo.models.regression.regressors import Regressor
    from zoo.registry.contracts import TaskKind, Transform
    from zoo.training.fit import FitSettings

    Array = NDArray[np.float64]
    Fitted = tuple[Regressor | Classifier, dict[str, str]]
    Fit = Callable[..., Fitted]

STRUCTURE = "magpie-structure"

FROZEN = ("multi-113k-gatedgcn", "multi-113k", "dEf-91k", "Eg-NM", "dEf-NM")
"""Experts whose frozen vectors are features of a kernel machine; if none of these is available, all experts."""

WEIGHTED = "weighted "
"""In the name of a member: it learns weights of the featurizer's columns."""

BOOSTING = {"n_estimators": 300, "learning_rate": 0.05, "max_depth": 4, "subsample": 0.5, "max_features": 0.2}
"""Settings of gradient-boosted trees."""

_TRIAL_ROWS = 30

MAX_DEVIATION = 1e-3
"""Largest mean deviation of a converted baseline from the original, in scaled units: arrays have single precision."""


@dataclass(frozen=True, eq=False)
class NetworkMember:
    """Fine-tuned network as a member of a cross-fit.

    Parameters
    ----------
    name : str
    key : str
        Identifies the initial weights.
    initial : callable
        Returns the initial network of a seed, and its learning rates by depth. Picklable.
    settings : FitSettings
    vectors : tensor of shape (n, D) or None
        Vectors of its frozen experts, for all rows.
    device : {"auto", "cpu", "cuda"}
    fits : sequence of Outcome
        Its fit without each fold, if these are done: those of a network shared with other targets.
    """

    name: str
    key: str
    initial: Callable[[int], tuple[CrystalNetwork, dict[str, float]]]
    settings: FitSettings
    vectors: Tensor | None
    device: Device
    fits: Sequence[Outcome] = ()

    def outcome(
        self, dataset: Dataset, split: Split, _inputs: Inputs, on_epoch: Callable[..., None] | None = None
    ) -> Outcome:
        """Fit it on the training rows of a split, and predict all of its rows."""
        with tempfile.TemporaryDirectory() as folder:
            return fit_network(
                dataset,
                split,
                self.initial,
                self.settings,
                workdir=Path(folder),
                device=self.device,
                vectors=self.vectors,
                on_epoch=on_epoch,
                calibrate=False,  # its validation rows are the fold that it must not have seen
            )


@dataclass(frozen=True)
class RegressorMember:
    """Classical regressor as a member of a cross-fit.

    Parameters
    ----------
    name : str
        Display name.
    fit : callable
        (features, target, seed) → fitted regressor and the hyper-parameters chosen by an inner search. Picklable.
    transform : {"identity", "log10"}
        Transform of the target for fitting.
    featurizers : tuple of str
    experts : tuple of int
        Indices of the network's frozen experts whose vectors are additional features.
    digest : str
        Identifies a plugin's definition: finished fits of another one with the same name are not reused.
    weighted : bool
        Whether the fit learns weights of the featurizers' columns; it is then called with their number, `weighted`.
    """

    name: str
    fit: Fit
    transform: Transform
    featurizers: tuple[str, ...] = ()
    experts: tuple[int, ...] = ()
    digest: str = ""
    weighted: bool = False

    def outcome(self, dataset: Dataset, split: Split, inputs: Inputs) -> Outcome:
        """Fit it on the training rows of a split, and predict all of its rows."""
        began = time.monotonic()
        scaler, scaled = UNSCALED, dataset.targets[split.train]
        if not dataset.classes:
            scaler = TargetScaler.fit(scaled, self.transform, bound=None)
            scaled = scaler.scale(scaled)
            scaler = replace(scaler, limit=float(np.abs(scaled).max()) + LIMIT_MARGIN)
        features = inputs.of(self.featurizers, self.experts)
        options = {"weighted": inputs.of(self.featurizers, ()).shape[1]} if self.weighted else {}
        fitted, chosen = self.fit(features[split.train], scaled, split.seed, **options)
        regressor = WeightedRegressor(self.name, fitted, scaler, 0.0, self.featurizers, self.experts)
        rows = np.concatenate([split.train, split.val, split.test])
        predictions = dataset.unpredicted()
        predictions[rows] = regressor.predict(features[rows])
        return Outcome(predictions, seconds=time.monotonic() - began, parameters=chosen, regressor=regressor)


def default_members(
    dataset: Dataset,
    rows: NDArray[np.int64],
    experts: Sequence[str],
    beside: Sequence[str] = (),
    *,
    backbone: str = "",
    readout: ReadoutFit | None = None,
    featurizer: str = STRUCTURE,
) -> list[RegressorMember]:
    """Return the regressors of ``--mode blend``.

    Parameters
    ----------
    dataset : Dataset
    rows : array of int
        All rows except the test rows; log10 is also tried if their targets are all positive.
    experts : sequence of str
        Names of the network's frozen experts.
    beside : sequence of str
        Names of additional featurizers, combined with the structure's in further members; if one of them fails, only
        these members fail.
    backbone : str
        Name of the network's backbone, whose vectors are also read alone.
    readout : ReadoutFit, optional
        Fits a regression on the experts' predictions; see :func:`zoo.jobs.crossfit.readout.readout_fit`.
    featurizer : str
        What the members read besides the experts.
    """
    chosen = tuple(experts.index(name) for name in FROZEN if name in experts) or tuple(range(len(experts)))
    support = "svr"
    kernel: Fit = fit_kernel_machine
    boosting: Fit = fit_boosting
    if dataset.classes:
        support, kernel = "svc", partial(fit_kernel_classifier, classes=dataset.classes)
        boosting = partial(fit_boosted_classifier, classes=dataset.classes)
    frozen = " + frozen vectors" if chosen else ""
    kinds: list[tuple[str, Fit, tuple[str, ...], tuple[int, ...]]] = [
        (f"{support} on {featurizer}{frozen}", kernel, (featurizer,), chosen),
        (f"gradient boosting on {featurizer}", boosting, (featurizer,), ()),
    ]
    if dataset.classes and chosen:
        kinds += [
            (f"{support} on {featurizer}", kernel, (featurizer,), ()),
            (f"{support} on frozen vectors", kernel, (), chosen),
        ]
    elif not dataset.classes:
        kinds.append((f"{support} on {WEIGHTED}{featurizer}", kernel, (featurizer,), ()))
        if chosen:
            kinds.append((f"{support} on {WEIGHTED}{featurizer}{frozen}", kernel, (featurizer,), chosen))
    if backbone in experts and len(chosen) > 1:
        kinds.append((f"{support} on frozen vectors of {backbone}", kernel, (), (experts.index(backbone),)))
    if readout and not dataset.classes:
        kinds.append(("ridge on predictions of backbones", readout, (), tuple(range(len(experts)))))
    read = tuple(dict.fromkeys((featurizer, *beside)))
    if len(read) > 1:
        named = " + ".join(read)
        kinds += [
            (f"{support} on {'' if dataset.classes else WEIGHTED}{named}{frozen}", kernel, read, chosen),
            (f"gradient boosting on {named}", boosting, read, ()),
        ]
    positive = not dataset.classes and dataset.transform == "identity" and bool((dataset.targets[rows] > 0).all())
    scales: list[tuple[Transform, str]] = [(dataset.transform, "")]
    scales += [("log10", ", log10")] if positive else []
    return [
        RegressorMember(f"{name}{suffix}", fit, transform, featurizers, read_experts, weighted=WEIGHTED in name)
        for name, fit, featurizers, read_experts in kinds
        for transform, suffix in scales
    ]


def rows_of_fit(folds: Sequence[NDArray[np.int64]]) -> int:
    """Return the number of rows of a fit that leaves one fold out, for folds of equal size."""
    return sum(map(len, folds)) * (len(folds) - 1) // len(folds)


def network_member(
    backbone: str,
    key: str,
    initial: Callable[[int], tuple[CrystalNetwork, dict[str, float]]],
    settings: FitSettings,
    vectors: Tensor | None,
    device: Device,
) -> NetworkMember:
    """Return a fine-tuned backbone as a member; there are no validation rows, so the last epoch is kept."""
    last = replace(settings, keep="last", patience=None)
    return NetworkMember(f"{backbone} fine-tuned", key, initial, last, vectors, device)


def baseline_member(
    name: str, transform: Transform, classes: int = 0, replaced: Mapping[str, str] | None = None
) -> RegressorMember:
    """Return a registered baseline as a member; of a classification, with the number of classes.

    A featurizer may be replaced by another.

    Raises
    ------
    UnknownNameError
        If it or its featurizer does not exist.
    """
    baseline = plugins.baseline(name)
    digest = baselines.baseline_digest(name)
    read = (replaced or {}).get(baseline.featurizer, baseline.featurizer)
    return RegressorMember(name, _BaselineFit(name, classes), transform, (read,), (), digest)


@dataclass(frozen=True)
class _BaselineFit:
    """Fits a registered baseline; picklable."""

    name: str
    classes: int

    def __call__(self, features: Array, target: Array, seed: int) -> Fitted:
        fitted, chosen = baselines.fit_estimator(plugins.baseline(self.name), features, target, seed, self.classes)
        return _stored(self.name, fitted, features, self.classes), chosen


def check_storable(name: str, kind: TaskKind) -> None:
    """Check that a fitted baseline can be saved in a model, by a fit to a few random rows.

    Raises
    ------
    InputError
        If it cannot, with the reason.
    """
    if plugins.find("baseline", name).ours:  # tests check these
        return
    baseline, random = plugins.baseline(name), np.random.default_rng(0)
    classes = 2 if kind == "classification" else 0
    try:
        features = random.normal(size=(_TRIAL_ROWS, len(plugins.featurizer(baseline.featurizer).labels)))
        target = np.arange(_TRIAL_ROWS) % 2 if classes else random.normal(size=_TRIAL_ROWS)
        fitted = baseline.make(kind, 0).fit(features, target)
    except Exception:  # the fit to the user's rows will tell
        return
    _stored(name, fitted, features, classes)


def _stored(name: str, fitted: Any, features: Array, classes: int) -> Regressor | Classifier:
    """Return a fitted baseline as arrays."""
    if classes:
        classifier = classifier_from_sklearn(fitted, features.shape[1], classes)
        ours = classifier.predict(features)[:, [int(each) for each in fitted.classes_]]
        _check_same(name, ours / ours.sum(axis=1, keepdims=True), fitted.predict_proba(features))
        return classifier
    regressor = from_sklearn(fitted, features.shape[1])
    _check_same(name, regressor.predict(features), np.ravel(fitted.predict(features)))
    return regressor


def _check_same(name: str, ours: Array, theirs: Array) -> None:
    """Check that a converted baseline predicts what it did before: a plugin may do what the arrays do not express."""
    if np.abs(ours - theirs).mean() > MAX_DEVIATION * max(1.0, float(np.abs(theirs).max())):
        raise InputError(
            f"{name} cannot be saved in a model: stored as arrays, it predicts other values; its pipeline must be an "
            "imputer, a scaler and a clip, in this order and with default options, and a model that zoo can save"
        )


def fit_boosting(features: Array, target: Array, seed: int) -> tuple[Regressor, dict[str, str]]:
    """Fit gradient-boosted trees (Friedman, Comput. Stat. Data Anal. 38, 367 (2002)).

    Each tree is fitted to half of the rows; each split considers a fifth of the columns.
    """
    from sklearn.ensemble import GradientBoostingRegressor

    model = _imputed(GradientBoostingRegressor(**BOOSTING, random_state=seed))
    return from_sklearn(model.fit(features, target), features.shape[1]), {}


def fit_boosted_classifier(
    features: Array, target: Array, seed: int, *, classes: int
) -> tuple[Classifier, dict[str, str]]:
    """Fit gradient-boosted trees to positions of classes; see :func:`fit_boosting`."""
    from sklearn.ensemble import GradientBoostingClassifier

    model = _imputed(GradientBoostingClassifier(**BOOSTING, random_state=seed))
    return classifier_from_sklearn(model.fit(features, target), features.shape[1], classes), {}


def _imputed(trees: Any) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), trees)
