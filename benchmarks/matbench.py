"""Measure zoo on the official folds of Matbench v0.1: its records, and a page that sets zoo beside the leaderboard.

    python benchmarks/matbench.py FOLDER --work DIR --leaderboard FOLDER/matbench-leaderboard.csv

FOLDER, DIR and the methods are those of ``tasks.py``; so is the way to continue. Each method that has finished all
folds of a task is recorded in ``DIR/records/matbench_v0.1_zoo-METHOD/results.json``, in the format of the ``matbench``
package (``MatbenchBenchmark.to_file`` of version 0.6), which is not needed for it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tasks
import tasks_report

from zoo import __version__
from zoo._utils.wording import markdown_table
from zoo.registry import plugins

BENCHMARK, FORMAT = "matbench_v0.1", "0.6"
LEAST_MAGNITUDE = 1e-5
"""Matbench's relative error leaves out targets that are smaller."""

OFFICIAL = "materialsproject/matbench@"
"""What the source of an entry of the official leaderboard begins with."""


def scores(target: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the four errors that Matbench records of a fold."""
    residual, large = np.abs(predicted - target), np.abs(target) > LEAST_MAGNITUDE
    return {
        "mae": float(residual.mean()),
        "rmse": float(np.sqrt((residual**2).mean())),
        "mape": float((residual[large] / np.abs(target[large])).mean()),
        "max_error": float(residual.max()),
    }


def whole_size(folds: pd.Series) -> int:
    """Return the number of training rows, a tenth of the rows outside of the largest fold being validation rows."""
    pool = len(folds) - int(folds.value_counts().max())
    return pool - max(1, pool // 10)


def measure(task: tasks.BenchmarkTask, settings: tasks.Settings) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return what Matbench records of a task, by method, for the methods that finished all folds; and the failures."""
    column = plugins.task(task.task).target
    table = pd.read_parquet(tasks.write_table(task, settings)).sort_values("material_id")
    size = whole_size(table[task.folds])
    frame, failed = tasks.run_task(task, settings, [size], whole=True)
    found = {}
    for method, part in frame.groupby("method", sort=False):
        results = {}
        for cell in part.itertuples():
            rows = table[table[task.folds] == cell.seed]
            if len(rows) != len(cell.predictions):
                raise SystemExit(f"{task.name}: {len(rows) - len(cell.predictions)} rows of fold {cell.seed} unusable")
            predicted = np.array(cell.predictions, dtype=float)
            results[f"fold_{cell.seed}"] = {
                "data": dict(zip(rows["material_id"], predicted.tolist(), strict=True)),
                "parameters": {},
                "scores": scores(rows[column].to_numpy(), predicted),
            }
        if len(results) == table[task.folds].nunique():
            found[str(method)] = {
                "@module": "matbench.task",
                "@class": "MatbenchTask",
                "benchmark_name": BENCHMARK,
                "dataset_name": task.matbench,
                "results": results,
            }
    return found, failed


def record(measured: dict[str, dict[str, Any]], method: str, command: str) -> dict[str, Any]:
    """Return a record of Matbench, from the tasks by Matbench's names.

    Its hash is the SHA-256 of the JSON of everything else, with sorted keys.
    """
    made = {
        "@module": "matbench.bench",
        "@class": "MatbenchBenchmark",
        "version": FORMAT,
        "benchmark_name": BENCHMARK,
        "datestamp": datetime.now(UTC).strftime("%Y.%m.%d %H:%M.%S"),
        "user_metadata": {"algorithm": f"zoo {__version__}, {method}", "command": command},
        "tasks": measured,
    }
    made = json.loads(json.dumps(made, sort_keys=True))
    return made | {"hash": hashlib.sha256(json.dumps(made).encode()).hexdigest()}


def _kind(source: str) -> str:
    return "leaderboard" if source.startswith(OFFICIAL) else "reported"


def page(
    measured: dict[str, dict[str, dict[str, Any]]],
    known: list[tasks.BenchmarkTask],
    default: str,
    leaderboard: Path,
    command: str,
) -> str:
    """Return the page, from what was measured by method and Matbench's name of the task."""
    published = pd.read_csv(leaderboard)
    parts = [
        "# Matbench",
        f"zoo on the official folds of [Matbench v0.1](https://matbench.materialsproject.org), written by `{command}`.",
        f"**Bold** rows are ours, computed with zoo {__version__} on the five folds, each fitted to all rows outside "
        f"of it. `{default}` is the default of `zoo finetune`. They were not submitted. All other rows are as "
        "published; *reported* means that the authors give the number and the official leaderboard does not.",
        "What to keep in mind: zoo's backbones were pretrained on formation energies and band gaps of the Materials "
        "Project, so they have seen similar crystals, and for perovskites a similar property; most entries were "
        "trained on the table alone, and some, such as MatterVial, use pretrained networks as well. zoo's defaults "
        "were chosen while looking at errors on these folds too (see "
        "[the ten tasks](../../benchmarks/tasks.md)). The structures come from public copies of the "
        "tables, and four pairs of perovskites of equal composition and target may be swapped. ± is the standard "
        "deviation over the folds.",
    ]
    for task in known:
        rows = [
            (
                row.mae_mean,
                row.mae_std,
                str(row.model),
                "leaderboard" if row.source.startswith(OFFICIAL) else "reported",
            )
            for row in published[published["task"] == task.matbench].itertuples()
        ]
        for method, by_task in measured.items():
            if task.matbench in by_task:
                found = [fold["scores"]["mae"] for fold in by_task[task.matbench]["results"].values()]
                rows.append((float(np.mean(found)), float(np.std(found)), f"**zoo, {method}**", "**ours**"))
        unit = plugins.task(task.task).unit
        lines = [
            [str(place), model, f"{mae:.4g}" + ("" if np.isnan(std) else f" ± {std:.2g}"), source]
            for place, (mae, std, model, source) in enumerate(sorted(rows, key=lambda row: row[0]), 1)
        ]
        parts += [
            f"## {task.matbench}: {task.title}",
            markdown_table(["", "model", f"mean absolute error ({unit})", "source"], lines),
        ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Compute what is missing, write the records and the page."""
    parser = tasks.arguments()
    parser.description = __doc__
    parser.set_defaults(methods="default")
    parser.add_argument("--leaderboard", type=Path, required=True, metavar="CSV", help="published errors")
    parser.add_argument("--page", type=Path, default=tasks.ROOT / "docs" / "benchmarks" / "matbench.md")
    given = parser.parse_args()
    settings = tasks.settings_of(given)
    official = {name: task for name, task in tasks.read_tasks(given.list).items() if task.matbench}
    command = tasks_report.command(
        "matbench", given, parser, ["--tasks", "--methods", "--default", "--backbone", "--epochs"]
    )
    command += " --leaderboard FOLDER/matbench-leaderboard.csv"
    measured: dict[str, dict[str, dict[str, Any]]] = {}
    failed, known = [], tasks.chosen(official, given.tasks)
    for task in known:
        found, reasons = measure(task, settings)
        failed += reasons
        for method, each in found.items():
            measured.setdefault(method, {})[task.matbench] = each
    for method, by_task in measured.items():
        path = given.work / "records" / f"{BENCHMARK}_zoo-{method}" / "results.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record(by_task, method, command)), encoding="utf-8")
        print(path)
    if measured:
        given.page.write_text(page(measured, known, settings.default, given.leaderboard, command), encoding="utf-8")
        print(given.page)
    if failed or not measured:
        raise SystemExit("\n".join(["failed:", *failed] if failed else ["no method has finished all folds of a task"]))


if __name__ == "__main__":
    main()
