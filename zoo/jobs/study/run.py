"""Many methods, training-set sizes and seeds on one table.

Does transfer help, by how much, and is that luck?

Within a seed all methods and sizes have the same test rows, and the training rows of a size are among those of every
larger one. Each cell (method, size, seed) is written as it is finished, so that the same command goes on where a study
was cut off, and a study can be extended by sizes, methods and seeds.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from zoo._utils import engines, files
from zoo._utils.progress import progress
from zoo.analysis import leaks
from zoo.jobs.study import cells as study_cells
from zoo.jobs.study.report import Section, write_report
from zoo.jobs.study.result import FailedCell, Study
from zoo.jobs.study.setup import Prepared, begin, prepare
from zoo.models.checkpoint import networks
from zoo.registry import plugins as extensions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo._utils.engines import Engine
    from zoo.jobs.study.options import StudyOptions
    from zoo.jobs.study.plan import Cell


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
    """Run all cells that are not there yet, and write the report on all.

    Parameters
    ----------
    options : StudyOptions
    out : path
        Folder; if it holds finished cells of the same table and settings, they are used.
    engine : {"local", "ray", "dask"}
        Who computes; see :mod:`zoo._utils.engines`.
    workers : int, optional
        Processes, one thread each; one per core, if not given. With one, on ``local``, everything is computed in this
        process.
    strict : bool
        Refuse test rows that share a crystal or a composition with the rows trained on, or that a backbone was trained
        on.
    report : bool
        Write ``report.html``, ``report.md`` and the figures as well.
    quiet : bool
        Show no progress.
    say : callable
        Told, in one line each, what is being done.

    Returns
    -------
    Study
        Cells that failed are in it as failed; the others are there all the same.

    Raises
    ------
    ZooError
        If the request or the data cannot be used, or `out` was made with other settings; names them.
    """
    out = Path(out)
    chosen = engines.check(engine, workers)
    prepared = prepare(options)
    found = leaks.find(prepared.records, prepared.splits, prepared.trained_on, options.split)
    for line in [introduction(prepared), *(f"leaks: {each}" for each in found.lines(unseen=options.unseen))]:
        say(line)
    if strict:
        found.check()
    settings = begin(out, prepared)
    files.write_text(out / "leaks.json", networks.to_json(found.as_dict()))
    cells = prepared.cells
    missing = [cell for cell in cells if load_cell(prepared, cell, out, say) is None]
    say(f"{len(cells)} cells, {len(missing)} to do")
    reasons = _compute(prepared, missing, out, chosen, workers, quiet=quiet, say=say)
    study = _gather(prepared, out, reasons, settings, found)
    files.write_text(out / "splits.json", networks.to_json(_ids(study)))
    files.write_text(
        out / "options.json", networks.to_json(json.loads(json.dumps(asdict(study.options), default=_plain)))
    )
    with files.whole(out / "results.parquet") as beside:
        study.results.to_parquet(beside, index=False)
    if report:
        write_report(study, out, more=[Section("Leak checks", points=_sentences(found, options))])
    return study


def introduction(prepared: Prepared) -> str:
    """Say which rows a study is about."""
    every = len(prepared.records) + len(prepared.table.rejected)
    rows = sorted({len(split.test) for split in prepared.splits.values()})
    tests = f"{rows[0]}" if len(rows) == 1 else f"{rows[0]} to {rows[-1]}"
    return (
        f"{prepared.table.source.name}: {len(prepared.records)} of {every} rows used, target "
        f"{prepared.table.target_column} ({prepared.task.unit or 'no unit'}), {tests} test rows a seed"
    )


def load_cell(prepared: Prepared, cell: Cell, out: Path, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Read a finished cell; None if it must be computed."""
    rows = len(prepared.splits[cell.size, cell.seed].test)
    return study_cells.read(out / "cells" / f"{cell.key}.json", rows, say)


def jobs(prepared: Prepared, cells: Sequence[Cell], *, quiet: bool) -> list[engines.Job]:
    """Return the jobs that compute some cells."""
    folders = {name: pulled.directory for name, pulled in prepared.backbones.items()}
    vectors = study_cells.vectors([cell.method for cell in cells], prepared.records, folders, quiet=quiet)
    plugins = extensions.files()
    return [
        engines.Job(
            cell.label,
            partial(
                study_cells.compute,
                cell,
                prepared.problem,
                prepared.splits[cell.size, cell.seed],
                folders[cell.method.backbone] if cell.method.backbone else None,
                prepared.beside(cell.method),
                vectors.get((cell.method.backbone, cell.method.baseline or "")),
                prepared.options.epochs,
                plugins,
            ),
        )
        for cell in cells
    ]


def _compute(
    prepared: Prepared,
    missing: Sequence[Cell],
    out: Path,
    engine: Engine,
    workers: int | None,
    *,
    quiet: bool,
    say: Callable[[str], None],
) -> dict[Cell, str]:
    """Compute cells and write each as it is finished; returns those that failed, with the reason."""
    failed: dict[Cell, str] = {}
    work = jobs(prepared, missing, quiet=quiet)
    with progress("study", len(missing), "cells", quiet=quiet) as bar:
        for done in engines.compute(work, engine, workers, say=say):
            cell = missing[done.index]
            if done.failure:
                failed[cell] = done.failure
                say(f"failed: {cell.label}: {done.failure}")
                bar.advance(1, f"{cell.label}: failed")
            else:
                study_cells.write(out / "cells" / f"{cell.key}.json", done.value)
                bar.advance(1, f"{cell.label}: MAE {done.value['mae']:.4g} {prepared.task.unit}")
    return failed


def _gather(
    prepared: Prepared, out: Path, reasons: dict[Cell, str], settings: Mapping[str, Any], found: leaks.Leaks
) -> Study:
    """Read all cells back."""
    rows: list[dict[str, Any]] = []
    predictions: dict[tuple[str, int], dict[int, NDArray[np.float64]]] = {}
    parameters: dict[tuple[str, int, int], dict[str, str]] = {}
    failed: list[FailedCell] = []
    for cell in prepared.cells:
        head: dict[str, Any] = {"method": cell.method.name, "size": cell.size, "seed": cell.seed}
        result = load_cell(prepared, cell, out, lambda _line: None) if cell not in reasons else None
        if result is None:
            reason = reasons.get(cell, "its file is gone")
            failed.append(FailedCell(**head, reason=reason))
            rows.append({**head, "status": "failed", "reason": reason})
            continue
        predicted = np.array(result.pop("predictions"))
        predictions.setdefault((cell.method.name, cell.size), {})[cell.seed] = predicted
        parameters[cell.method.name, cell.size, cell.seed] = result.pop("parameters", {})
        rows.append({**head, "status": "ok", "reason": "", **result})
    columns = ["mae", "rmse", "r2", *(["mae_log10"] if prepared.task.transform == "log10" else [])]
    columns += ["mae_over_mad", "test_rows", "coverage", "half_width", "seconds", "best_epoch"]
    results = pd.DataFrame(rows, columns=["method", "size", "seed", "status", "reason", *columns])
    return Study(
        options=prepared.options,
        task=prepared.task,
        folder=out,
        table=prepared.table,
        records=prepared.records,
        targets=prepared.problem.targets,
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


def _sentences(found: leaks.Leaks, options: StudyOptions) -> list[str]:
    return [f"{line[0].upper()}{line[1:]}." for line in found.lines(unseen=options.unseen)]


def _ids(study: Study) -> dict[str, dict[str, list[str]]]:
    return {f"{size} rows, seed {seed}": split.as_ids(study.records) for (size, seed), split in study.splits.items()}


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else str(value)
