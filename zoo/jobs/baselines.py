"""Classical baselines: regressors on the vectors of featurizers, fitted on the same splits as the networks."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from zoo._utils.progress import progress
from zoo._utils.wording import counted
from zoo.data.composition import Composition, composition_vectors
from zoo.data.graphs.memory import memory, vectors_kind
from zoo.data.scaling import UNSCALED, TargetScaler
from zoo.errors import InputError, PluginError
from zoo.jobs.methods import Outcome
from zoo.registry import plugin_versions, plugins
from zoo.registry.plugin_files import one_line_with_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from zoo._utils.progress import Bar
    from zoo.data.crystal import Crystal
    from zoo.data.splits import Split
    from zoo.jobs.fit_store import FitStore
    from zoo.jobs.methods import Dataset
    from zoo.registry.contracts import Baseline, Featurizer, TaskKind

Features: TypeAlias = "NDArray[np.float64] | PluginError"
"""Vectors of all rows, shape (n, d), or the error of a featurizer that failed."""

MAJORITY = "majority"
"""Baseline of a classification that ignores the crystals."""

COMPOSITION = {"magpie-structure": "magpie"}
"""Featurizer of structures → the one that takes its place if only formulas are known."""

MIN_OF_CLASS = 5
"""Minimum number of rows of a class: with fewer, some baselines cannot be fitted, and some folds have no row of it."""

CHUNK = 50
"""Number of crystals per call of a featurizer."""


def check_kind(name: str, kind: TaskKind) -> None:
    """Check that a baseline serves a kind of task.

    Raises
    ------
    InputError
        If it does not; the message names those of zoo that do.
    """
    if kind in plugins.baseline(name).kinds:
        return
    ours = [plugin.name for plugin in plugins.plugins("baseline") if plugin.ours]
    others = ", ".join(each for each in ours if kind in plugins.baseline(each).kinds)
    raise InputError(f"the baseline {name} serves no {kind}; those that do: {others}")


def find_baselines(names: Sequence[str], kind: TaskKind = "regression") -> dict[str, str]:
    """Map the display name of each baseline to its requested name, without repetitions.

    If two plugins have baselines of the same name, the display names keep the package names.

    Raises
    ------
    UnknownNameError
        If a baseline or its featurizer does not exist.
    InputError
        If a baseline does not serve the kind of task.
    """
    for name in names:
        check_kind(name, kind)
    asked = {baseline_digest(name): name for name in names}
    own = {name: plugins.baseline(name).name for name in asked.values()}
    times = Counter(own.values())
    return {short if times[short] == 1 else name: name for name, short in own.items()}


def baseline_digest(name: str) -> str:
    """Return the SHA-256 of the definition of a baseline, including its featurizer and grid."""
    baseline = plugins.baseline(name)
    parts = [
        plugin_versions.identity("baseline", name),
        plugin_versions.identity("featurizer", baseline.featurizer),
        {key: [str(value) for value in values] for key, values in baseline.grid.items()},
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def fit_baselines(
    names: dict[str, str],
    crystals: Sequence[Crystal],
    dataset: Dataset,
    splits: Sequence[Split],
    store: FitStore,
    *,
    quiet: bool,
    known: dict[str, Features] | None = None,
) -> dict[str, list[Outcome]]:
    """Fit baselines on every split, or read stored fits.

    Parameters
    ----------
    names : dict of str to str
        As :func:`find_baselines` returns it.
    crystals : sequence of Crystal
        Of all rows of the data set.
    dataset : Dataset
    splits : sequence of Split
    store : FitStore
    quiet : bool
        Show no progress.
    known : dict of featurizer to array, optional
        Precomputed vectors.

    Raises
    ------
    PluginError
        If one fails; finished fits are kept.
    """
    if not names:
        return {}
    baselines = {shown: plugins.baseline(name) for shown, name in names.items()}
    digests = {shown: baseline_digest(name)[:12] for shown, name in names.items()}
    features = dict(known or {})
    replaced = COMPOSITION if crystals and isinstance(crystals[0], Composition) else {}
    reads = {shown: replaced.get(each.featurizer, each.featurizer) for shown, each in baselines.items()}
    if kinds := set(reads.values()) - features.keys():
        with progress("featurizing", len(kinds) * len(crystals), "crystals", quiet=quiet) as bar:
            features |= featurize(kinds, crystals, bar)
    outcomes: dict[str, list[Outcome]] = {shown: [] for shown in baselines}
    with progress("baselines", len(baselines) * len(splits), "fits", quiet=quiet) as bar:
        for split in splits:
            for shown, baseline in baselines.items():
                name = f"baseline-{baseline.name}-{digests[shown]}-{split.seed}"
                outcome = store.get(name)
                if outcome is None:
                    try:
                        outcome = fit_baseline(dataset, split, baseline, features[reads[shown]])
                    except PluginError as error:
                        raise PluginError(
                            f"{error}; finished fits are kept: continue with --resume, without this baseline if need be"
                        ) from error
                    store.put(name, outcome)
                outcomes[shown].append(outcome)
                bar.advance(1, f"{split.label}, {shown}")
    return outcomes


def featurize(names: Iterable[str], crystals: Sequence[Crystal], bar: Bar) -> dict[str, Features]:
    """Compute the vectors of featurizers.

    Returns
    -------
    dict of featurizer name to array of shape (n, d) or PluginError
        The error of a featurizer that raises or returns an array of the wrong shape; only fits to its vectors fail.
    """
    features: dict[str, Features] = {}
    for name in sorted(set(names)):
        try:
            features[name] = vectors(name, crystals, bar)
        except PluginError as error:
            features[name] = error
    return features


def vectors(name: str, crystals: Sequence[Crystal], bar: Bar | None = None) -> NDArray[np.float64]:
    """Return the vectors of a featurizer given by name, shape (n, d).

    Those that were computed in this process before are taken from memory.

    Raises
    ------
    PluginError
        If it raises, or returns an array of the wrong shape.
    UnknownNameError
        If there is no featurizer of the name.
    """
    featurizer = plugins.featurizer(name)

    def compute(missing: list[int]) -> list[NDArray[np.float64]]:
        if bar:
            bar.advance(len(crystals) - len(missing), name)
        rows: list[NDArray[np.float64]] = []
        for start in range(0, len(missing), CHUNK):
            chunk = [crystals[position] for position in missing[start : start + CHUNK]]
            rows += [row.copy() for row in _matrix(name, featurizer, chunk)]  # a row alone does not keep the matrix
            if bar:
                bar.advance(len(chunk), name)
        return rows

    rows = memory.recall(vectors_kind(name), crystals, compute)
    if len({len(row) for row in rows}) > 1:
        raise PluginError(f"featurizer {name!r} changed its number of labels between calls")
    return np.stack(rows)


def _matrix(name: str, featurizer: Featurizer, crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    """Call a featurizer, and check what it returns."""
    from_arrays = getattr(featurizer, "featurize_crystals", None)
    try:
        if isinstance(crystals[0], Composition):
            given = np.asarray(composition_vectors(name, featurizer, crystals))
        elif from_arrays is None:
            given = np.asarray(featurizer.featurize([crystal.to_structure() for crystal in crystals]))
        else:
            given = np.asarray(from_arrays([_copy(crystal) for crystal in crystals]))
        labels = len(featurizer.labels)
        matrix = given if np.iscomplexobj(given) else given.astype(np.float64)
    except BaseException as error:  # a plugin may raise anything
        if type(error) is KeyboardInterrupt:  # Ctrl-C, and no plugin's own kind of it
            raise
        raise PluginError(f"featurizer {name!r} failed: {one_line_with_place(error)}") from error
    if np.iscomplexobj(matrix) or matrix.shape != (len(crystals), labels):
        raise PluginError(
            f"featurizer {name!r} returned a {matrix.dtype} array of shape {matrix.shape} for {len(crystals)} crystals "
            f"and {labels} labels"
        )
    return matrix


def composition_featurizer(name: str) -> str:
    """Return the featurizer of compositions in place of a featurizer: itself, or the one that `COMPOSITION` names.

    Raises
    ------
    InputError
        If there is none.
    """
    found = COMPOSITION.get(name, name)
    if not hasattr(plugins.featurizer(found), "featurize_compositions"):
        raise InputError(f"the featurizer {name} reads structures, and the table has formulas alone")
    return found


def _copy(crystal: Crystal) -> Crystal:
    """Return a copy, since a plugin may change its input."""
    return type(crystal)(crystal.numbers.copy(), crystal.lattice.copy(), crystal.frac.copy())


def fit_baseline(dataset: Dataset, split: Split, baseline: Baseline, features: Features) -> Outcome:
    """Fit a baseline on the training rows of a split.

    Its hyper-parameters are searched by five-fold cross-validation inside the training rows; validation rows
    are not used, test rows are predicted once.

    Parameters
    ----------
    features : array of shape (n, d) or PluginError
        Vectors of all rows; only the training rows are fitted.

    Raises
    ------
    PluginError
        If its featurizer failed, the baseline raises, or its predictions are not finite.
    """
    if isinstance(features, PluginError):
        raise features
    began = time.monotonic()
    scaler = UNSCALED
    if not dataset.classes:
        scaler = TargetScaler.fit(dataset.targets[split.train], dataset.transform, bound=None)
    rows = np.concatenate([split.train, split.val, split.test])
    predictions = dataset.unpredicted()
    try:
        targets = scaler.scale(dataset.targets[split.train])
        model, chosen = fit_estimator(baseline, features[split.train], targets, split.seed, dataset.classes)
        if dataset.classes:
            predicted = _probabilities(model, features[rows], dataset.classes, len(split.train))
        else:
            predicted = np.ravel(model.predict(features[rows]))
        if len(predicted) != len(rows):
            raise ValueError(f"predict gives {len(predicted)} numbers for {len(rows)} rows")
        predictions[rows] = scaler.unscale(predicted)
    except BaseException as error:  # a plugin may raise anything
        if type(error) is KeyboardInterrupt:  # Ctrl-C, and no plugin's own kind of it
            raise
        raise PluginError(f"baseline {baseline.name!r} failed: {one_line_with_place(error)}") from error
    if lost := int((~np.isfinite(predictions[rows])).sum()):
        raise PluginError(f"baseline {baseline.name!r} failed: {lost} of its {len(rows)} predictions are not finite")
    return Outcome(predictions, seconds=time.monotonic() - began, parameters=chosen)


def _probabilities(model: Any, features: NDArray[np.float64], classes: int, trained: int) -> NDArray[np.float64]:
    """Return the probabilities of all classes, shape (n, classes).

    None is below 1 / (rows + classes): from so few training rows, nobody can say that a class never occurs, and the
    logarithmic loss of a probability of 0 would be infinite.
    """
    found = np.zeros((len(features), classes))
    found[:, [int(each) for each in model.classes_]] = model.predict_proba(features)
    found = np.maximum(found, 1 / (trained + classes))
    probabilities: NDArray[np.float64] = found / found.sum(axis=1, keepdims=True)
    return probabilities


def fit_estimator(
    baseline: Baseline, features: NDArray[np.float64], targets: NDArray[np.float64], seed: int, classes: int = 0
) -> tuple[Any, dict[str, str]]:
    """Fit a baseline's model, with hyper-parameters chosen by five-fold cross-validation within the rows.

    They keep their defaults if a class has one row only.

    Parameters
    ----------
    baseline : Baseline
    features : array of shape (n, d)
    targets : array of shape (n,)
    seed : int
    classes : int
        Number of classes, whose positions are the targets; 0 if targets are numbers.

    Returns
    -------
    model : scikit-learn regressor or classifier
    chosen : dict of str to str
        Hyper-parameters chosen by the search.

    Raises
    ------
    InputError
        If a class has too few rows for a baseline that cross-validates itself.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold

    model, folds = baseline.make("classification" if classes else "regression", seed), min(5, len(targets))
    if classes:
        targets = targets.astype(np.int64)
        folds = min(folds, int(np.unique(targets, return_counts=True)[1].min()))
    if baseline.grid and folds > 1:  # otherwise a class has one row, which no fold could both train and test
        cut = StratifiedKFold if classes else KFold
        model = GridSearchCV(
            model,
            {name: list(values) for name, values in baseline.grid.items()},
            scoring="neg_log_loss" if classes else "neg_mean_absolute_error",
            cv=cut(folds, shuffle=True, random_state=seed),
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model.fit(features, targets)
        except ValueError:
            fewest = np.unique(targets, return_counts=True)[1].min() if classes else MIN_OF_CLASS
            if fewest >= MIN_OF_CLASS:
                raise
            raise InputError(
                f"a class has {counted(int(fewest), 'row')} to train on, too few for the baseline's cross-validation; "
                f"give {MIN_OF_CLASS} or more of each class, or leave the class out"
            ) from None
    return model, {name: str(value) for name, value in getattr(model, "best_params_", {}).items()}
