"""How long a study will take, before it is begun."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.progress import duration
from zoo.errors import PluginError
from zoo.jobs import methods
from zoo.jobs.study import cells as study_cells
from zoo.jobs.study import run
from zoo.jobs.study.setup import agree, prepare

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.study.options import StudyOptions
    from zoo.jobs.study.plan import Cell, Method
    from zoo.jobs.study.setup import Prepared

_Kind = tuple[bool, str, str | None]

EPOCHS = (1, 3)
"""Epochs of the two short fits that give the time of one epoch and of what surrounds them."""

FEW = 64
"""Crystals that are featurized to say how long all of them take."""


@dataclass(frozen=True)
class Estimate:
    """What a study will take.

    Parameters
    ----------
    introduction : str
        Which rows it is about.
    cells, done : int
    seconds : float
        Of one core, for the cells to do.
    workers : int
    measured, tried : int
        Kinds of cells to do (a method and a size) of which there are finished ones, and that were tried for a moment.
    """

    introduction: str
    cells: int
    done: int
    seconds: float
    workers: int
    measured: int
    tried: int

    def lines(self) -> list[str]:
        """Say it."""
        left = self.cells - self.done
        wall = duration(self.seconds / max(1, min(self.workers, left)))
        known = [("finished cells", self.measured), ("short trials", self.tried)]
        source = " and ".join(name for name, kinds in known if kinds) or "nothing to do"
        return [
            self.introduction,
            f"{self.cells} cells, {self.done} done, {left} to do",
            f"estimated time: {wall} with {self.workers} worker(s), {duration(self.seconds)} of one core "
            f"(from {source}; starting, features and figures come on top)",
        ]


def estimate(options: StudyOptions, out: Path, workers: int | None = None) -> Estimate:
    """Estimate how long a study will take; writes nothing.

    Finished cells of the same kind of method and size say how long the others take. Where there is none, networks are
    trained for a few epochs, and baselines are fitted once at the smallest size.

    Parameters
    ----------
    options : StudyOptions
    out : Path
        Where finished cells may be.
    workers : int, optional
        One per core, if not given.

    Raises
    ------
    ZooError
        If the request or the data cannot be used.
    """
    from joblib import cpu_count

    prepared = prepare(options)
    agree(out, prepared)
    finished: dict[tuple[_Kind, int], list[float]] = {}
    missing: list[Cell] = []
    for cell in prepared.cells:
        result = run.load_cell(prepared, cell, out, lambda _line: None)
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
        _network(prepared, first, 1)  # pays for imports
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
    """Return what the time of a method depends on: which backbone it is does not matter."""
    return method.backbone is not None, method.mode, method.baseline


def _trial(prepared: Prepared, cell: Cell) -> float:
    """Estimate the seconds of a cell by a short trial."""
    if cell.method.baseline is not None:
        smallest = min(size for size, _ in prepared.splits)
        # Linear in the number of rows: kernels grow faster, forests and linear models about so.
        return _baseline(prepared, replace(cell, size=smallest)) * cell.size / smallest
    short, long = (_network(prepared, cell, epochs) for epochs in EPOCHS)
    epoch = max(0.0, (long - short) / (EPOCHS[1] - EPOCHS[0]))
    tuned = methods.TRANSFER if cell.method.backbone else methods.SCRATCH
    settings = methods.sized(tuned, len(prepared.splits[cell.size, cell.seed].train))
    return short + epoch * ((prepared.options.epochs or settings.epochs) - EPOCHS[0])


def _network(prepared: Prepared, cell: Cell, epochs: int) -> float:
    method, split = cell.method, prepared.splits[cell.size, cell.seed]
    folder = prepared.backbones[method.backbone].directory if method.backbone else None
    began = time.monotonic()
    study_cells.fit(prepared.problem, split, folder, prepared.beside(method), method.mode, epochs)
    return time.monotonic() - began


def _baseline(prepared: Prepared, cell: Cell) -> float:
    few = prepared.records[:FEW]
    folders = {name: pulled.directory for name, pulled in prepared.backbones.items()}
    began = time.monotonic()
    (vectors,) = study_cells.vectors([cell.method], few, folders, quiet=True).values()
    if isinstance(vectors, PluginError):  # its cells fail at once
        return 0.0
    featurized = time.monotonic()
    # The vectors of a few crystals, again and again: a fit to them takes as long.
    features = np.resize(vectors, (len(prepared.records), vectors.shape[1]))
    with suppress(PluginError):  # as above
        study_cells.compute(
            cell, prepared.problem, prepared.splits[cell.size, cell.seed], None, [], features, prepared.options.epochs
        )
    done = time.monotonic()
    # Vectors are computed once for the whole study.
    share = len(prepared.records) / len(few) / sum(1 for each in prepared.cells if each.method == cell.method)
    return done - featurized + (featurized - began) * share
