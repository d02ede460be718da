"""The cells of a study: their settings, computation and storage."""

from __future__ import annotations

import json
import logging
import tempfile
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zoo._utils import files
from zoo._utils.progress import progress
from zoo.analysis import conformal, metrics
from zoo.data.scaling import UNSCALED, TargetScaler, transformed
from zoo.data.tables.records import records_digest
from zoo.errors import InputError, PluginError
from zoo.hub import pull
from zoo.jobs import baselines, methods, pretrained
from zoo.jobs.crossfit.fit import cross_fit
from zoo.jobs.crossfit.members import STRUCTURE, default_members, network_member, rows_of_fit
from zoo.jobs.crossfit.readout import readout_fit
from zoo.jobs.fit_store import FitStore
from zoo.jobs.predict.model import load
from zoo.jobs.study.plan import plan
from zoo.models.checkpoint import networks, weights
from zoo.models.inference import expert_vectors
from zoo.models.outline import expert_sizes
from zoo.models.regression.blends import Inputs
from zoo.models.threads import threads
from zoo.registry import plugins
from zoo.training import transfer
from zoo.training.settings import BLEND, FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo.data.splits import Split
    from zoo.jobs.crossfit.members import NetworkMember, RegressorMember
    from zoo.jobs.study.plan import Cell, Method
    from zoo.jobs.study.preparation import Prepared
    from zoo.models.network import CrystalNetwork
    from zoo.registry.contracts import Transform
    from zoo.training.settings import Mode

    Vectors = dict[tuple[str | None, str], baselines.Features]

FORMAT = 5
"""Version of the settings; increased whenever the results of a cell change."""

EXTENSIBLE = ("weights", "mixtures", "baselines")
"""Settings per backbone or baseline; more of these can be added to an existing study."""

REQUIRED = ("predictions", "seconds", "mae", "rmse", "r2", "mae_over_mad", "test_rows")
OF_CLASSES = ("predictions", "seconds", "log_loss", "accuracy", "balanced_accuracy", "roc_auc", "test_rows")
"""Keys required in the file of a cell, of a number or of classes; without them, it is damaged."""

_log = logging.getLogger("zoo")


def check_settings(out: Path, prepared: Prepared) -> dict[str, Any]:
    """Check that the cells in a folder were computed with the same settings, without writing anything.

    Returns
    -------
    dict
        The content of ``study.json``: everything besides method, size and seed that the result of a cell depends on,
        with digests of the backbones' weights and of the baselines.

    Raises
    ------
    InputError
        If settings differ (the message names them), or the folder contains something else.
    """
    path = out / "study.json"
    now = _settings(prepared)
    if path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            changed = sorted(key for key in now if key not in EXTENSIBLE and before.get(key) != now[key])
            kept = {name: {} if changed else dict(before[name]) for name in EXTENSIBLE}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); remove {out}, or give another --out") from error
        for name in EXTENSIBLE:
            changed += [f"{name} of {key}" for key, value in now[name].items() if kept[name].get(key, value) != value]
        if changed:
            raise InputError(f"{out} was made with other settings ({', '.join(changed)}); give another --out")
        now |= {name: kept[name] | now[name] for name in EXTENSIBLE}
    elif out.exists() and any(not each.name.startswith(".") for each in out.iterdir()):
        raise InputError(f"{out} exists and holds no study; give another --out")
    return now


def open_store(out: Path, settings: Mapping[str, Any]) -> FitStore:
    """Write ``study.json`` and return the store of cells."""
    files.write_text(out / "study.json", networks.to_json(settings))
    return FitStore(out / "cells", resume=True)


def _settings(prepared: Prepared) -> dict[str, Any]:
    options, table, dataset = prepared.options, prepared.table, prepared.dataset
    fit = {FROM_SCRATCH: methods.SCRATCH, "transfer": methods.TRANSFER}
    backbones = prepared.backbones | prepared.others
    sizes = [weights.read_config(pulled.directory).architecture for pulled in backbones.values()]
    of_plugins = {size.network: size.installed for size in sizes if size.installed}
    fitted = sorted({method.baseline for method in plan(options) if method.baseline})
    found = {
        "format": FORMAT,
        "task": prepared.task.name,
        "transform": prepared.task.transform,
        "valid": None if dataset.valid == (None, None) else dataset.valid,
        **({"classes": list(prepared.task.classes)} if prepared.task.classes else {}),
        "data_sha256": table.sha256,
        "rows": len(table.records),
        "rows_sha256": records_digest(table.records),
        **{name: getattr(options, name) for name in ("split", "test", "epochs", "target")},
        "fit": {name: asdict(settings) for name, settings in fit.items()},
        "weights": {name: pull.sha256(pulled.directory / weights.WEIGHTS_FILE) for name, pulled in backbones.items()},
        **({"networks": of_plugins} if of_plugins else {}),
        "mixtures": prepared.experts,
        "baselines": {name: baselines.baseline_digest(name) for name in fitted},
    }
    plain: dict[str, Any] = json.loads(networks.to_json(found))
    return plain


def read(store: FitStore, cell: Cell, test_rows: int, classes: int = 0) -> dict[str, Any] | None:
    """Read a finished cell with a given number of test rows and classes; None if it must be computed."""
    found = store.get_json(cell.key)
    if found is None:
        return None
    try:
        if all(name in found for name in (OF_CLASSES if classes else REQUIRED)):
            predictions = np.array(found["predictions"], dtype=np.float64)
            if predictions.shape == ((test_rows, classes) if classes else (test_rows,)):
                return {key: float("nan") if value is None else value for key, value in found.items()}
    except (TypeError, ValueError):
        pass
    _log.warning("%s is damaged and is computed again", store.folder / f"{cell.key}.json")
    return None


def vectors(prepared: Prepared, used: Sequence[Method], rows: int | None = None, *, quiet: bool) -> Vectors:
    """Compute the feature vectors for the baselines, each kind once.

    Parameters
    ----------
    prepared : Prepared
    used : sequence of Method
    rows : int, optional
        Number of leading rows to use; by default all.
    quiet : bool
        Show no progress.

    Returns
    -------
    dict of (backbone or None, baseline) to array of shape (n, d)
        The backbone's embedding, or the vectors from the baseline's featurizer; a PluginError if the latter failed.
    """
    fitted = {(method.backbone, name) for method in used if (name := method.baseline)}
    blended = {(method.backbone, BLEND) for method in used if method.mode == BLEND and not method.baseline}
    frozen = sorted({backbone for backbone, _ in fitted if backbone is not None})
    read: dict[tuple[str | None, str], str] = {
        (None, name): plugins.baseline(name).featurizer for backbone, name in fitted if backbone is None
    }
    read |= dict.fromkeys(blended, STRUCTURE)
    names = set(read.values())
    if not (names or frozen):
        return {}
    crystals = [record.crystal for record in prepared.records[:rows]]
    with progress("featurizing", (len(names) + len(frozen)) * len(crystals), "crystals", quiet=quiet) as bar:
        features = baselines.featurize(names, crystals, bar)
        embedded = {}
        for backbone in frozen:
            embedded[backbone] = np.asarray(load(prepared.folders[backbone]).embed(crystals), dtype=np.float64)
            bar.advance(len(crystals), backbone)
    found = {key: features[name] for key, name in read.items()}
    return found | {(backbone, name): embedded[backbone] for backbone, name in fitted if backbone is not None}


def compute(
    cell: Cell,
    dataset: methods.Dataset,
    split: Split,
    backbone: Path | None,
    experts: Mapping[str, Path],
    features: baselines.Features | None,
    epochs: int | None,
    folds: Sequence[NDArray[np.int64]] = (),
) -> dict[str, Any]:
    """Compute a cell, either in a worker process or in the main process.

    Parameters
    ----------
    cell : Cell
    dataset : Dataset
    split : Split
    backbone : Path or None
        Folder of the backbone.
    experts : mapping of str to Path
        Folders of the experts in the backbone's mixture.
    features : array of shape (n, d) or PluginError or None
        Feature vectors for a baseline or a blend's regressors, or the error if they could not be computed.
    epochs : int or None
        Number of epochs; by default the tuned number.
    folds : sequence of array
        Folds of a blend; see :func:`zoo.jobs.crossfit.fit.folds_of`.

    Returns
    -------
    dict
        JSON-serialisable; ``predictions`` contains those for the test rows, in the task's unit, or the probabilities of
        all classes.
    """
    if cell.method.baseline is not None:
        assert features is not None
        outcome = baselines.fit_baseline(dataset, split, plugins.baseline(cell.method.baseline), features)
        interval = _interval(dataset, split, outcome)
    elif cell.method.mode == BLEND:
        assert backbone is not None
        outcome, interval = _blend(cell, dataset, split, backbone, experts, features, epochs, folds)
    else:
        outcome = fit(dataset, split, backbone, list(experts.values()), cell.method.mode, epochs)
        interval = _interval(dataset, split, outcome)
    target, predicted = dataset.targets[split.test], outcome.predictions[split.test]
    if not np.isfinite(predicted).all():
        raise FloatingPointError(f"{int((~np.isfinite(predicted)).sum())} predictions are not finite numbers")
    return {
        "method": cell.method.name,
        "size": cell.size,
        "seed": cell.seed,
        **errors(target, predicted, dataset.transform),
        **interval,
        "seconds": outcome.seconds,
        "best_epoch": outcome.best_epoch,
        "parameters": outcome.parameters,
        "predictions": predicted.tolist(),
    }


def errors(target: NDArray[np.float64], predicted: NDArray[np.float64], transform: Transform) -> dict[str, float]:
    """Return the errors of a cell.

    Parameters
    ----------
    target, predicted : array of shape (n,)
        Values for the test rows, in the task's unit; for classes, their positions, and probabilities of shape (n, K).
    transform : {"identity", "log10"}
        The task's transform.

    Returns
    -------
    dict
        mae, rmse, r2 and, with log10, mae_log10 as in :func:`zoo.analysis.metrics.errors`; mae_over_mad, NaN if all
        targets are equal; and test_rows, the number of test rows. For classes, those of
        :func:`zoo.analysis.metrics.class_errors`, and test_rows.
    """
    found = metrics.errors(target, predicted, log10=transform == "log10")
    if predicted.ndim == 2:
        return {**found, "test_rows": len(target)}
    deviation = metrics.mean_absolute_deviation(target)
    relative = found["mae"] / deviation if deviation > 0 else float("nan")
    return {**found, "mae_over_mad": relative, "test_rows": len(target)}


def _interval(dataset: methods.Dataset, split: Split, outcome: methods.Outcome) -> dict[str, float | None]:
    """Return the half-width and coverage of split-conformal intervals calibrated on the validation rows."""
    if dataset.classes:
        return {"coverage": None, "half_width": None}
    targets, predicted = (transformed(values, dataset.transform) for values in (dataset.targets, outcome.predictions))
    residuals = np.abs(targets - predicted)
    calibration = residuals[split.val].tolist()
    return {
        "coverage": conformal.covered(residuals[split.test], calibration, conformal.INTERVAL_LEVEL),
        "half_width": conformal.half_width(calibration, conformal.INTERVAL_LEVEL),
    }


def fit(
    dataset: methods.Dataset,
    split: Split,
    backbone: Path | None,
    experts: Sequence[Path],
    mode: str,
    epochs: int | None,
) -> methods.Outcome:
    """Fit a network with the tuned settings, from scratch without a backbone.

    The fit always runs on the CPU with one thread: rounding differs between devices and numbers of threads, and
    training amplifies these differences. On a GPU, many workers would also share the memory of one device.
    """
    settings = methods.sized(methods.SCRATCH if backbone is None else methods.TRANSFER, len(split.train))
    initial = partial(_initial, backbone, tuple(experts), mode, max(1, dataset.classes))
    with threads(1), tempfile.TemporaryDirectory() as folder:
        return methods.fit_network(
            dataset,
            split,
            initial,
            replace(settings, epochs=epochs or settings.epochs),
            workdir=Path(folder),
            device="cpu",
        )


def _initial(
    backbone: Path | None, experts: Sequence[Path], mode: str, outputs: int, seed: int
) -> tuple[CrystalNetwork, dict[str, float]]:
    """Return the initial network of a fit and its learning rates by depth."""
    if backbone is None:
        return pretrained.new_network(seed, outputs), {}
    expert_networks = [pretrained.load_network(folder) for folder in experts]
    network = pretrained.load_network(backbone)
    return transfer.transfer(network, cast("Mode", mode), seed, experts=expert_networks, outputs=outputs)


def _blend(
    cell: Cell,
    dataset: methods.Dataset,
    split: Split,
    backbone: Path,
    experts: Mapping[str, Path],
    features: baselines.Features | None,
    epochs: int | None,
    folds: Sequence[NDArray[np.int64]],
) -> tuple[methods.Outcome, dict[str, float | None]]:
    """Cross-fit a blend in this process on the CPU with one thread; return the outcome and the interval."""
    if features is None or isinstance(features, PluginError):
        raise features or PluginError(f"there are no vectors of {STRUCTURE}")
    rows = np.sort(np.concatenate(folds))
    with threads(1):
        initial = partial(_initial, backbone, tuple(experts.values()), "mixture", max(1, dataset.classes))
        network = initial(split.seed)[0]
        vectors = expert_vectors(network, dataset.graphs, np.arange(len(dataset.targets)))
        name = cell.method.backbone or backbone.name
        members: list[NetworkMember | RegressorMember] = [
            *default_members(
                dataset,
                rows,
                list(experts),
                backbone=name,
                readout=readout_fit([pretrained.load_heads(folder) for folder in experts.values()]),
            )
        ]
        if not cell.method.fast:
            settings = methods.sized(methods.TRANSFER, rows_of_fit(folds))
            settings = replace(settings, epochs=epochs or settings.epochs)
            members.insert(0, network_member(name, "study", initial, settings, vectors, "cpu"))
        frozen = None if vectors is None else vectors.numpy()
        inputs = Inputs({STRUCTURE: features}, frozen, expert_sizes(network.architecture))
        scaler = UNSCALED if dataset.classes else TargetScaler.fit(dataset.targets[rows], dataset.transform)
        found = cross_fit(members, dataset, split, folds, inputs, lambda: networks.Member(network, scaler), processes=1)
    interval: dict[str, float | None] = {"coverage": None, "half_width": None}
    if not dataset.classes:
        interval = {
            "coverage": found.covered(split.test, conformal.INTERVAL_LEVEL),
            "half_width": conformal.half_width(found.calibration, conformal.INTERVAL_LEVEL),
        }
    shown = {name: f"{weight:.3g}" for name, weight in found.weights.items()}
    return replace(found.outcome, parameters=shown, member=None), interval
