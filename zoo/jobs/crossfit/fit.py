"""Cross-fitting: out-of-fold predictions of all rows except the test rows, and the blend fitted to them.

The rows are split into folds. Each member is fitted once without each fold, and predicts that fold and the test rows.
The weights of the members are determined from the out-of-fold predictions alone (:mod:`zoo.analysis.blending`). All
fits are kept: member k of the checkpoint is the weighted sum of the fits without fold k.

Intervals are calibrated by the residuals of the out-of-fold predictions, each divided by an estimate of its row's
difficulty (:mod:`zoo.analysis.difficulty`), and centred on the mean of all fits. Each residual is that of a single fit,
and the mean of all fits errs less, so the intervals tend to be slightly too wide. Those of CV+ (Barber et al., Ann.
Stat. 49, 486 (2021)), which add the spread of the fits to the residuals, are wider still (docs/prediction.md).
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils import engines, workers
from zoo._utils.devices import choose_device
from zoo.analysis import conformal
from zoo.analysis.blending import blend_weights
from zoo.analysis.difficulty import disagreement, fit_difficulty
from zoo.data.scaling import TargetScaler, restored, transformed
from zoo.data.splits import cut_folds
from zoo.errors import InputError, TrainingError
from zoo.jobs import methods
from zoo.jobs.crossfit.members import NetworkMember, RegressorMember
from zoo.models.checkpoint.schema import MAX_RESIDUALS
from zoo.models.inference import threads
from zoo.models.regression.blends import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo._utils.devices import Device
    from zoo._utils.progress import Bar
    from zoo.analysis.difficulty import Difficulty
    from zoo.data.splits import How, Split
    from zoo.data.tables.records import Record
    from zoo.jobs.fit_store import FitStore
    from zoo.jobs.methods import Dataset, Outcome
    from zoo.models.checkpoint.networks import Member
    from zoo.models.regression.blends import Inputs

    Array = NDArray[np.float64]
    Valid = tuple[float | None, float | None]

FOLDS, MAX_FOLDS = 5, 10
"""Number of folds for large and for small tables."""

MIN_ROWS = 12
"""Minimum number of rows for a cross-fit, without test rows."""

ROWS_PER_FOLD = 50
"""Number of rows below which there are more than five folds, so that each fit keeps more rows."""

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
        Out-of-fold mean absolute error of each member, in the transformed space.
    failed : dict of str to str
        Members that were left out, with the reason.
    history : dict of str to list of dict
        Training history of each fit of a network.
    center, scale : arrays of shape (n,)
        Predictions in the transformed space, and their estimated difficulty.
    parts : dict of str to array of shape (n,)
        Out-of-fold predictions of each member in the transformed space; NaN for rows outside the folds.
    difficulty : Difficulty
    """

    outcome: Outcome
    folds: list[NDArray[np.int64]]
    members: list[Member]
    weights: dict[str, float]
    errors: dict[str, float]
    failed: dict[str, str]
    history: dict[str, list[dict[str, float]]]
    center: Array
    scale: Array
    parts: dict[str, Array]
    difficulty: Difficulty

    @property
    def rows(self) -> NDArray[np.int64]:
        """All rows that were cross-fitted, ascending."""
        return np.sort(np.concatenate(self.folds))

    @property
    def calibration(self) -> tuple[float, ...]:
        """Residuals of all members, absolute and divided by the difficulty, ascending."""
        return tuple(sorted(value for member in self.members for value in member.calibration))

    def half_widths(self, rows: NDArray[np.int64], level: float) -> Array | None:
        """Return the half-widths of the intervals of rows in the transformed space; None if there are too few rows."""
        half = conformal.half_width(self.calibration, level)
        return None if half is None else half * self.scale[rows]

    def covered(self, targets: Array, rows: NDArray[np.int64], level: float) -> float | None:
        """Return the fraction of test rows within their intervals; None without intervals or test rows.

        The `targets` are in the transformed space.
        """
        widths = self.half_widths(rows, level)
        return (
            None
            if widths is None or not len(rows)
            else float((np.abs(self.center[rows] - targets[rows]) <= widths).mean())
        )


def folds_of(records: Sequence[Record], rows: NDArray[np.int64], *, seed: int, how: How) -> list[NDArray[np.int64]]:
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

    Raises
    ------
    InputError
        If there are fewer than `MIN_ROWS` rows or too few groups.
    """
    rows = np.sort(rows)
    if len(rows) < MIN_ROWS:
        raise InputError(
            f"a cross-fit needs {MIN_ROWS} rows besides the test rows, and there are {len(rows)}; "
            "give more rows, or --mode mixture"
        )
    count = int(np.clip(FOLDS * ROWS_PER_FOLD // len(rows), FOLDS, MAX_FOLDS))
    while True:
        try:
            return cut_folds(records, rows, seed=seed, how=how, folds=count)
        except InputError:
            if count == 2:
                raise
            count -= 1


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
    valid: Valid = (None, None),
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
    valid : (low, high)
        Range to which predictions are clipped.
    bar : Bar, optional
        Progress bar, advanced by one for each fit.
    say : callable
        Called with a line for each member that is left out.

    Raises
    ------
    InputError
        If all targets are equal.
    TrainingError
        If every member failed.
    """
    rows = np.sort(np.concatenate(folds))
    TargetScaler.fit(dataset.targets[rows], dataset.transform)  # raises an error if all targets are equal
    unseen = np.setdiff1d(np.concatenate([split.train, split.val, split.test]), rows)
    splits = [replace(split, train=np.setdiff1d(rows, fold), val=fold, test=unseen) for fold in folds]
    fits, failed = _fit_all(members, dataset, splits, inputs, store, device, processes, bar)
    for name, why in failed.items():
        say(f"{name} is left out of the blend: {why}")
    if not fits:
        raise TrainingError(f"every member of the blend failed; {next(iter(failed))}: {next(iter(failed.values()))}")
    transform = dataset.transform
    target = transformed(dataset.targets, transform)
    # Clipped only after the sum, as in a saved model.
    values = {
        name: np.stack([transformed(each.predictions, transform) for each in outcomes])
        for name, outcomes in fits.items()
    }
    held = {name: _held(each, folds, len(target)) for name, each in values.items()}
    errors = {name: float(np.abs(each[rows] - target[rows]).mean()) for name, each in held.items()}
    best = _best_scales(errors)
    shares = blend_weights(target[rows], np.stack([held[name][rows] for name in best]), seed=split.seed)
    weights = dict.fromkeys(errors, 0.0) | {name: float(w) for name, w in zip(best, shares, strict=True)}
    used = {name: weight for name, weight in weights.items() if weight}
    used_shares, used_values = np.array(list(used.values())), np.stack([values[name] for name in used])
    centers = np.tensordot(used_shares, used_values, axes=1)
    spreads = disagreement(used_values, used_shares)
    if np.ptp(centers[:, np.concatenate([rows, unseen])], axis=1).max() <= 1e-9 * target[rows].std():
        say("the model predicts the same number for every row: nothing was learned from this table")
    center, spread = _held(centers, folds, len(target)), _held(spreads, folds, len(target))
    center[unseen], spread[unseen] = centers[:, unseen].mean(axis=0), spreads[:, unseen].mean(axis=0)
    predictions = clip(restored(center, transform), valid)
    center = transformed(predictions, transform)
    residuals = np.abs(center - target)
    difficulty = fit_difficulty(residuals[rows], spread[rows])
    scale = difficulty.of(spread)
    made = []
    for fold, held_rows in enumerate(folds):
        calibration = conformal.sketch(residuals[held_rows] / scale[held_rows], MAX_RESIDUALS)
        parts = {name: fits[name][fold] for name in used}
        made.append(replace(_member(parts, used, split.seed, idle), calibration=calibration, difficulty=difficulty))
    seconds = sum(each.seconds for outcomes in fits.values() for each in outcomes)
    history = {
        f"{name}, fold {fold + 1}": each.history
        for name, outcomes in fits.items()
        for fold, each in enumerate(outcomes)
        if each.history
    }
    outcome = methods.Outcome(predictions, seconds=seconds, member=made[0])
    return CrossFit(
        outcome, list(folds), made, weights, errors, failed, history, center, scale, parts=held, difficulty=difficulty
    )


def _held(values: Array, folds: Sequence[NDArray[np.int64]], n: int) -> Array:
    """Return the out-of-fold prediction of each row, shape (n,); NaN for rows outside the folds."""
    found = np.full(n, np.nan)
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


def _fit_all(
    members: Sequence[NetworkMember | RegressorMember],
    dataset: Dataset,
    splits: Sequence[Split],
    inputs: Inputs,
    store: FitStore | None,
    device: Device,
    processes: int | None,
    bar: Bar | None,
) -> tuple[dict[str, list[Outcome]], dict[str, str]]:
    """Fit every member without each fold, or read stored fits; a member with a failed fit is left out."""
    found: dict[tuple[int, int], Outcome] = {}
    missing: list[tuple[int, int]] = []
    failed: dict[str, str] = {}
    for m in range(len(members)):
        for k, split in enumerate(splits):
            outcome = store.get(_key(members[m], m, split, k)) if store else None
            if outcome is None:
                missing.append((m, k))
            else:
                found[m, k] = outcome
                if bar:
                    bar.skip(1, f"{members[m].name}, fold {k + 1}: done before")

    def keep(m: int, k: int, outcome: Outcome | None, failure: str) -> None:
        if outcome is not None and not failure:
            rows = np.concatenate([splits[k].val, splits[k].test])
            lost = int((~np.isfinite(outcome.predictions[rows])).sum())
            failure = f"{lost} of its predictions are not finite numbers" if lost else ""
        if failure or outcome is None:
            failed[members[m].name] = failure
        else:
            found[m, k] = outcome
            if store:
                store.put(_key(members[m], m, splits[k], k), outcome)
        if bar:
            bar.advance(1, f"{members[m].name}, fold {k + 1}")

    # Longest fits first, to balance the load of the processes.
    missing.sort(key=lambda cell: isinstance(members[cell[0]], NetworkMember), reverse=True)
    jobs = [
        engines.Job(f"{members[m].name}, fold {k + 1}", partial(_fit, members[m], dataset, splits[k], inputs))
        for m, k in missing
    ]
    here = choose_device(device) != "cpu"
    number = 1 if here else min(processes or workers.cores(), max(1, len(jobs)))
    for done in engines.compute(jobs, workers=number):
        keep(*missing[done.index], done.value, done.failure)
    fits = {
        member.name: [found[m, k] for k in range(len(splits))]
        for m, member in enumerate(members)
        if all((m, k) in found for k in range(len(splits)))
    }
    return fits, failed


def _key(member: NetworkMember | RegressorMember, number: int, split: Split, fold: int) -> str:
    kind = member.key if isinstance(member, NetworkMember) else "regressor"
    return f"member-{number}-{kind}-{hashlib.sha256(split.label.encode()).hexdigest()[:8]}-{fold + 1}"


def _fit(member: NetworkMember | RegressorMember, dataset: Dataset, split: Split, inputs: Inputs) -> Outcome:
    """Fit one member without one fold, in a single thread: rounding depends on the number of threads."""
    with threads(1):
        return member.outcome(dataset, split, inputs)
