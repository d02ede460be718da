"""One cell of a study: computed, written, read back."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils import files
from zoo._utils.progress import progress
from zoo.analysis import conformal, metrics
from zoo.data.scaling import transformed
from zoo.jobs import baselines, methods, pretrained
from zoo.jobs.predict.model import load
from zoo.models.inference import threads
from zoo.registry import plugins as extensions
from zoo.training import transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.jobs.study.plan import Cell, Method
    from zoo.models.cgcnn import CGCNN
    from zoo.registry.contracts import Transform

    Vectors = dict[tuple[str | None, str], baselines.Features]

PLACES = ("predictions", "seconds", "mae", "rmse", "r2", "mae_over_mad", "test_rows")
"""Keys without which a cell's file is damaged."""


def vectors(used: Sequence[Method], records: Sequence[Record], folders: dict[str, Path], *, quiet: bool) -> Vectors:
    """Compute what baselines are fitted to, each kind once.

    Returns
    -------
    dict of (backbone or None, baseline) to array of shape (n, d)
        The backbone's embedding, or the vectors of the baseline's own featurizer; its error, if it failed.
    """
    fitted = {(method.backbone, method.baseline): method for method in used if method.baseline}
    own = {name: extensions.baseline(name) for backbone, name in fitted if backbone is None and name}
    frozen = sorted({backbone for backbone, _ in fitted if backbone is not None})
    if not fitted:
        return {}
    crystals = [record.crystal for record in records]
    kinds = len({baseline.featurizer for baseline in own.values()}) + len(frozen)
    with progress("featurizing", kinds * len(crystals), "crystals", quiet=quiet) as bar:
        features = baselines.featurize(list(own.values()), crystals, bar) if own else {}
        embedded = {}
        for name in frozen:
            embedded[name] = np.asarray(load(folders[name]).embed(crystals), dtype=np.float64)
            bar.advance(len(crystals), name)
    return {
        (backbone, name): features[own[name].featurizer] if backbone is None else embedded[backbone]
        for backbone, name in fitted
        if name
    }


def compute(
    cell: Cell,
    problem: methods.Dataset,
    split: Split,
    backbone: Path | None,
    experts: Sequence[Path],
    features: baselines.Features | None,
    epochs: int | None,
    plugins: Sequence[Path] = (),
) -> dict[str, Any]:
    """Compute a cell, in a worker process or here.

    Parameters
    ----------
    cell : Cell
    problem : Dataset
    split : Split
    backbone : Path or None
        Folder of the backbone.
    experts : sequence of Path
        Folders of the backbones that are read beside it, for a mixture.
    features : array of shape (n, d) or PluginError or None
        What a baseline is fitted to; or why there is nothing.
    epochs : int or None
        Instead of the tuned number.
    plugins : sequence of Path
        Files that were given with ``--plugin``, for a process that has not read them.

    Returns
    -------
    dict
        JSON-able; test predictions in the task's unit under ``predictions``.
    """
    if cell.method.baseline is not None:
        assert features is not None
        for path in sorted(set(plugins) - set(extensions.files())):
            extensions.add_file(path)
        outcome = baselines.fit_baseline(problem, split, extensions.baseline(cell.method.baseline), features)
    else:
        outcome = fit(problem, split, backbone, experts, cell.method.mode, epochs)
    target, predicted = problem.targets[split.test], outcome.predictions[split.test]
    if not np.isfinite(predicted).all():
        raise FloatingPointError(f"{int((~np.isfinite(predicted)).sum())} predictions are not finite numbers")
    return {
        "method": cell.method.name,
        "size": cell.size,
        "seed": cell.seed,
        **errors(target, predicted, problem.transform),
        **_interval(problem, split, outcome),
        "seconds": outcome.seconds,
        "best_epoch": outcome.best_epoch,
        "parameters": outcome.parameters,
        "predictions": [float(value) for value in predicted],
    }


def errors(target: NDArray[np.float64], predicted: NDArray[np.float64], transform: Transform) -> dict[str, float]:
    """Return the errors of a cell.

    Parameters
    ----------
    target, predicted : array of shape (n,)
        Of the test rows, in the task's unit.
    transform : {"identity", "log10"}
        The task's transform.

    Returns
    -------
    dict
        mae, rmse, r2, (mae_log10), as of :func:`zoo.analysis.metrics.errors`;
        mae_over_mad, NaN if all targets are equal; and
        test_rows, how many there are.
    """
    found = metrics.errors(target, predicted, log10=transform == "log10")
    spread = metrics.mean_absolute_deviation(target)
    return {**found, "mae_over_mad": found["mae"] / spread if spread > 0 else float("nan"), "test_rows": len(target)}


def _interval(problem: methods.Dataset, split: Split, outcome: methods.Outcome) -> dict[str, float | None]:
    """Measure the split-conformal interval that the validation rows give; they train no method."""
    targets, predicted = (transformed(values, problem.transform) for values in (problem.targets, outcome.predictions))
    residuals = np.abs(targets - predicted)
    calibration = residuals[split.val].tolist()
    return {
        "coverage": conformal.covered(residuals[split.test], calibration, conformal.INTERVAL_LEVEL),
        "half_width": conformal.half_width(calibration, conformal.INTERVAL_LEVEL),
    }


def fit(
    problem: methods.Dataset,
    split: Split,
    backbone: Path | None,
    experts: Sequence[Path],
    mode: transfer.Mode,
    epochs: int | None,
) -> methods.Outcome:
    """Fit a network with the tuned settings; from scratch if there is no backbone.

    With one thread on the CPU, whatever the machine and the number of workers: rounding differs between numbers of
    threads and between devices, and training enlarges what differs; and many workers would share one GPU's memory.
    """
    settings = methods.sized(methods.SCRATCH if backbone is None else methods.TRANSFER, len(split.train))

    def initial(seed: int) -> tuple[CGCNN, dict[str, float]]:
        if backbone is None:
            return pretrained.new_network(seed), {}
        beside = [pretrained.load_network(folder) for folder in experts]
        return transfer.transfer(pretrained.load_network(backbone), mode, seed, experts=beside)

    with threads(1), tempfile.TemporaryDirectory() as folder:
        return methods.fit_network(
            problem,
            split,
            initial,
            replace(settings, epochs=epochs or settings.epochs),
            workdir=Path(folder),
            device="cpu",
        )


def read(path: Path, rows: int, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Read a finished cell of so many test rows; None if it must be computed."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if all(name in found for name in PLACES) and np.array(found["predictions"], dtype=float).shape == (rows,):
            return {key: float("nan") if value is None else value for key, value in found.items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        pass
    say(f"{path} is damaged and is computed again")
    return None


def write(path: Path, result: dict[str, Any]) -> None:
    """Write a finished cell, whole or not at all."""
    # Undefined errors (R² of equal targets) have no JSON.
    files.write_text(path, json.dumps({key: (None if value != value else value) for key, value in result.items()}))
