"""Judge the default of zoo on ten open tasks: its error against that of every single method, on the same test rows.

    python benchmarks/tasks.py FOLDER --work DIR
    python benchmarks/tasks.py FOLDER --work DIR --tasks g0w0-gap --sizes 100 --seeds 1 --methods mixture,svr

FOLDER holds the tables that ``benchmarks/tasks.toml`` names; matminer's source distribution lies there too, or in
``.bench/data`` after ``make bench-setup``. Each result (task, method, size, seed) is stored in DIR as soon as it is
there: run the command again to continue or to add to it, and choose another DIR after a change of the code. The report
shows everything asked for that DIR holds.

Methods are ``default`` (the mode of a plain ``zoo finetune``), modes, ``scratch``, ``frozen-`` and a baseline, and
baselines. All methods know the same rows: N training rows and, as in ``zoo study``, validation rows, a fifth as many.
Methods that choose nothing by validation rows are fitted to them as well.
"""

from __future__ import annotations

import argparse
import io
import sys
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import crystals
import numpy as np
import overview
import pandas as pd
import tasks_report

from zoo._utils import engines
from zoo.data.splits import MIN_VALIDATION_ROWS, VALIDATION_FRACTION, Split
from zoo.jobs.finetune.options import Options
from zoo.jobs.fit_store import FitStore
from zoo.jobs.study import cells as study_cells
from zoo.jobs.study.options import FROZEN_PREFIX, StudyOptions
from zoo.jobs.study.plan import Cell, Method, plan
from zoo.jobs.study.preparation import Prepared, prepare
from zoo.jobs.study.run import jobs, read_cell
from zoo.registry import plugins
from zoo.registry.task_choice import recommended_backbone
from zoo.training.settings import BLEND, Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.data.tables.records import Record
    from zoo.registry.contracts import Task

ROOT = Path(__file__).parents[1]
TASKS, PLUGIN = ROOT / "benchmarks" / "tasks.toml", ROOT / "benchmarks" / "tasks_plugin.py"
DEFAULT: str = next(each.default for each in fields(Options) if each.name == "mode")
METHODS = ("default", "mixture", "full", "layerwise", "head", "scratch", "frozen-svr", "svr", "rf", "ridge")
COUNTERPARTS = {"svr": "svc", "frozen-svr": "frozen-svc", "ridge": "logistic", "mean": "majority"}
"""Baselines of a classification in place of those of a regression."""

SEEDS = 5
MAX_REJECTED = 0.2
"""Fraction of rows that may be unusable: a few gaps are 0, and some piezoelectric moduli are noise."""


@dataclass(frozen=True)
class BenchmarkTask:
    """A task of ``tasks.toml``, which explains the fields."""

    name: str
    title: str
    file: str
    column: str
    task: str
    sizes: list[int]
    tuned: bool
    derive: str = ""
    test: float = 0.1
    folds: str = ""
    unseen: bool = False
    matbench: str = ""


@dataclass(frozen=True)
class Settings:
    """What is to be compared, and where; see the command's options."""

    folder: Path
    work: Path
    methods: Sequence[str] = METHODS
    seeds: int = SEEDS
    backbone: str | None = None
    epochs: int | None = None
    workers: int = 1
    default: str = DEFAULT
    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        named = [self.default if name == "default" else name for name in self.methods]
        object.__setattr__(self, "names", list(dict.fromkeys(named)))


def read_tasks(path: Path = TASKS) -> dict[str, BenchmarkTask]:
    """Read the list of tasks, and make those of the plugin known."""
    plugins.add_file(PLUGIN)
    with path.open("rb") as file:
        return {name: BenchmarkTask(name, **values) for name, values in tomllib.load(file).items()}


def write_table(task: BenchmarkTask, settings: Settings) -> Path:
    """Write the rows of a task that have a target, in the target's own column, and return the file."""
    if task.file.endswith(".csv"):
        beside = settings.folder if (settings.folder / crystals.SOURCE).exists() else ROOT / ".bench" / "data"
        frame = pd.read_csv(io.StringIO(crystals.data_set(beside, task.file)), comment="#")
        frame = frame[["material_id", "structure", task.column]]
    else:
        frame = pd.read_parquet(settings.folder / task.file)
    values = frame.pop(task.column)
    if task.derive == "sqrt":
        values = np.sqrt(values)
    elif task.derive == "is-zero":
        values = (values == 0).astype(float).where(values.notna())
    kept = ["material_id", "structure", "atomic_numbers", "lattice", "frac_coords", task.folds]
    frame = frame[[column for column in kept if column in frame]]
    frame[plugins.task(task.task).target] = values
    path = settings.work / "tables" / f"{task.name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.dropna().to_parquet(path, index=False)
    return path


def study_options(task: BenchmarkTask, settings: Settings, sizes: Sequence[int], table: Path) -> StudyOptions:
    """Return the options of the study that has these methods, sizes and seeds."""
    names = list(settings.names)
    if plugins.task(task.task).classes:
        names = [COUNTERPARTS.get(name, name) for name in names]
    modes = [name for name in names if name in (BLEND, *get_args(Mode)) or name.startswith(FROZEN_PREFIX)]
    return StudyOptions(
        task.task,
        table,
        sizes=tuple(sizes),
        backbones=(settings.backbone or recommended_backbone(task.task),) if modes else (),
        modes=tuple(modes),
        baselines=tuple(name for name in names if name not in (*modes, "scratch")),
        scratch="scratch" in names,
        seeds=settings.seeds,
        test=task.test,
        epochs=settings.epochs,
        unseen=task.unseen,
        max_rejected=MAX_REJECTED,
    )


def methods(options: StudyOptions) -> dict[str, Method]:
    """Return the methods by the names that the command has for them."""
    names = ["scratch"] * options.scratch + list(options.modes * bool(options.backbones)) + list(options.baselines)
    return dict(zip(names, plan(options), strict=True))


def official_split(records: Sequence[Record], fold: dict[str, int], number: int, size: int | None) -> Split:
    """Split by official folds: test rows are those of one fold, in the order of their identifiers.

    Parameters
    ----------
    records : sequence of Record
    fold : dict of str to int
        Fold of each identifier.
    number : int
        The fold that is tested on.
    size : int or None
        Training rows; by default all rows of the other folds but a tenth, the validation rows.
    """
    ordered = sorted(range(len(records)), key=lambda row: records[row].id)
    tested = np.array([fold[records[row].id] == number for row in ordered])
    test, pool = np.array(ordered)[tested], np.array(ordered)[~tested]
    pool = np.random.default_rng([number, 1]).permutation(pool)
    few = max(1, len(pool) // 10) if size is None else max(MIN_VALIDATION_ROWS, round(VALIDATION_FRACTION * size))
    size = len(pool) - few if size is None else size
    if size + few > len(pool):
        raise SystemExit(f"{size} training and {few} validation rows: fold {number} leaves {len(pool)} rows")
    return Split(number, pool[:size], pool[size : size + few], test)


def prepare_task(task: BenchmarkTask, settings: Settings, sizes: Sequence[int], *, whole: bool = False) -> Prepared:
    """Read the table, build the graphs, and split by seed or by official folds.

    With `whole`, the only size stands for all rows outside of the fold that is tested on.
    """
    table = write_table(task, settings)
    prepared = prepare(study_options(task, settings, sizes, table))
    if not task.folds:
        return prepared
    frame = pd.read_parquet(table, columns=["material_id", task.folds])
    fold = dict(zip(frame["material_id"], frame[task.folds], strict=True))
    splits = {
        (size, number): official_split(prepared.records, fold, number, None if whole else size)
        for size, number in prepared.splits
    }
    return replace(prepared, splits=splits)


def compute(prepared: Prepared, out: Path, workers: int) -> list[str]:
    """Compute the cells that `out` does not hold yet, and return why some failed."""
    settings = study_cells.check_settings(out, prepared)
    store = study_cells.open_store(out, settings)
    missing = [cell for cell in prepared.cells if read_cell(prepared, store, cell) is None]
    known = {
        key: replace(split, train=np.concatenate([split.train, split.val])) for key, split in prepared.splits.items()
    }
    whole = [cell for cell in missing if cell.method.baseline or cell.method.mode == BLEND]
    validated = [cell for cell in missing if cell not in whole]
    failed = []
    for cells, as_split in ((whole, replace(prepared, splits=known)), (validated, prepared)):
        for done in engines.compute(jobs(as_split, cells, quiet=True), "local", workers):
            cell = cells[done.index]
            if done.failure:
                failed.append(f"{prepared.task.name}: {cell.label}: {done.failure}")
            else:
                store.put_json(cell.key, done.value)
            told = f"{prepared.task.name}: {cell.label}: "
            print(failed[-1] if done.failure else f"{told}{done.value[error_name(prepared.task)]:.4g}")
            sys.stdout.flush()
    return failed


def stored(options: StudyOptions, sizes: Sequence[int], out: Path) -> list[dict[str, Any]]:
    """Read the cells that are there, with the names that the command has for the methods."""
    if not (out / "cells").is_dir():
        return []
    store = FitStore(out / "cells", resume=True)
    cells = [
        (name, Cell(method, size, seed))
        for name, method in methods(options).items()
        for size in sizes
        for seed in range(options.seeds)
    ]
    found = [(name, store.get_json(cell.key)) for name, cell in cells]
    return [{**values, "method": name} for name, values in found if values]


def error_name(task: Task) -> str:
    """Return the error that methods are compared by."""
    return "log_loss" if task.classes else "mae_log10" if task.transform == "log10" else "mae"


def run_task(
    task: BenchmarkTask, settings: Settings, sizes: Sequence[int], *, whole: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """Compute what is missing of a task; return its results, one a row, and the failures."""
    out = settings.work / task.name
    options = study_options(task, settings, sizes, settings.work)
    failed: list[str] = []
    if len(stored(options, sizes, out)) < len(methods(options)) * len(sizes) * settings.seeds:
        failed = compute(prepare_task(task, settings, sizes, whole=whole), out, settings.workers)
    frame = pd.DataFrame(
        stored(options, sizes, out), columns=["method", "size", "seed", *tasks_report.NUMBERS, "predictions"]
    )
    compared = error_name(plugins.task(task.task))
    if compared not in frame:
        frame[compared] = [values[compared] for values in stored(options, sizes, out)]
    frame.insert(0, "task", task.name)
    frame.insert(4, "error", frame[compared])
    return frame, failed


def arguments() -> argparse.ArgumentParser:
    """Return the options that this command shares with ``matbench.py``."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the tables")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="where results are kept")
    parser.add_argument("--tasks", help="comma-separated  [default: all]")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="number of seeds, or of official folds")
    parser.add_argument("--methods", default=",".join(METHODS), help="comma-separated  [default: %(default)s]")
    parser.add_argument("--default", default=DEFAULT, help="the method that is judged  [default: zoo's, %(default)s]")
    parser.add_argument("--backbone", help="for all tasks  [default: the one that each task recommends]")
    parser.add_argument("--epochs", type=int, help="of all networks  [default: tuned]")
    parser.add_argument("--workers", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--list", type=Path, default=TASKS, metavar="FILE", help="list of tasks")
    return parser


def settings_of(given: argparse.Namespace) -> Settings:
    """Return the settings that a command was given."""
    return Settings(
        given.folder,
        given.work,
        given.methods.split(","),
        given.seeds,
        given.backbone,
        given.epochs,
        given.workers,
        given.default,
    )


def chosen(known: dict[str, BenchmarkTask], names: str | None) -> list[BenchmarkTask]:
    """Return the tasks that were asked for."""
    asked = names.split(",") if names else list(known)
    if unknown := [name for name in asked if name not in known]:
        raise SystemExit(f"--tasks {unknown[0]}: there is {', '.join(known)}")
    return [known[name] for name in asked]


def main() -> None:
    """Compute what is missing, and write the report."""
    parser = arguments()
    parser.description = __doc__
    parser.add_argument("--sizes", help="comma-separated; tasks without them are left out  [default: all of each task]")
    parser.add_argument("--report", type=Path, default=ROOT / "benchmarks" / "tasks.md", help="a CSV lies beside it")
    parser.add_argument("--image", type=Path, default=ROOT / "docs" / "images" / "tasks.png")
    parser.add_argument("--page", type=Path, action="append", default=[], help="a page that gets the short table")
    given = parser.parse_args()
    settings = settings_of(given)
    wanted = [int(size) for size in given.sizes.split(",")] if given.sizes else None
    results, failed, done = [], [], []
    for task in chosen(read_tasks(given.list), given.tasks):
        sizes = [size for size in task.sizes if wanted is None or size in wanted]
        if sizes:
            frame, reasons = run_task(task, settings, sizes)
            results.append(frame.drop(columns="predictions"))
            failed += reasons
            done.append(task)
    if not any(len(frame) for frame in results):
        raise SystemExit("\n".join([*failed, "there is no result"]))
    found = pd.concat([frame for frame in results if len(frame)], ignore_index=True)
    shown = ["--tasks", "--sizes", "--seeds", "--methods", "--default", "--backbone", "--epochs"]
    command = tasks_report.command("tasks", given, parser, shown)
    tasks_report.write(found, done, settings.default, command, given.report, given.image)
    for page in given.page:
        tasks_report.insert(page, tasks_report.short_table(found, done, settings.default))
    if overview.SCRATCH in set(found["method"]):
        overview.draw(found, settings.default).write(given.image.with_name("benchmark.png"), dpi=160)
    print(f"{given.report}, {given.image}")
    if failed:
        raise SystemExit("\n".join(["failed:", *failed]))


if __name__ == "__main__":
    main()
