"""Cross-fitting: out-of-fold predictions of all rows except the test rows, and the blend fitted to them.

The rows are split into folds. Each member is fitted once without each fold, and predicts that fold and the test rows.
The weights of the members are determined from the out-of-fold predictions alone (:mod:`zoo.analysis.blending`). All
fits are kept: member k of the checkpoint is the weighted sum of the fits without fold k.

Intervals are calibrated by the residuals of the out-of-fold predictions, each divided by an estimate of its row's
difficulty (:mod:`zoo.analysis.difficulty`), and centred on the mean of all fits. Each residual is that of a single fit,
and the mean of all fits errs less, so the intervals tend to be slightly too wide. Those of CV+ (Barber et al., Ann.
Stat. 49, 486 (2021)), which add the spread of the fits to the residuals, are wider still
(docs/explanation/intervals.md).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.wording import listed
from zoo.analysis import conformal
from zoo.analysis.blending import blend_weights
from zoo.analysis.difficulty import Difficulty, disagreement, fit_difficulty, held_out_scales
from zoo.analysis.metrics import row_errors
from zoo.analysis.probabilities import fit_temperature, tempered
from zoo.data.scaling import TargetScaler, restored, transformed
from zoo.data.splits import cut_folds
from zoo.errors import InputError, TrainingError
from zoo.jobs import methods
from zoo.jobs.crossfit.fold_fits import fit_all
from zoo.jobs.crossfit.members import NetworkMember, RegressorMember
from zoo.models.checkpoint.schema import FOLD_RESIDUALS
from zoo.models.regression.blends import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo._utils.devices import Device
    from zoo._utils.progress import Bar
    from zoo.data.splits import How, Split
    from zoo.data.tables.records import Record
    from zoo.jobs.fit_store import FitStore
    from zoo.jobs.methods import Dataset, Outcome
    from zoo.models.checkpoint.networks import Member
    from zoo.models.regression.blends import Inputs

    Array = NDArray[np.float64]

FOLDS, MAX_FOLDS = 5, 10
"""Number of folds for large and for small tables."""

MIN_ROWS, MIN_NETWORK_ROWS = 5, 12
"""Minimum number of rows for a cross-fit, and for a network as one of its members, without test rows."""

ROWS_OF_FIVE_FOLDS = 500
"""Number of rows below which there are more than five folds, so that each fit keeps more of the few rows."""

_log = logging.getLogger("zoo")


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Cross-fit of one seed.

    Parameters
    ----------
    outcome : Outcome
        Predictions of the blend: out of fold for the rows of the folds, by the mean of all fits for the others.
    folds : list of array
    members : list of Member
        Calibrated members of the checkpoint, one per fold.
    weights : dict of str to float
        Weight of each member; 0 if it adds nothing.
    errors : dict of str to float
        Out-of-fold mean absolute error of each member in the transformed space, or its logarithmic loss.
    untransferred : float or None
        The same of a blend of the members that read no pretrained network; None if there are none, or no others.
    failed : dict of str to str
        Members that were left out, with the reason.
    history : dict of str to list of dict
        Training history of each fit of a network.
    target, center, scale : arrays of shape (n,)
        Targets and predictions in the transformed space, and the estimated difficulty of the predictions. Of K classes,
        the predictions are probabilities of shape (n, K).
    parts : dict of str to array of shape (n,)
        Out-of-fold predictions of each member in the transformed space, or the probabilities of classes; NaN for rows
        outside the folds.
    difficulty : Difficulty
    """

    outcome: Outcome
    folds: list[NDArray[np.int64]]
    members: list[Member]
    weights: dict[str, float]
    errors: dict[str, float]
    untransferred: float | None
    failed: dict[str, str]
    history: dict[str, list[dict[str, float]]]
    target: Array
    center: Array
    scale: Array
    parts: dict[str, Array]
    difficulty: Difficulty

    @property
    def rows(self) -> NDArray[np.int64]:
        """All rows that were cross-fitted, ascending."""
        return np.sort(np.concatenate(self.folds))

    @property
    def error(self) -> float:
        """Out-of-fold mean absolute error of the blend in the transformed space, or its logarithmic loss."""
        return float(row_errors(self.target[self.rows], self.center[self.rows]).mean())

    @property
    def calibration(self) -> tuple[float, ...]:
        """Residuals of all members, absolute and divided by the difficulty, ascending."""
        return tuple(sorted(value for member in self.members for value in member.calibration))

    def half_widths(self, rows: NDArray[np.int64], level: float) -> Array | None:
        """Return the half-widths of the intervals of rows in the transformed space; None if there are too few rows."""
        half = conformal.half_width(self.calibration, level)
        return None if half is None else half * self.scale[rows]

    def covered(self, rows: NDArray[np.int64], level: float) -> float | None:
        """Return the fraction of test rows within their intervals; None without intervals or test rows."""
        widths = self.half_widths(rows, level)
        if widths is None or not len(rows):
            return None
        return float((np.abs(self.center - self.target)[rows] <= widths).mean())


def folds_of(
    records: Sequence[Record], rows: NDArray[np.int64], *, seed: int, how: How, stratify: bool = False
) -> list[NDArray[np.int64]]:
    """Split rows into 5 folds, or up to 10 for small tables.

    Parameters
    ----------
    records : sequence of Record
        All records.
    rows : array of int
        Positions of the rows available for training.
    seed : int
    how : {"random", "composition", "chemsys"}
        Grouping of rows that must stay in the same fold.
    stratify : bool
        Whether targets are positions of classes, whose shares are the same in all folds.

    Raises
    ------
    InputError
        If there are fewer than `MIN_ROWS` rows or too few groups.
    """
    rows = np.sort(rows)
    if len(rows) < MIN_ROWS:
        raise InputError(
            f"a cross-fit needs {MIN_ROWS} rows besides the test rows, and there are {len(rows)}; give more rows"
        )
    count = int(np.clip(FOLDS * ROWS_OF_FIVE_FOLDS // len(rows), FOLDS, MAX_FOLDS))
    while True:
        try:
            return cut_folds(records, rows, seed=seed, how=how, folds=count, stratify=stratify)
        except InputError:
            if count == 2:
                raise
            count -= 1


def fold_splits(split: Split, folds: Sequence[NDArray[np.int64]]) -> list[Split]:
    """Return a split for each fold, whose rows are its validation rows; rows outside of all folds are test rows."""
    rows = np.sort(np.concatenate(folds))
    unseen = np.setdiff1d(np.concatenate([split.train, split.val, split.test]), rows)
    return [replace(split, train=np.setdiff1d(rows, fold), val=fold, test=unseen) for fold in folds]


def cross_fit(
    members: Sequence[NetworkMember | RegressorMember],
    dataset: Dataset,
    split: Split,
    folds: Sequence[NDArray[np.int64]],
    inputs: Inputs,
    idle: Callable[[], Member],
    *,
    store: FitStore | None = None,
    device: Device = "cpu",
    processes: int | None = None,
    broken: Mapping[str, str] | None = None,
    bar: Bar | None = None,
    say: Callable[[str], None] = _log.warning,
) -> CrossFit:
    """Fit all members on all folds, and blend them.

    Parameters
    ----------
    members : sequence of NetworkMember or RegressorMember
    dataset : Dataset
    split : Split
        Rows of the split outside the folds are predicted by the mean of all fits.
    folds : sequence of array
        Folds from :func:`folds_of`.
    inputs : Inputs
        Features of the regressors, for all rows.
    idle : callable
        Returns a checkpoint member whose network has weight 0, for a blend without a network.
    store : FitStore, optional
        Store of finished fits, read and written.
    device : {"auto", "cpu", "cuda"}
        On a GPU, networks are fitted sequentially; on CPUs, all fits run in single-threaded processes.
    processes : int, optional
        By default one per core.
    broken : mapping of str to str, optional
        Featurizers without vectors, with the reason; the members that read one are left out.
    bar : Bar, optional
        Progress bar, advanced by one for each fit.
    say : callable
        Called with a line for each reason for which members are left out.

    Raises
    ------
    InputError
        If all targets are equal.
    TrainingError
        If every member failed.
    """
    rows = np.sort(np.concatenate(folds))
    if not dataset.classes:
        TargetScaler.fit(dataset.targets[rows], dataset.transform)  # raises an error if all targets are equal
    splits = fold_splits(split, folds)
    unseen = splits[0].test
    left_out = _left_out(members, len(rows), broken or {})
    if bar and left_out:
        bar.skip(len(folds) * len(left_out), f"{next(iter(left_out))}: left out")
    members = [each for each in members if each.name not in left_out]
    fits, failed = fit_all(members, dataset, splits, inputs, store, device, processes, bar)
    failed = left_out | failed
    if not fits:
        (name, why), *others = failed.items()
        raise TrainingError(f"{'every member of the blend failed; ' if others else ''}{name}: {why}")
    for why in dict.fromkeys(failed.values()):
        names = [name for name, reason in failed.items() if reason == why]
        say(f"{listed(names)} {'is' if len(names) == 1 else 'are'} left out of the blend: {why}")
    transform = dataset.transform
    target = transformed(dataset.targets, transform)
    # Clipped only after the sum, as in a saved model.
    values = {
        name: np.stack([transformed(each.predictions, transform) for each in outcomes])
        for name, outcomes in fits.items()
    }
    held = {name: _held(each, folds, len(target)) for name, each in values.items()}
    errors = {name: float(row_errors(target[rows], each[rows]).mean()) for name, each in held.items()}
    weights = dict.fromkeys(errors, 0.0) | _weights(errors, held, target, rows, split.seed)
    used = {name: weight for name, weight in weights.items() if weight}
    used_shares, used_values = np.array(list(used.values())), np.stack([values[name] for name in used])
    centers = np.tensordot(used_shares, used_values, axes=1)
    spreads = np.zeros(centers.shape[:2]) if dataset.classes else disagreement(used_values, used_shares)
    if np.ptp(centers[:, np.concatenate([rows, unseen])], axis=1).max() <= 1e-9 * target[rows].std():
        what = "probabilities" if dataset.classes else "number"
        say(f"the model predicts the same {what} for every row: nothing was learned from this table")
    temperature = 1.0
    if dataset.classes:
        temperature = fit_temperature(target[rows], _held(centers, folds, len(target))[rows])
        centers = tempered(centers, temperature)
    center, spread = _held(centers, folds, len(target)), _held(spreads, folds, len(target))
    center[unseen], spread[unseen] = centers[:, unseen].mean(axis=0), spreads[:, unseen].mean(axis=0)
    predictions = clip(restored(center, transform), dataset.valid)
    center = transformed(predictions, transform)
    parts = [{name: fits[name][fold] for name in used} for fold in range(len(folds))]
    made = [_member(each, used, split.seed, idle) for each in parts]
    difficulty, scale = Difficulty(), np.ones(len(target))
    if dataset.classes:
        made = [replace(each, temperature=temperature) for each in made]
    else:
        residuals = np.abs(center - target)
        difficulty = fit_difficulty(residuals[rows], spread[rows])
        scale = held_out_scales(difficulty, residuals, spread, folds)
        ratios = residuals / scale
        made = [
            replace(each, calibration=conformal.sketch(ratios[held_rows], FOLD_RESIDUALS), difficulty=difficulty)
            for each, held_rows in zip(made, folds, strict=True)
        ]
    seconds = sum(each.seconds for outcomes in fits.values() for each in outcomes)
    history = {
        f"{name}, fold {fold + 1}": each.history
        for name, outcomes in fits.items()
        for fold, each in enumerate(outcomes)
        if each.history
    }
    own = {each.name: errors[each.name] for each in members if each.name in errors and not _transfers(each)}
    untransferred = None
    if 0 < len(own) < len(errors):
        shares = _weights(own, held, target, rows, split.seed)
        alone = np.sum([weight * held[name] for name, weight in shares.items()], axis=0)
        alone = transformed(clip(restored(alone, transform), dataset.valid), transform)
        if dataset.classes:
            alone = tempered(alone, fit_temperature(target[rows], alone[rows]))
        untransferred = float(row_errors(target[rows], alone[rows]).mean())
    outcome = methods.Outcome(predictions, seconds=seconds, member=made[0])
    return CrossFit(
        outcome,
        list(folds),
        made,
        weights,
        errors,
        untransferred,
        failed,
        history,
        target,
        center,
        scale,
        parts=held,
        difficulty=difficulty,
    )


def _left_out(
    members: Sequence[NetworkMember | RegressorMember], rows: int, broken: Mapping[str, str]
) -> dict[str, str]:
    """Return the members with too few rows, or without the vectors that they read, with the reason."""
    found = {}
    for each in members:
        if isinstance(each, NetworkMember):
            if rows < MIN_NETWORK_ROWS:
                found[each.name] = f"it needs {MIN_NETWORK_ROWS} rows besides the test rows, and there are {rows}"
        elif lost := [name for name in each.featurizers if name in broken]:
            found[each.name] = broken[lost[0]]
    return found


def _transfers(member: NetworkMember | RegressorMember) -> bool:
    """Return whether a member reads a pretrained network."""
    return isinstance(member, NetworkMember) or bool(member.experts)


def _weights(
    errors: dict[str, float], held: dict[str, Array], target: Array, rows: NDArray[np.int64], seed: int
) -> dict[str, float]:
    """Return the weights of the members in `errors`; of those that differ in scale alone, the better one has one."""
    best = _best_scales(errors)
    shares = blend_weights(target[rows], np.stack([held[name][rows] for name in best]), seed=seed)
    return {name: float(share) for name, share in zip(best, shares, strict=True)}


def _held(values: Array, folds: Sequence[NDArray[np.int64]], n: int) -> Array:
    """Return the out-of-fold prediction of each row, shape (n, ...); NaN for rows outside the folds."""
    found = np.full((n, *values.shape[2:]), np.nan)
    for fold, rows in enumerate(folds):
        found[rows] = values[fold, rows]
    return found


def _best_scales(errors: dict[str, float]) -> list[str]:
    """Return the names of members; of those that differ only in the target's scale, only the better one."""
    best: dict[str, str] = {}
    for name, error in errors.items():
        kind = name.removesuffix(", log10")
        if kind not in best or error < errors[best[kind]]:
            best[kind] = name
    return list(best.values())


def _member(parts: dict[str, Outcome], weights: dict[str, float], seed: int, idle: Callable[[], Member]) -> Member:
    """Assemble a member of the checkpoint from the fits of one fold."""
    network = next((name for name, part in parts.items() if part.member), None)
    base = parts[network].member if network else idle()
    assert base is not None
    return replace(
        base,
        seed=seed,
        weight=weights[network] if network else 0.0,
        regressors=tuple(
            replace(part.regressor, weight=weights[name]) for name, part in parts.items() if part.regressor
        ),
    )
