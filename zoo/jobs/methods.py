"""What is compared on one split: a fine-tuned network, the same from scratch, classical baselines."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from zoo._utils.devices import Device, choose_device
from zoo.data.crystal import SYMBOLS
from zoo.data.graphs.neighbors import CrystalGraph, build_graphs
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.scaling import TargetScaler
from zoo.data.tables.records import Rejection
from zoo.data.tables.rejections import check_rejected_fraction
from zoo.errors import InputError, PluginError
from zoo.models.checkpoint import networks
from zoo.models.inference import expert_vectors, predict_scaled
from zoo.registry import plugins
from zoo.registry.plugin_files import one_line_with_place
from zoo.training import transfer
from zoo.training.fit import FitSettings, fit
from zoo.training.loader import Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pymatgen.core import Structure

    from zoo._utils.progress import Bar
    from zoo.data.crystal import Crystal
    from zoo.data.graphs.neighbors import GraphSettings
    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.data.tables.table import Table
    from zoo.models.cgcnn import CGCNN
    from zoo.registry.contracts import Baseline, Transform

# Chosen on validation rows of bulk moduli and dielectric constants (docs/tuning.md).
TRANSFER = FitSettings(batch_size=32, learning_rate=1e-3, weight_decay=1e-1, average=0.99)
SCRATCH = FitSettings(batch_size=32, learning_rate=2e-3, weight_decay=1e-1, average=0.99)

_TURN = threading.Lock()
"""Of threads that fit networks: torch's random numbers, which a seed must determine, are those of the process."""

STEPS = 1500
"""Optimiser steps that a fit should have: fewer rows need more epochs to get as far."""


def sized(settings: FitSettings, rows: int) -> FitSettings:
    """Return settings with the batch size and the number of epochs that suit so many training rows."""
    batch = min(settings.batch_size, max(8, 16 * round(rows / 160)))
    epochs = round(STEPS / max(1, rows // batch))
    return replace(settings, batch_size=batch, epochs=min(max(epochs, 60), 250))


@dataclass(frozen=True, eq=False)
class Problem:
    """The rows that every method sees, in one order.

    Parameters
    ----------
    graphs : PackedGraphs
        Of n crystals.
    targets : array of shape (n,), float64
        In the task's unit.
    transform : {"identity", "log10"}
        The task's transform.
    """

    graphs: PackedGraphs
    targets: NDArray[np.float64]
    transform: Transform


def build(
    table: Table,
    settings: GraphSettings,
    known: frozenset[int],
    network: str,
    max_rejected: float,
    rejected_out: Path | None = None,
) -> tuple[Table, list[Record], PackedGraphs]:
    """Build the graphs of a table; a crystal that the network cannot take joins the rejected rows.

    Parameters
    ----------
    table : Table
    settings : GraphSettings
    known : set of int
        Atomic numbers that the network has features for.
    network : str
        What it is called, for the reasons.
    max_rejected : float
        Largest fraction of rows that may be rejected.
    rejected_out : Path, optional
        Where the rejected rows are written if there are too many.

    Raises
    ------
    InputError
        If too many rows are rejected.
    """
    records: list[Record] = []
    graphs: list[CrystalGraph] = []
    rejected = list(table.rejected)
    built = build_graphs((record.crystal for record in table.records), settings)
    for record, graph in zip(table.records, built, strict=True):
        unknown = [SYMBOLS[number] for number in np.unique(record.crystal.numbers) if int(number) not in known]
        if isinstance(graph, InputError) or unknown:
            reason = str(graph) if isinstance(graph, InputError) else f"{network} has no features for {unknown[0]}"
            rejected.append(Rejection(record.file, record.row, record.id, "structure", "", reason))
        else:
            records.append(record)
            graphs.append(graph)
    check_rejected_fraction(table.source, len(records), rejected, max_rejected, rejected_out)
    return replace(table, records=records, rejected=rejected), records, PackedGraphs.pack(graphs)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one method predicted on one split.

    Parameters
    ----------
    predictions : array of shape (n,), float64
        In the task's unit, for all rows of the problem; NaN for rows that are in no part of the split.
    history : list of dict
        One row per epoch; empty for a baseline.
    best_epoch : int
    seconds : float
    member : Member or None
        The fitted network; None for a baseline.
    parameters : dict
        Hyper-parameters that an inner search chose.
    """

    predictions: NDArray[np.float64]
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0
    member: networks.Member | None = None
    parameters: dict[str, str] = field(default_factory=dict)


def fit_network(
    problem: Problem,
    split: Split,
    source: CGCNN | None,
    blank: Callable[[int], CGCNN],
    settings: FitSettings,
    *,
    mode: transfer.Mode,
    experts: Sequence[CGCNN] = (),
    workdir: Path,
    device: Device,
    on_epoch: Callable[[dict[str, float], int], None] | None = None,
) -> Outcome:
    """Fit a network on the training rows of a split; the validation rows choose the epoch.

    Parameters
    ----------
    problem : Problem
    split : Split
    source : CGCNN or None
        The backbone; None trains from scratch.
    blank : callable
        Makes a network with random weights from a seed.
    settings : FitSettings
    mode : {"mixture", "full", "head", "layerwise"}
        Used with a source.
    experts : sequence of CGCNN
        Backbones that are read beside it, for a mixture.
    workdir : Path
        Scratch space.
    """
    rates: dict[str, float] = {}
    with _TURN:
        if source is None:
            network = blank(split.seed)
        else:
            network, rates = transfer.transfer(source, mode, split.seed, experts=experts)
        scaler = TargetScaler.fit(problem.targets[split.train], problem.transform)
        rows, chosen = np.concatenate([split.train, split.val, split.test]), choose_device(device)
        vectors = expert_vectors(network, problem.graphs, rows, device=chosen)

        def samples(part: slice) -> Samples:
            return Samples(problem.graphs, problem.targets, rows[part], None if vectors is None else vectors[part])

        trained = len(split.train)
        result = fit(
            network,
            samples(slice(trained)),
            samples(slice(trained, trained + len(split.val))),
            [scaler],
            settings,
            seed=split.seed,
            workdir=workdir,
            rates=rates,
            device=device,
            on_epoch=on_epoch,
        )
    scaled = predict_scaled(network, problem.graphs, rows, vectors=vectors, device=chosen)
    predictions = np.full(len(problem.targets), np.nan)
    predictions[rows] = scaler.unscale(scaled)
    member = networks.Member(network.cpu(), scaler, split.seed)
    return Outcome(predictions, result.history, result.best_epoch, result.seconds, member)


Features: TypeAlias = "NDArray[np.float64] | PluginError"
"""Vectors of all rows, shape (n, d); or why a featurizer gave none."""


def featurize(baselines: Sequence[Baseline], crystals: Sequence[Crystal], bar: Bar) -> dict[str, Features]:
    """Compute the vectors that the baselines ask for, each featurizer once.

    Returns
    -------
    dict of featurizer name to array of shape (n, d) or PluginError
        The error of one that raises, or returns an array of the wrong shape: it fails the fits to it, and no others.
    """
    names = sorted({baseline.featurizer for baseline in baselines})
    structures = [crystal.to_structure() for crystal in crystals] if names else []
    features: dict[str, Features] = {}
    for name in names:
        try:
            features[name] = _vectors(name, structures, bar)
        except PluginError as error:
            features[name] = error
    return features


def _vectors(name: str, structures: Sequence[Structure], bar: Bar) -> NDArray[np.float64]:
    featurizer = plugins.featurizer(name)
    parts = []
    for start in range(0, len(structures), 50):
        chunk = [structure.copy() for structure in structures[start : start + 50]]  # one may change what it is given
        try:
            given, labels = np.asarray(featurizer.featurize(chunk)), len(featurizer.labels)
            part = given if np.iscomplexobj(given) else given.astype(np.float64)
        except (Exception, SystemExit) as error:  # code of strangers may raise anything
            raise PluginError(f"featurizer {name!r} failed: {one_line_with_place(error)}") from error
        if np.iscomplexobj(part) or part.shape != (len(chunk), labels):
            raise PluginError(
                f"featurizer {name!r} returned a {part.dtype} array of shape {part.shape} for {len(chunk)} structures "
                f"and {labels} labels"
            )
        parts.append(part)
        bar.advance(len(chunk), name)
    return np.concatenate(parts)


def baseline_digest(name: str) -> str:
    """Return a SHA-256 that changes when a baseline, its featurizer or its grid does."""
    baseline = plugins.baseline(name)
    parts = [
        plugins.identity("baseline", name),
        plugins.identity("featurizer", baseline.featurizer),
        {key: [str(value) for value in values] for key, values in baseline.grid.items()},
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def fit_baseline(problem: Problem, split: Split, baseline: Baseline, features: Features) -> Outcome:
    """Fit a baseline on the training rows of a split.

    Its hyper-parameters are searched by five-fold cross-validation inside the training rows; validation rows
    are not used, test rows are predicted once.

    Parameters
    ----------
    features : array of shape (n, d) or PluginError
        Of all rows; only the training rows are ever fitted on.

    Raises
    ------
    PluginError
        If its featurizer failed, the baseline raises, or it predicts what are no numbers.
    """
    if isinstance(features, PluginError):
        raise features
    import time
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GridSearchCV, KFold

    began = time.monotonic()
    scaler = TargetScaler.fit(problem.targets[split.train], problem.transform, bound=None)
    rows = np.concatenate([split.train, split.val, split.test])
    predictions = np.full(len(problem.targets), np.nan)
    try:
        regressor = baseline.build(split.seed)
        if baseline.grid:
            regressor = GridSearchCV(
                regressor,
                {name: list(values) for name, values in baseline.grid.items()},
                scoring="neg_mean_absolute_error",
                cv=KFold(min(5, len(split.train)), shuffle=True, random_state=split.seed),
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            regressor.fit(features[split.train], scaler.scale(problem.targets[split.train]))
        predicted = np.ravel(regressor.predict(features[rows]))
        if len(predicted) != len(rows):
            raise ValueError(f"predict gives {len(predicted)} numbers for {len(rows)} rows")
        predictions[rows] = scaler.unscale(predicted)
    except (Exception, SystemExit) as error:  # code of strangers may raise anything
        raise PluginError(f"baseline {baseline.name!r} failed: {one_line_with_place(error)}") from error
    if lost := int((~np.isfinite(predictions[rows])).sum()):
        raise PluginError(f"baseline {baseline.name!r} failed: {lost} of its {len(rows)} predictions are no numbers")
    chosen = {name: str(value) for name, value in getattr(regressor, "best_params_", {}).items()}
    return Outcome(predictions, seconds=time.monotonic() - began, parameters=chosen)
