"""The network that several targets share: one body, a head for each, and a loss over the values that are present."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.devices import choose_device
from zoo._utils.progress import progress
from zoo.data.graphs.memory import recalled_graphs
from zoo.data.graphs.packing import PackedGraphs
from zoo.errors import InputError, TrainingError
from zoo.jobs.crossfit.fit import fold_splits
from zoo.jobs.crossfit.fold_fits import fit_all
from zoo.jobs.crossfit.members import network_member, rows_of_fit
from zoo.jobs.finetune.blend import SharedFits, frozen_vectors
from zoo.jobs.finetune.target import fit_start
from zoo.jobs.methods import Dataset, Outcome
from zoo.models.checkpoint.networks import Member
from zoo.models.outline import expert_sizes
from zoo.models.regression.blends import Inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo._utils.devices import Device
    from zoo.jobs.finetune.joint.rows import JointRows
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.finetune.start import Start
    from zoo.jobs.fit_store import FitStore


def shared_fits(
    options: Options, start: Start, rows: JointRows, store: FitStore, device: Device, *, quiet: bool
) -> list[list[SharedFits]]:
    """Fit the shared network on every split, or without each fold.

    The column of the target with the most values comes first: its error on the validation rows is the one in the
    history of a fit.

    Returns
    -------
    list of list of SharedFits
        For each target, one per split. Without a network, as of a baseline, these are the folds alone.
    """
    order = sorted(range(len(rows.positions)), key=lambda target: -len(rows.positions[target]))
    folds = rows.folds or [[]] * len(rows.splits)
    fits: list[list[Outcome]] = [[] for _ in rows.splits]
    if rows.network is not None:
        dataset, joint = _dataset(start, rows, order), replace(start, targets=len(order))
        fit = _cross_fits if options.cross_fitted else _single_fits
        fits = fit(options, joint, rows, dataset, store, device, quiet=quiet)
    return [
        [_of_target(rows, target, order.index(target), parts, found) for parts, found in zip(folds, fits, strict=True)]
        for target in range(len(order))
    ]


def _dataset(start: Start, rows: JointRows, order: Sequence[int]) -> Dataset:
    """Return all rows, with the values of the targets as columns and NaN where there is none."""
    graphs = []
    for graph in recalled_graphs([record.crystal for record in rows.records], start.graph):
        if isinstance(graph, InputError):
            raise graph
        graphs.append(graph)
    values = np.full((len(rows.records), len(order)), np.nan)
    for column, target in enumerate(order):
        values[rows.positions[target], column] = rows.of_target[target].dataset.targets
    transforms = tuple(rows.of_target[target].task.transform for target in order)
    return Dataset(PackedGraphs.pack(graphs), values, transforms[0], transforms=transforms)


def _cross_fits(
    options: Options,
    start: Start,
    rows: JointRows,
    dataset: Dataset,
    store: FitStore,
    device: Device,
    *,
    quiet: bool,
) -> list[list[Outcome]]:
    initial = start.initial(rows.splits[0].seed)[0]
    vectors = frozen_vectors(
        start, initial, dataset, [record.crystal for record in rows.records], choose_device(device)
    )
    inputs = Inputs({}, None, expert_sizes(initial.architecture))
    found = []
    with progress("cross-fitting the shared network", sum(map(len, rows.folds)), "fits", quiet=quiet) as bar:
        for split, folds in zip(rows.splits, rows.folds, strict=True):
            settings = options.fit_settings(rows_of_fit(folds), from_scratch=False)
            member = network_member(start.name, start.key, start.initial, settings, vectors, device)
            fits, failed = fit_all([member], dataset, fold_splits(split, folds), inputs, store, device, None, bar)
            for name, why in failed.items():
                raise TrainingError(f"{name}, shared by all targets: {why}")
            found.append(fits[member.name])
    return found


def _single_fits(
    options: Options,
    start: Start,
    rows: JointRows,
    dataset: Dataset,
    store: FitStore,
    device: Device,
    *,
    quiet: bool,
) -> list[list[Outcome]]:
    settings = options.fit_settings(len(rows.splits[0].train), from_scratch=start.from_scratch)
    fit = partial(fit_start, start, dataset=dataset, settings=settings, store=store, device=device)
    first = max(rows.of_target, key=lambda each: len(each.table.records))
    with progress("training the shared network", len(rows.splits) * settings.epochs, "epochs", quiet=quiet) as bar:
        return [[fit(split=split, unit=first.task.unit, bar=bar)] for split in rows.splits]


def _of_target(
    rows: JointRows, target: int, column: int, folds: Sequence[NDArray[np.int64]], fits: Sequence[Outcome]
) -> SharedFits:
    """Return a target's part of the folds, without those that have none of its values, and of the fits."""
    own = [rows.parts(target, fold) for fold in folds]
    used = [place for place, fold in enumerate(own) if len(fold)] if folds else range(len(fits))
    parts = [_part(fits[place], column, rows.positions[target], len(rows.positions)) for place in used if fits]
    return SharedFits([own[place] for place in used] if folds else [], parts)


def _part(outcome: Outcome, column: int, positions: NDArray[np.int64], targets: int) -> Outcome:
    """Return what a fit of several targets is for one: its predictions, and the network with its head alone."""
    member = outcome.member
    assert member is not None
    history = outcome.history
    if column:  # the error in it is that of the first column, in its unit
        history = [row | {"validation_mae": float("nan")} for row in history]
    return replace(
        outcome,
        predictions=outcome.predictions[positions, column],
        history=history,
        seconds=outcome.seconds / targets,
        member=Member(member.network.single(column), (member.scaler, *member.others)[column], member.seed),
    )
