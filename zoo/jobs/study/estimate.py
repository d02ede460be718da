"""Estimate of the computing time of a study."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.progress import duration
from zoo.errors import PluginError
from zoo.jobs import methods
from zoo.jobs.fit_store import FitStore
from zoo.jobs.study import cells as study_cells
from zoo.jobs.study import run
from zoo.jobs.study.preparation import prepare
from zoo.training.settings import BLEND

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.study.options import StudyOptions
    from zoo.jobs.study.plan import Cell, Method
    from zoo.jobs.study.preparation import Prepared

_Kind = tuple[bool, str, str | None]

BLEND_FITS = 6
"""Cost of a blend in units of a single network fit: five folds, plus all regressors."""

TRIAL_EPOCHS = (1, 3)
"""Epochs of two short fits that determine the time per epoch and the overhead."""

TRIAL_CRYSTALS = 64
"""Number of crystals featurized to estimate the time for all crystals."""


@dataclass(frozen=True)
class Estimate:
    """The number of cells in a study and the estimated time for them.

    Parameters
    ----------
    introduction : str
        Line describing the rows of the study.
    cells, done : int
        Total number of cells, and number of finished cells.
    seconds : float
        Time for the remaining cells on one core.
    workers : int
    measured, tried : int
        Number of kinds of remaining cells (method and size) timed from finished cells, and from short trials.
    """

    introduction: str
    cells: int
    done: int
    seconds: float
    workers: int
    measured: int
    tried: int

    def lines(self) -> list[str]:
        """Return the estimate as lines of text."""
        left = self.cells - self.done
        wall = duration(self.seconds / max(1, min(self.workers, left)))
        known = [("finished cells", self.measured), ("short trials", self.tried)]
        source = " and ".join(name for name, kinds in known if kinds) or "nothing to do"
        return [
            self.introduction,
            f"{self.cells} cells, {self.done} done, {left} to do",
            f"estimated time: {wall} with {self.workers} worker(s), {duration(self.seconds)} of one core "
            f"(from {source}; excluding start-up, features and figures)",
        ]


def estimate(options: StudyOptions, out: Path, workers: int | None = None) -> Estimate:
    """Estimate the computing time of a study without writing anything.

    The time for a cell is taken from finished cells with the same kind of method and size. If there are none, networks
    are trained for a few epochs, and baselines are fitted once at the smallest size.

    Parameters
    ----------
    options : StudyOptions
    out : Path
        Folder of the study; it need not exist.
    workers : int, optional
        Number of worker processes; by default one per core.

    Raises
    ------
    ZooError
        If the options or the data cannot be used.
    """
    from joblib import cpu_count

    prepared = prepare(options)
    study_cells.check_settings(out, prepared)
    store = FitStore(out / "cells", resume=True) if (out / "cells").exists() else None
    finished: dict[tuple[_Kind, int], list[float]] = {}
    missing: list[Cell] = []
    for cell in prepared.cells:
        result = None if store is None else run.read_cell(prepared, store, cell)
        if result is None:
            missing.append(cell)
        else:
            finished.setdefault((_kind(cell.method), cell.size), []).append(result["seconds"])
    times = {key: sum(each) / len(each) for key, each in finished.items()}
    first = next(
        (cell for cell in missing if cell.method.baseline is None and (_kind(cell.method), cell.size) not in times),
        None,
    )
    if first is not None:
        _network(prepared, first, 1)  # excludes imports from the timing
    tried = 0
    for cell in missing:
        if (_kind(cell.method), cell.size) not in times:
            times[_kind(cell.method), cell.size] = _trial(prepared, cell)
            tried += 1
    return Estimate(
        run.introduction(prepared),
        len(prepared.cells),
        len(prepared.cells) - len(missing),
        sum(times[_kind(cell.method), cell.size] for cell in missing),
        workers or cpu_count(),
        len({(_kind(cell.method), cell.size) for cell in missing} & finished.keys()),
        tried,
    )


def _kind(method: Method) -> _Kind:
    """Return the properties of a method that determine its time; all backbones take about the same time."""
    return method.backbone is not None, method.mode, method.baseline


def _trial(prepared: Prepared, cell: Cell) -> float:
    """Estimate the time for a cell, in seconds, from a short trial."""
    if cell.method.baseline is not None:
        smallest = min(size for size, _ in prepared.splits)
        # Scaled linearly with the number of rows, as for forests and linear models; kernel methods scale worse.
        return _baseline(prepared, replace(cell, size=smallest)) * cell.size / smallest
    short, long = (_network(prepared, cell, epochs) for epochs in TRIAL_EPOCHS)
    epoch = max(0.0, (long - short) / (TRIAL_EPOCHS[1] - TRIAL_EPOCHS[0]))
    tuned = methods.TRANSFER if cell.method.backbone else methods.SCRATCH
    settings = methods.sized(tuned, len(prepared.splits[cell.size, cell.seed].train))
    fits = BLEND_FITS if cell.method.mode == BLEND and not cell.method.fast else 1  # all regressors take about as long
    return fits * (short + epoch * ((prepared.options.epochs or settings.epochs) - TRIAL_EPOCHS[0]))


def _network(prepared: Prepared, cell: Cell, epochs: int) -> float:
    method, split = cell.method, prepared.splits[cell.size, cell.seed]
    folder = prepared.folders[method.backbone] if method.backbone else None
    mode = "mixture" if method.mode == BLEND else method.mode
    began = time.monotonic()
    study_cells.fit(prepared.dataset, split, folder, list(prepared.expert_folders(method).values()), mode, epochs)
    return time.monotonic() - began


def _baseline(prepared: Prepared, cell: Cell) -> float:
    began = time.monotonic()
    (vectors,) = study_cells.vectors(prepared, [cell.method], TRIAL_CRYSTALS, quiet=True).values()
    if isinstance(vectors, PluginError):  # its cells fail immediately
        return 0.0
    featurized = time.monotonic()
    # The vectors of a few crystals, repeated, give the same fitting time.
    features = np.resize(vectors, (len(prepared.records), vectors.shape[1]))
    with suppress(PluginError):  # as above
        study_cells.compute(
            cell, prepared.dataset, prepared.splits[cell.size, cell.seed], None, {}, features, prepared.options.epochs
        )
    done = time.monotonic()
    # Feature vectors are computed only once per study.
    share = len(prepared.records) / len(vectors) / sum(1 for each in prepared.cells if each.method == cell.method)
    return done - featurized + (featurized - began) * share
