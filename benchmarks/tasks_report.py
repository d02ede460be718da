"""The report of ``tasks.py``: tables in Markdown, all results as CSV, and the picture."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zoo._utils.wording import markdown_table
from zoo.analysis.figures.style import COLORS, MARKERS, axis_text, new_figure, save_figure
from zoo.registry import plugins

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tasks import BenchmarkTask

BEGIN, END = "<!-- written by benchmarks/tasks.py -->", "<!-- end -->"
"""The marks around the short table of a page."""

NUMBERS = ("mae", "mae_log10", "rmse", "test_rows", "seconds")
"""What is kept of each cell, besides the error that methods are compared by."""


def command(name: str, given: argparse.Namespace, parser: argparse.ArgumentParser, options: Sequence[str]) -> str:
    """Return the command that gives the same report, with the options that were given."""
    words = ["python", f"benchmarks/{name}.py", "FOLDER", "--work", "DIR"]
    for option in options:
        value = getattr(given, option.removeprefix("--"))
        if value != parser.get_default(option.removeprefix("--")):
            words += [option, str(value)]
    return shlex.join(words)


def errors(results: pd.DataFrame) -> pd.DataFrame:
    """Return the mean errors over seeds, a task and a size a row and a method a column.

    Only seeds that all methods of the row have finished count. A method without any is missing.
    """
    rows = []
    for (task, size), part in results.groupby(["task", "size"], sort=False):
        by_seed = part.pivot_table(index="seed", columns="method", values="error", sort=False).dropna()
        spread = by_seed.std(ddof=1) / np.sqrt(len(by_seed)) if len(by_seed) > 1 else by_seed.mean() * np.nan
        for method, mean in by_seed.mean().items():
            rows.append((task, size, method, mean, spread[method], len(by_seed)))
    return pd.DataFrame(rows, columns=["task", "size", "method", "error", "spread", "seeds"])


def ratios(means: pd.DataFrame, default: str) -> pd.DataFrame:
    """Return, by task and size, the error of the default over that of the best other method, known with hindsight.

    Rows without the default or without another method are left out.
    """
    rows = []
    for (task, size), part in means.groupby(["task", "size"], sort=False):
        of = part.set_index("method")["error"]
        others = of.drop(default, errors="ignore")
        if default in of and len(others):
            rows.append((task, size, others.idxmin(), of[default] / others.min()))
    return pd.DataFrame(rows, columns=["task", "size", "best", "ratio"])


def write(
    results: pd.DataFrame, tasks: Sequence[BenchmarkTask], default: str, how: str, report: Path, image: Path
) -> None:
    """Write the report, the results beside it, and the picture."""
    means = errors(results)
    found = ratios(means, default)
    results.to_csv(report.with_suffix(".csv"), index=False, lineterminator="\n")
    picture(means, tasks, default, image)
    tuned = {task.name for task in tasks if task.tuned}
    parts = [
        "# The default against every single method",
        f"Written by `{how}`, with every number on this page and the picture; errors of all seeds: "
        f"[{report.with_suffix('.csv').name}]({report.with_suffix('.csv').name}).",
        f"The default is the mode `{default}`. A ratio is its mean error divided by that of the best of the single "
        "methods beside it. Which one that is can be seen on the test rows only, so nobody could have chosen it "
        "beforehand. All methods of a row have the same test rows and know the same other rows. Errors are mean "
        "absolute errors in the unit given; tasks learned in log10 have the error of log10, and classes the log-loss. "
        "± is the standard error of the mean over seeds or official folds. `--tasks NAME` computes a single task.",
        "*Tuned*: the defaults of zoo were chosen while looking at errors on this task. The other tasks show what to "
        "expect of a new property.",
        _summary(found, tuned),
        f"![Error of each method, one panel per task]({os.path.relpath(image, report.parent)})",
        *_tables(means, found, tasks, default),
    ]
    report.write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")


def short_table(results: pd.DataFrame, tasks: Sequence[BenchmarkTask], default: str) -> str:
    """Return one line a task: the errors at the largest number of rows that the default has finished."""
    means = errors(results)
    rows = []
    for task in tasks:
        part = means[means["task"] == task.name]
        if default not in set(part["method"]):
            continue
        by = part[part["size"] == part.loc[part["method"] == default, "size"].max()].set_index("method")
        others = by["error"].drop(default)
        if others.empty:
            continue
        best = others.idxmin()
        scratch = f"{by['error']['scratch']:.4g}" if "scratch" in by.index else "–"
        name = f"{task.title} ({unit(task)})"
        ours, theirs = by["error"][default], others[best]
        rows.append(
            [name, f"{by['size'].iloc[0]:,}", f"{ours:.4g}", scratch, f"{theirs:.4g} ({best})", f"{ours / theirs:.2f}"]
        )
    return markdown_table(["error of", "rows", "zoo", "from scratch", "best single method", "ratio"], rows)


def insert(path: Path, table: str) -> None:
    """Replace what stands between the marks of a page.

    Raises
    ------
    ValueError
        If the page has no marks.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} has no {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def _summary(found: pd.DataFrame, tuned: set[str]) -> str:
    groups = {
        "all": found,
        "tuned": found[found["task"].isin(tuned)],
        "not tuned": found[~found["task"].isin(tuned)],
    }
    rows = []
    for name, part in groups.items():
        if len(part):
            worst = part.loc[part["ratio"].idxmax()]
            where = f"{worst['ratio']:.3f} ({worst['task']}, {worst['size']:,} rows)"
            rows.append([name, str(len(part)), where, f"{np.exp(np.log(part['ratio']).mean()):.3f}"])
    head = ["tasks", "tasks and sizes", "worst ratio", "geometric mean"]
    return markdown_table(head, rows) if rows else "The default, or every other method, is missing: no ratio."


def _tables(means: pd.DataFrame, found: pd.DataFrame, tasks: Sequence[BenchmarkTask], default: str) -> Iterator[str]:
    known = found.set_index(["task", "size"])
    for task in tasks:
        part = means[means["task"] == task.name]
        if part.empty:
            continue
        names = list(dict.fromkeys([default, *part["method"]]))
        names = [name for name in names if name in set(part["method"])]
        head = ["rows", "seeds" if not task.folds else "folds", "ratio", "best single", *names]
        rows = []
        for size, each in part.groupby("size"):
            by = each.set_index("method")
            least = by["error"].min()
            cells = [_number(by.loc[name], least) if name in by.index else "–" for name in names]
            best, ratio = known.loc[(task.name, size), ["best", "ratio"]] if (task.name, size) in known.index else "––"
            shown = ratio if isinstance(ratio, str) else f"{ratio:.3f}"
            rows.append([f"{size:,}", str(int(each["seeds"].max())), shown, best, *cells])
        note = ", tuned" if task.tuned else ""
        yield f"## {task.title} ({unit(task)}{note})"
        yield markdown_table(head, rows)


def _number(row: pd.Series, least: float) -> str:
    text = f"{row['error']:.4g}" + ("" if np.isnan(row["spread"]) else f" ± {_one_digit(row['spread'])}")
    return f"**{text}**" if row["error"] == least else text


def _one_digit(value: float) -> str:
    """Format a number with one significant digit and without an exponent."""
    return str(np.format_float_positional(float(f"{value:.1g}"), trim="-"))


def unit(task: BenchmarkTask) -> str:
    """Return what the errors of a task are measured in."""
    known = plugins.task(task.task)
    if known.classes:
        return "log-loss"
    return "log10" if known.transform == "log10" else known.unit or "no unit"


def picture(means: pd.DataFrame, tasks: Sequence[BenchmarkTask], default: str, path: Path) -> None:
    """Draw error against method, a panel a task and a marker a number of rows."""
    shown = [task for task in tasks if task.name in set(means["task"])]
    across = min(len(shown), 3)
    down = -(-len(shown) // across)
    width = 0.9 + max(2.4, 0.24 * means.groupby("task")["method"].nunique().max())
    figure, panels = new_figure(width * across + 0.4, 3.0 * down + 0.4, down, across)
    for axes, task in zip(panels, shown, strict=False):
        axes.tick_params(axis="x", labelbottom=True)
        part = means[means["task"] == task.name]
        names = [name for name in dict.fromkeys([default, *part["method"]]) if name in set(part["method"])]
        for i, (size, each) in enumerate(part.groupby("size")):
            by = each.set_index("method").reindex(names)
            color = COLORS[i % len(COLORS)]
            axes.errorbar(
                range(len(names)),
                by["error"],
                yerr=by["spread"],
                fmt=MARKERS[i % len(MARKERS)],
                color=color,
                markersize=4.5,
                capsize=2,
                linewidth=1,
                label=f"{size:,} rows",
            )
            if default in names and np.isfinite(by["error"][default]):
                axes.axhline(by["error"][default], color=color, linewidth=0.6, linestyle=":")
        axes.set_title(axis_text(task.title), fontsize=10, pad=20)
        measure = axis_text(unit(task))
        axes.set_ylabel(measure if measure == "log-loss" else f"mean absolute error ({measure})", fontsize=8)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
        for label in axes.get_xticklabels():
            label.set_fontweight("bold" if label.get_text() == default else "normal")
        axes.tick_params(axis="y", labelsize=8)
        axes.grid(axis="y", alpha=0.25)
        axes.legend(
            fontsize=7, frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 0.98), handletextpad=0.2
        )
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path)
