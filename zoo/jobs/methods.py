"""Fits on one split: the data set, tuned settings, the fit of a network, and its outcome."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.devices import Device, choose_device
from zoo._utils.progress import log_step
from zoo._utils.wording import counted, listed, with_unit
from zoo.analysis import probabilities
from zoo.data.crystal import SYMBOLS
from zoo.data.graphs.memory import recalled_graphs
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.scaling import UNSCALED, TargetScaler, propose_transform
from zoo.data.tables.records import Rejection
from zoo.data.tables.rejections import check_rejected_fraction
from zoo.errors import InputError
from zoo.models.checkpoint import networks
from zoo.models.inference import expert_vectors, predict_scaled
from zoo.registry import task_choice
from zoo.training.batches import LabelledGraphs
from zoo.training.fit import FitSettings, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.data.graphs.neighbors import CrystalGraph, GraphSettings
    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.data.tables.table import Table
    from zoo.models.network import CrystalNetwork
    from zoo.models.regression.blends import WeightedRegressor
    from zoo.registry.contracts import Task, Transform

    Valid = tuple[float | None, float | None]

# Chosen on validation rows of bulk moduli and dielectric constants (docs/benchmarks/defaults.md).
TRANSFER = FitSettings(batch_size=32, learning_rate=1e-3, weight_decay=1e-1, average=0.99)
SCRATCH = FitSettings(batch_size=32, learning_rate=2e-3, weight_decay=1e-1, average=0.99)

_FITTING = threading.Lock()
"""Lock held during a fit: torch's random state is global to the process, and must depend on the seed alone."""

LARGEST, SMALLEST = 1e50, 1e-50
"""Range of the largest absolute target: errors are squared, and so are deviations from the mean."""

STEPS = 1500
"""Target number of optimiser steps of a fit: small training sets need more epochs."""

DECAY_ROWS = 1000
"""From this number of training rows on, weight decay is inversely proportional to their number."""


def sized(settings: FitSettings, rows: int) -> FitSettings:
    """Return settings with batch size, number of epochs and weight decay adapted to the number of training rows."""
    batch = min(settings.batch_size, max(8, 16 * round(rows / 160)))
    epochs = round(STEPS / max(1, rows // batch))
    decay = settings.weight_decay * min(1.0, DECAY_ROWS / max(1, rows))
    return replace(settings, batch_size=batch, epochs=min(max(epochs, 60), 250), weight_decay=decay)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows common to all methods, in a fixed order.

    Parameters
    ----------
    graphs : PackedGraphs
        Graphs of n crystals.
    targets : array of shape (n,) or (n, T), float64
        In the task's unit. Of T properties that a network learns at once, a column each, with NaN where there is no
        value.
    transform : {"identity", "log10"}
        The task's transform.
    classes : int
        Number of classes, whose positions are the targets; 0 if targets are numbers.
    transforms : tuple of T str
        Of several properties, the transform of each.
    valid : (low, high)
        Range to which the predictions of blends are clipped; see :func:`valid_range`.
    """

    graphs: PackedGraphs
    targets: NDArray[np.float64]
    transform: Transform
    classes: int = 0
    transforms: tuple[Transform, ...] = ()
    valid: Valid = (None, None)

    def unpredicted(self) -> NDArray[np.float64]:
        """Return predictions of NaN for all rows, in the shape of the targets, or (n, classes)."""
        n = len(self.targets)
        return np.full((n, self.classes) if self.classes else self.targets.shape, np.nan)

    def scalers(self, rows: NDArray[np.int64]) -> list[TargetScaler]:
        """Return the scaling of each property, fitted to some rows; see :meth:`TargetScaler.fit`."""
        if self.classes:
            return [UNSCALED]
        columns = self.targets[rows].reshape(len(rows), -1).T
        return [
            TargetScaler.fit(column[np.isfinite(column)], transform)
            for column, transform in zip(columns, self.transforms or (self.transform,), strict=True)
        ]


def valid_range(task: Task) -> Valid:
    """Return the valid range of a task's values; None for an infinite bound, or for a lower bound of zero in log10."""
    low, high = (float(end) if np.isfinite(end) else None for end in task.valid)
    return (None if low == 0 and task.transform == "log10" else low), high


def build_dataset(
    table: Table,
    task: Task,
    settings: GraphSettings,
    known: frozenset[int],
    network: str,
    max_rejected: float,
    rejected_out: Path | None = None,
    *,
    formulas: bool = False,
) -> tuple[Table, Dataset]:
    """Build the graphs of a table; crystals that the network does not support are rejected.

    A table of formulas alone has none.

    Parameters
    ----------
    table : Table
        With targets.
    task : Task
    settings : GraphSettings
    known : set of int
        Atomic numbers that the network has features for.
    network : str
        Its name, for messages.
    max_rejected : float
        Maximum fraction of rejected rows.
    rejected_out : Path, optional
        File for the rejected rows, written if there are too many.
    formulas : bool
        Whether a table may hold formulas in place of structures.

    Returns
    -------
    table : Table
        Its records are the rows of the data set, in the same order; all others are among its rejections.
    dataset : Dataset

    Raises
    ------
    InputError
        If too many rows are rejected, some rows have a structure and others a formula, or targets are far too large or
        too small to compute with.
    """
    if alone := [str(record.row) for record in table.records if not record.crystal.has_structure]:
        if len(alone) < len(table.records):
            shown = listed(alone, most=5)
            raise InputError(
                f"{table.source}: {counted(len(alone), 'row')} with a formula and no structure ({shown}), and "
                f"{len(table.records) - len(alone)} with one; the two are not mixed: leave these rows out, or give "
                "the formulas of all rows"
            )
        if not formulas:
            raise InputError(
                f"{table.source} has formulas and no structures, which networks need; zoo finetune fits regressors to "
                "formulas"
            )
        return table, _dataset(PackedGraphs.none(), table, task)
    records: list[Record] = []
    graphs: list[CrystalGraph] = []
    rejected = list(table.rejected)
    start = time.monotonic()
    built = recalled_graphs([record.crystal for record in table.records], settings)
    for record, graph in zip(table.records, built, strict=True):
        unknown = [SYMBOLS[number] for number in np.unique(record.crystal.numbers) if int(number) not in known]
        if isinstance(graph, InputError) or unknown:
            reason = str(graph) if isinstance(graph, InputError) else f"{network} has no features for {unknown[0]}"
            rejected.append(Rejection(record.file, record.row, record.id, "structure", "", reason))
        else:
            records.append(record)
            graphs.append(graph)
    check_rejected_fraction(table.source, len(records), rejected, max_rejected, rejected_out)
    table = replace(table, records=records, rejected=rejected)
    dataset = _dataset(PackedGraphs.pack(graphs), table, task)
    log_step(start, f"graphs of {len(graphs)} crystals: cutoff {settings.cutoff:g} Å, {settings.neighbors} neighbours")
    return table, dataset


def _dataset(graphs: PackedGraphs, table: Table, task: Task) -> Dataset:
    return Dataset(graphs, _targets(table), task.transform, len(task.classes), valid=valid_range(task))


def _targets(table: Table) -> NDArray[np.float64]:
    """Return the targets of a table; refuse those that cannot be squared."""
    targets = np.array([record.target for record in table.records], dtype=np.float64)
    row = int(np.abs(targets).argmax())
    value, record = targets[row], table.records[row]
    if value and not SMALLEST <= abs(value) <= LARGEST:
        given = f"no value is larger than {value:.3g}" if abs(value) < 1 else f"{value:.3g} in row {record.row}"
        raise InputError(
            f"{table.source}: column {table.target_column}: {given}, and the largest value must be from {SMALLEST:g} "
            f"to {LARGEST:g} in size; correct it, or give the values in another unit"
        )
    return targets


def with_proposed_transform(task: Task, dataset: Dataset, splits: Iterable[Split]) -> tuple[Task, Dataset, str]:
    """Choose the transform of a property without a task from the rows that are test rows of no split.

    A row anywhere that has no logarithm keeps the values as they are, because no row is left out for a transform that
    nobody asked for.

    Returns
    -------
    task : Task
    dataset : Dataset
    note : str
        The choice and its reason, in a line.
    """
    trained = np.ones(len(dataset.targets), dtype=bool)
    for split in splits:
        trained[split.test] = False
    transform, reason = propose_transform(dataset.targets[trained])
    if transform == "log10" and not (dataset.targets > 0).all():
        transform, reason = "identity", "a test row has a value that is not positive, so it has no logarithm"
    what = f"{with_unit(task.target, task.unit)} is learned "
    if transform == "identity":
        return task, dataset, f"{what}as it is: {reason}; --log takes log10"
    note = f"{what}in log10: {reason}; --no-log takes the values themselves"
    return task_choice.made(task.target, task.unit, transform), replace(dataset, transform=transform), note


@dataclass(frozen=True, eq=False)
class Outcome:
    """Outcome of one method on one split.

    Parameters
    ----------
    predictions : array of shape (n,), float64
        In the task's unit, for all rows of the data set; NaN for rows outside the split. Of K classes, probabilities
        of shape (n, K).
    history : list of dict
        One row per epoch; empty for a baseline.
    best_epoch : int
    seconds : float
    member : Member or None
        The fitted network; None for a baseline.
    parameters : dict
        Hyper-parameters chosen by an inner search.
    regressor : WeightedRegressor or None
        Fitted regressor, if it can be saved; its weight is 0 until a blend assigns one.
    """

    predictions: NDArray[np.float64]
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0
    member: networks.Member | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    regressor: WeightedRegressor | None = None


def fit_network(
    dataset: Dataset,
    split: Split,
    initial: Callable[[int], tuple[CrystalNetwork, dict[str, float]]],
    settings: FitSettings,
    *,
    workdir: Path,
    device: Device,
    vectors: Tensor | None = None,
    on_epoch: Callable[[dict[str, float], int], None] | None = None,
    calibrate: bool = True,
) -> Outcome:
    """Fit a network on the training rows of a split; the validation rows select the epoch.

    Parameters
    ----------
    dataset : Dataset
    split : Split
    initial : callable
        Returns the initial network of a seed, and its learning rates by depth, as
        :func:`zoo.training.transfer.transfer` does.
    settings : FitSettings
    workdir : Path
        Scratch space.
    device : {"auto", "cpu", "cuda"}
    vectors : tensor of shape (n, D), optional
        Precomputed vectors of the network's frozen experts, for all rows.
    on_epoch : callable, optional
        See :func:`zoo.training.fit.fit`.
    calibrate : bool
        Whether the validation rows also calibrate the probabilities of classes.
    """
    start = time.monotonic()
    with _FITTING:
        network, rates = initial(split.seed)
        scalers = dataset.scalers(split.train)
        rows, chosen = np.concatenate([split.train, split.val, split.test]), choose_device(device)
        known = expert_vectors(network, dataset.graphs, rows, device=chosen) if vectors is None else vectors[rows]

        def labelled(part: slice) -> LabelledGraphs:
            return LabelledGraphs(dataset.graphs, dataset.targets, rows[part], None if known is None else known[part])

        trained = len(split.train)
        result = fit(
            network,
            labelled(slice(trained)),
            labelled(slice(trained, trained + len(split.val))),
            scalers,
            settings,
            seed=split.seed,
            workdir=workdir,
            rates=rates,
            device=device,
            on_epoch=on_epoch,
        )
    scaled = predict_scaled(network, dataset.graphs, rows, vectors=known, device=chosen)
    if len(scalers) > 1:
        found = np.stack([scaler.unscale(each) for scaler, each in zip(scalers, scaled.T, strict=True)], axis=1)
    else:
        found = scalers[0].unscale(scaled)
    predictions, temperature = dataset.unpredicted(), 1.0
    predictions[rows] = probabilities.softmax(found) if dataset.classes else found
    if dataset.classes and calibrate and len(split.val):
        temperature = probabilities.fit_temperature(dataset.targets[split.val], predictions[split.val])
        predictions[rows] = probabilities.tempered(predictions[rows], temperature)
    member = networks.Member(network.cpu(), scalers[0], split.seed, tuple(scalers[1:]), temperature=temperature)
    epochs = counted(int(result.history[-1]["epoch"]), "epoch")
    error = "fraction of wrong classes" if dataset.classes else "MAE"
    log_step(
        start,
        f"fitted a network to {trained} rows, {split.label}: {epochs}, epoch {result.best_epoch} kept, validation "
        f"{error} {result.best_error:.4g}, on {chosen}",
    )
    return Outcome(predictions, result.history, result.best_epoch, result.seconds, member)
