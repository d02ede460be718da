"""The comparison table, as text and as Markdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.wording import format_error, format_p, with_unit
from zoo.analysis.conformal import INTERVAL_LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.analysis.comparisons import Comparison
    from zoo.jobs.finetune.result import Result
    from zoo.jobs.predict.files import Predicted
    from zoo.jobs.predict.model import Model
    from zoo.jobs.study.result import Study


def comparison_rows(result: Result) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the comparison table; the run's model comes first.

    Errors are those on test rows: mean ± sample standard deviation over seeds.
    """
    summary = result.summary()
    log, unit = result.task.transform == "log10", result.task.unit
    header = ["method", with_unit("MAE", unit), *(["MAE log10"] if log else []), with_unit("RMSE", unit), "R²"]
    if result.comparisons:
        header += ["MAE against scratch", "p", *(["log10 against scratch", "p"] if result.log_comparisons else [])]
    rows = []
    for method, errors in summary.items():
        names = ["mae", *(["mae_log10"] if log else []), "rmse", "r2"]
        row = [method, *(format_error(errors[name]["mean"], errors[name]["std"]) for name in names)]
        if result.comparisons:
            for comparisons in filter(None, (result.comparisons, result.log_comparisons)):
                compared = comparisons.get(method)
                row += [f"{-100 * compared.gain:+.1f} %", format_p(compared.p)] if compared else ["", ""]
        rows.append(row)
    return header, rows


def verdict(result: Result) -> str:
    """Say whether transfer helped, and whether that says anything; empty where nothing was compared or known before."""
    known = " ".join(
        f"This says nothing about new crystals: {name} was trained on this very property of {max(counts)} of the "
        f"{len(result.splits[0].test)} test rows."
        for name, counts in result.leaks.items()
    )
    compared = result.comparisons.get(result.model)
    if compared is None:
        return known
    sentence = f"{_claim(compared)} ({compared.test}: p = {format_p(compared.p)})."
    relative = result.log_comparisons.get(result.model)
    if relative:
        change = f"{100 * abs(relative.gain):.1f} % {'lower' if relative.gain > 0 else 'higher'}"
        sentence += f" In log10, on which it is trained, the error is {change} (p = {format_p(relative.p)})."
    return f"{sentence.replace('= <', '<')} {known}".rstrip()


def intervals(result: Result) -> str:
    """Say in a sentence how often the intervals of the run's networks held on test rows."""
    found = result.reliability
    held = found.measured(INTERVAL_LEVEL)
    widths = [width for width in found.half_widths if width is not None]
    rows = min(map(len, found.calibrations))
    if held is None:
        return f"No interval at {INTERVAL_LEVEL:.0%}: {rows} validation rows are too few to calibrate it."
    width = float(np.mean(widths))
    unit = f" {result.task.unit}" if result.task.unit else ""
    size = f"a factor of {10**width:.3g}" if result.task.transform == "log10" else f"± {width:.3g}{unit}"
    seeds = f", mean over {len(widths)} seeds" if len(widths) > 1 else ""
    return (
        f"Intervals at {INTERVAL_LEVEL:.0%} ({size}) held {held:.1%} of the test rows{seeds}; "
        f"{rows} calibration rows a seed."
    )


def far(result: Result) -> str:
    """Say in a sentence how many test rows are far from the training set."""
    found = result.reliability
    return (
        f"{found.far} of {found.tested} test rows of the first seed are farther from its training set than "
        f"{found.reference.share:.3g} of the training crystals."
    )


def _claim(compared: Comparison) -> str:
    size = f"{100 * abs(compared.gain):.1f} %"
    if compared.p >= 0.05:
        direction = "lower" if compared.gain > 0 else "higher"
        return f"No significant difference: the error of transfer is {size} {direction} than from scratch"
    if compared.gain > 0:
        return f"Transfer cuts the error by {size} against training from scratch"
    return f"Transfer does not help here: the error is {size} higher than from scratch"


def study_rows(study: Study) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a study's table: errors on test rows, mean ± deviation over seeds.

    A gain is that of the error that methods are compared by; its p-value is that of the paired t-test.
    """
    log = study.analysis.log
    compared = {(each.method, each.size): each for each in study.analysis.against_scratch}
    header = ["training rows", "method", with_unit("MAE", study.task.unit), *(["MAE log10"] if log else [])]
    header += [*([f"{'log10' if log else 'MAE'} against scratch", "p", "p (Holm)"] if compared else []), "R²"]
    rows = []
    for size, method, cells in study.analysis.cells:
        names = ["mae", *(["mae_log10"] if log else [])]
        row = [f"{size:,}", method, *(format_error(cells[name].mean(), cells[name].std()) for name in names)]
        if compared:
            found = compared.get((method, size))
            gain = "" if found is None else f"{-100 * found.paired.gain:+.1f} %"
            row += [gain, *(["", ""] if found is None else map(format_p, (found.paired.p, found.p)))]
        rows.append([*row, format_error(cells.r2.mean(), cells.r2.std())])
    return header, rows


def study_verdicts(study: Study) -> list[str]:
    """Say for each size whether transfer helps, and whether it beats the classical methods; then how it was tested."""
    analysis = study.analysis
    lines = []
    for size in analysis.sizes:
        lines.append(analysis.sentence(size))
        if against := analysis.against_classical(size):
            lines.append(against)
    return [*lines, *([analysis.test] if analysis.test else [])]


def prediction_rows(done: Predicted, model: Model) -> tuple[list[str], list[list[str]], str]:
    """Return header, rows and title of the first few predictions of a job."""
    rows = [
        [
            row["id"],
            f"{row['prediction']:.5g} {row['unit']}".rstrip(),
            *([f"{row['lower']:.4g} … {row['upper']:.4g}"] if done.interval else []),
            "" if math.isnan(row["spread"]) else f"{row['spread']:.2g}",
            row["note"],
        ]
        for row in done.head
    ]
    title = f"The first {len(rows)} of {done.count} predictions" if done.count > len(rows) else ""
    interval = [f"{100 * done.interval:.4g} % interval"] if done.interval else []
    return ["id", model.target, *interval, "spread", "note"], rows, title


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
