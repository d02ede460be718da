"""Run a study: compare methods over training-set sizes and seeds on one table.

For a given seed, all methods and sizes have the same test rows, and smaller training sets are subsets of larger ones.
Each cell (method, size, seed) is written as soon as it has finished, so that an interrupted study can be resumed, and
sizes, methods and seeds can be added later.
"""

from __future__ import annotations

import logging
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zoo._utils import engines, files, resuming
from zoo._utils.progress import progress
from zoo._utils.python_api import public
from zoo._utils.wording import error_title
from zoo.analysis import leaks
from zoo.data.tables.table import source_name
from zoo.jobs.crossfit.fit import folds_of
from zoo.jobs.study import cells as study_cells
from zoo.jobs.study.preparation import Prepared, prepare
from zoo.jobs.study.report import write_report
from zoo.jobs.study.result import FailedCell, Study
from zoo.models.checkpoint import networks
from zoo.registry import plugins, task_choice
from zoo.registry.contracts import Task
from zoo.training.settings import BLEND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo._utils.engines import Engine
    from zoo.jobs.fit_store import FitStore
    from zoo.jobs.study.options import StudyOptions
    from zoo.jobs.study.plan import Cell

_log = logging.getLogger("zoo")


@public("zoo.study")
def run_study(
    options: StudyOptions,
    out: Path | str,
    *,
    engine: str = "local",
    workers: int | None = None,
    strict: bool = False,
    report: bool = True,
    quiet: bool = False,
    say: Callable[[str], None] = lambda _line: None,
) -> Study:
    """Compute all unfinished cells and write the report.

    Parameters
    ----------
    options : StudyOptions
    out : path
        Folder of the study. Finished cells in it are reused if the table and settings are unchanged.
    engine : {"local", "ray", "dask"}
        Engine for parallel execution; see :mod:`zoo._utils.engines`.
    workers : int, optional
        Number of processes with one thread each; by default one per core. With one worker on ``local``, cells are
        computed in the main process.
    strict : bool
        Raise an error if test rows share a crystal or composition with training rows, or were used to train a
        backbone.
    report : bool
        Also write ``report.html``, ``report.md`` and the figures.
    quiet : bool
        Show no progress.
    say : callable
        Called with one line per step.

    Returns
    -------
    Study
        The study with all cells; failed cells are marked.

    Raises
    ------
    ZooError
        If the options or the data cannot be used, `out` contains a study with other settings, or another process is
        writing it.
    """
    out = Path(out)
    chosen = engines.check(engine, workers)
    with resuming.exclusive(out):
        return _run(prepare(options), out, chosen, workers, strict=strict, report=report, quiet=quiet, say=say)


def _run(
    prepared: Prepared,
    out: Path,
    engine: Engine,
    workers: int | None,
    *,
    strict: bool,
    report: bool,
    quiet: bool,
    say: Callable[[str], None],
) -> Study:
    options = prepared.options
    found = leaks.find(prepared.records, prepared.splits, prepared.trained_on, options.split, prepared.by_structure)
    lines = [
        introduction(prepared),
        *prepared.table.notes,
        prepared.note,
        *(f"leaks: {each}" for each in found.lines(unseen=options.unseen)),
    ]
    for line in filter(None, lines):
        say(line)
    if strict:
        found.check()
    settings = study_cells.check_settings(out, prepared)
    store = study_cells.open_store(out, settings)
    files.write_text(out / "leaks.json", networks.to_json(found.as_dict()))
    cells = prepared.cells
    missing = [cell for cell in cells if read_cell(prepared, store, cell) is None]
    say(f"{len(cells)} cells, {len(missing)} to do")
    try:
        reasons = _compute(prepared, missing, store, engine, workers, quiet=quiet, say=say)
    except KeyboardInterrupt:
        kept = len(cells) - sum(read_cell(prepared, store, cell) is None for cell in cells)
        _log.warning("interrupted; %d of %d cells are kept in %s: the same command continues", kept, len(cells), out)
        raise
    study = _collect(prepared, out, store, reasons, settings, found)
    files.write_text(out / "splits.json", networks.to_json(_ids(study)))
    files.write_text(out / "options.json", networks.to_json(_options(study), default=_plain))
    with files.whole(out / "results.parquet") as beside:
        study.results.to_parquet(beside, index=False)
    if report:
        write_report(study, out)
    return study


def introduction(prepared: Prepared) -> str:
    """Return a line describing the rows of a study."""
    every = len(prepared.records) + len(prepared.table.rejected)
    rows = sorted({len(split.test) for split in prepared.splits.values()})
    tests = f"{rows[0]}" if len(rows) == 1 else f"{rows[0]} to {rows[-1]}"
    return (
        f"{prepared.table.source.name}: {len(prepared.records)} of {every} rows used, target "
        f"{prepared.table.target_column} ({prepared.task.unit or 'no unit'}), {tests} test rows a seed"
    )


def read_cell(prepared: Prepared, store: FitStore, cell: Cell) -> dict[str, Any] | None:
    """Read a finished cell; None if it must be computed."""
    return study_cells.read(store, cell, len(prepared.splits[cell.size, cell.seed].test), prepared.dataset.classes)


def jobs(prepared: Prepared, cells: Sequence[Cell], *, quiet: bool) -> list[engines.Job]:
    """Return the jobs that compute the given cells."""
    vectors = study_cells.vectors(prepared, [cell.method for cell in cells], quiet=quiet)
    return [
        engines.Job(
            cell.label,
            partial(
                study_cells.compute,
                cell,
                prepared.dataset,
                prepared.splits[cell.size, cell.seed],
                prepared.folders[cell.method.backbone] if cell.method.backbone else None,
                prepared.expert_folders(cell.method),
                vectors.get((cell.method.backbone, cell.method.baseline or cell.method.mode)),
                prepared.options.epochs,
                _folds(prepared, cell),
            ),
        )
        for cell in cells
    ]


def _folds(prepared: Prepared, cell: Cell) -> list[NDArray[np.int64]]:
    """Return the folds of a blend; an empty list for other methods."""
    if cell.method.mode != BLEND or cell.method.baseline:
        return []
    split = prepared.splits[cell.size, cell.seed]
    return folds_of(
        prepared.records, split.train, seed=split.seed, how=prepared.options.split, stratify=bool(prepared.task.classes)
    )


def _compute(
    prepared: Prepared,
    missing: Sequence[Cell],
    store: FitStore,
    engine: Engine,
    workers: int | None,
    *,
    quiet: bool,
    say: Callable[[str], None],
) -> dict[Cell, str]:
    """Compute cells, write each as soon as it has finished, and return the failed ones with reasons."""
    failed: dict[Cell, str] = {}
    work = jobs(prepared, missing, quiet=quiet)
    with progress("study", len(missing), "cells", quiet=quiet) as bar:
        for done in engines.compute(work, engine, workers, say=say, prepare=plugins.adding_files()):
            cell = missing[done.index]
            if done.failure:
                failed[cell] = done.failure
                say(f"failed: {cell.label}: {done.failure}")
                bar.advance(1, f"{cell.label}: failed")
            else:
                store.put_json(cell.key, done.value)
                name = "log_loss" if prepared.task.classes else "mae"
                bar.advance(
                    1, f"{cell.label}: {error_title(name)} {done.value[name]:.4g} {prepared.task.unit}".rstrip()
                )
    return failed


def _collect(
    prepared: Prepared,
    out: Path,
    store: FitStore,
    reasons: dict[Cell, str],
    settings: Mapping[str, Any],
    found: leaks.Leaks,
) -> Study:
    """Read all cells and assemble the study."""
    rows: list[dict[str, Any]] = []
    predictions: dict[tuple[str, int], dict[int, NDArray[np.float64]]] = {}
    parameters: dict[tuple[str, int, int], dict[str, str]] = {}
    failed: list[FailedCell] = []
    for cell in prepared.cells:
        head: dict[str, Any] = {"method": cell.method.name, "size": cell.size, "seed": cell.seed}
        result = read_cell(prepared, store, cell) if cell not in reasons else None
        if result is None:
            reason = reasons.get(cell, "its file has disappeared")
            failed.append(FailedCell(**head, reason=reason))
            rows.append({**head, "status": "failed", "reason": reason})
            continue
        predicted = np.array(result.pop("predictions"))
        predictions.setdefault((cell.method.name, cell.size), {})[cell.seed] = predicted
        parameters[cell.method.name, cell.size, cell.seed] = result.pop("parameters", {})
        rows.append({**head, "status": "ok", "reason": "", **result})
    columns = ["mae", "rmse", "r2", *(["mae_log10"] if prepared.task.transform == "log10" else []), "mae_over_mad"]
    if prepared.task.classes:
        columns = ["log_loss", "accuracy", "balanced_accuracy", "roc_auc"]
    columns += ["test_rows", "coverage", "half_width", "seconds", "best_epoch"]
    results = pd.DataFrame(rows, columns=["method", "size", "seed", "status", "reason", *columns])
    return Study(
        options=prepared.options,
        task=prepared.task,
        folder=out,
        table=prepared.table,
        records=prepared.records,
        targets=prepared.dataset.targets,
        splits=prepared.splits,
        backbones=prepared.backbones,
        results=results,
        predictions=predictions,
        failed=failed,
        parameters=parameters,
        settings=settings,
        leaks=found,
        others=prepared.others,
    )


def _ids(study: Study) -> dict[str, dict[str, list[str]]]:
    return {f"{size} rows, seed {seed}": split.as_ids(study.records) for (size, seed), split in study.splits.items()}


def _options(study: Study) -> dict[str, Any]:
    """Return the options of a study, with its table by name."""
    values = {each.name: getattr(study.options, each.name) for each in fields(study.options)}
    task, source = study.options.task, study.options.data
    values["task"] = task_choice.definition(task) if isinstance(task, Task) else task
    return values | {"data": source if isinstance(source, Path) else source_name(source)}


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else str(value)
