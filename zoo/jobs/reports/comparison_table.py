"""Result tables and one-sentence verdicts, for the terminal and in Markdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.wording import error_title, format_error, format_factor, format_p, percent, probability_columns
from zoo.analysis import probabilities
from zoo.analysis.conformal import INTERVAL_LEVEL
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.analysis.comparisons import Comparison
    from zoo.jobs.finetune.result import Result
    from zoo.jobs.predict.files import Predicted
    from zoo.jobs.predict.model import Model
    from zoo.jobs.reports.saved_runs import SavedResult
    from zoo.jobs.study.result import Study


_UNTESTED = {
    "out of fold": "the errors are out of fold, each row predicted by fits that have not seen it",
    "on validation rows": "the errors are those of the validation rows, which chose the epoch: a little too small",
}


PART = {"on test rows": "test", "out of fold": "out_of_fold", "on validation rows": "validation"}
"""Name of a method's mean errors in ``metrics.json``, by :attr:`Result.basis`."""


def comparison_rows(result: Result | SavedResult) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of the comparison table, starting with the run's model.

    Errors are those of the rows `Result.judged`, as mean ± sample standard deviation over seeds. The task's own error
    metric comes first and is the one compared with training from scratch.
    """
    headline, unit = result.headline, result.unit
    shown = ("accuracy", "balanced_accuracy", "roc_auc") if headline == "log_loss" else ("mae", "rmse", "r2")
    names = [headline, *(name for name in shown if name != headline)]
    header = ["method", *(error_title(name, unit) for name in names)]
    compared = result.headline_comparisons
    if compared:
        header += [f"{error_title(headline)} against scratch", "p"]
    rows = []
    for method, errors in result.summary().items():
        row = [method, *(error_cell(name, errors[name]["mean"], errors[name]["std"]) for name in names)]
        if compared:
            each = compared.get(method)
            row += [f"{-100 * each.gain:+.1f} %", format_p(each.p)] if each else ["", ""]
        rows.append(row)
    return header, rows


def least_important(header: Sequence[str]) -> list[str]:
    """Return the columns that a narrow terminal may leave out of these tables, the least important one first.

    The methods and the first error stay; a gain goes after its p-values, and both after the other errors.

    Examples
    --------
    >>> least_important(["method", "MAE log10", "MAE (GPa)", "R²", "MAE log10 against scratch", "p"])
    ['R²', 'MAE (GPa)', 'p', 'MAE log10 against scratch']
    """
    errors = [name for name in header if name not in ("fold", "test rows", "method", "training rows")][:0:-1]

    def rank(name: str) -> int:
        return 3 if name.endswith("against scratch") else 2 if name == "p (Holm)" else 1 if name == "p" else 0

    counts = [name for name in header if name == "test rows"]
    return [*counts, *sorted(errors, key=rank)]


def fold_rows(result: Result) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of the table over folds: the task's error metric for every method."""
    name, methods = result.headline, list(result.errors)
    header = ["fold", "test rows", *methods]
    rows = [
        [split.fold, f"{len(split.test):,}", *(f"{result.errors[method][index][name]:.4g}" for method in methods)]
        for index, split in enumerate(result.splits)
    ]
    summary = {method: errors[name] for method, errors in result.summary().items()}
    mean = [format_error(found["mean"], found["std"]) for found in summary.values()]
    return header, [*rows, ["mean", f"{sum(len(split.test) for split in result.splits):,}", *mean]]


def confusion(result: Result) -> list[list[int]]:
    """Return the numbers of judged rows of each class (rows) by predicted class (columns), over all seeds."""
    counts: list[list[int]] = probabilities.confusion(*result.judged_values).tolist()
    return counts


def confusion_rows(result: Result) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of the confusion matrix as a table."""
    classes = result.task.classes
    rows = [
        [label, *(f"{count:,}" for count in counts)] for label, counts in zip(classes, confusion(result), strict=True)
    ]
    return ["true class", *classes], rows


def error_cell(name: str, mean: float, std: float) -> str:
    """Format an error for a table cell; an error of log10 is also shown as a factor.

    Examples
    --------
    >>> error_cell("mae_log10", 0.0828, 0.0052), error_cell("mae", 12.3456, float("nan"))
    ('0.0828 ± 0.0052 (1.21×)', '12.35')
    """
    shown = format_error(mean, std)
    return f"{shown} ({format_factor(mean)})" if name.endswith("_log10") else shown


def verdict(result: Result) -> str:
    """Return a sentence on whether the model beats training from scratch, and whether the difference is significant.

    The comparison uses the task's error metric. Without test rows there is no verdict, and the sentence says what the
    errors are. A warning follows if a network was pretrained on this property of the rows. Empty if there is nothing to
    say.
    """
    known = " ".join(
        f"This says nothing about new crystals: {name} was trained on this very property of {max(counts)} of the "
        f"{result.judged_rows}."
        for name, counts in result.leaks.items()
    )
    if result.basis != "on test rows":
        return f"No test rows were held out: {_UNTESTED[result.basis]}. {known}".rstrip()
    compared = result.headline_comparisons.get(result.model)
    if compared is None:
        return known
    sentence = f"{_claim(result, compared)} ({compared.test}: p = {format_p(compared.p)})."
    return f"{sentence.replace('= <', '<')} {known}".rstrip()


def _claim(result: Result, compared: Comparison) -> str:
    name = result.headline
    what = "error of log10" if name.endswith("_log10") else error_title(name)
    size, who = f"{100 * abs(compared.gain):.1f} %", result.approach
    ours, scratch = (result.summary()[method][name]["mean"] for method in (result.model, FROM_SCRATCH))
    if name.endswith("_log10"):
        values = f"predictions are off by {format_factor(ours)}, from scratch by {format_factor(scratch)}"
    else:
        values = f"{ours:.3g} against {scratch:.3g} {result.task.unit}".rstrip()
    if compared.p >= 0.05:
        direction = "lower" if compared.gain > 0 else "higher"
        return f"No significant difference: with {who} the {what} is {size} {direction} than from scratch; {values}"
    subject = {"transfer": "Transfer", "the blend": "The blend"}.get(who, who)  # a baseline's name stays as it is
    if compared.gain > 0:
        return f"{subject} cuts the {what} by {size} against training from scratch: {values}"
    return f"{subject} does not help here: the {what} is {size} higher than from scratch; {values}"


def intervals(result: Result) -> str:
    """Return a sentence on the coverage of the run's prediction intervals, or on the probabilities of its classes."""
    if result.task.classes:
        return _probabilities(result)
    found = result.reliability
    inside = found.measured(INTERVAL_LEVEL)
    widths = [width for width in found.half_widths if width is not None]
    rows = min(len(each.rows) for each in result.crossfits) if result.crossfits else min(map(len, found.calibrations))
    level = percent(INTERVAL_LEVEL, 0)
    if not widths:
        return f"No interval at {level}: {rows} calibration rows are too few."
    width = float(np.mean(widths))
    unit = f" {result.task.unit}" if result.task.unit else ""
    size = f"a factor of {10**width:.3g}" if result.task.transform == "log10" else f"± {width:.3g}{unit}"
    mean = f", mean over {len(widths)} {result.repeat}s" if len(widths) > 1 else ""
    if any(each.difficulty.slope for each in result.crossfits):
        mean += ", wider where the members disagree"
    if inside is None:
        count = f"{rows} calibration rows per {result.repeat}"
        return f"{level} intervals: {size}{mean}; {count}, and no test rows to measure their coverage on."
    return (
        f"{percent(inside)} of the test rows lie inside their {level} intervals ({size}{mean}); "
        f"{rows} calibration rows per {result.repeat}."
    )


def _probabilities(result: Result) -> str:
    """Return a sentence that compares the probabilities of the predicted classes with how often they are right."""
    likeliest = result.judged_values[1].max(axis=1)
    right = float(np.mean([errors["accuracy"] for errors in result.errors[result.model]]))
    return (
        f"{result.basis.capitalize()}, the predicted class has a probability of {percent(likeliest.mean())} on "
        f"average, and {percent(right)} of the predictions are correct."
    )


def distant_rows(result: Result) -> str:
    """Return a sentence on the number of test rows far from the training set; empty without test rows."""
    found = result.reliability
    if not found.tested or found.reference is None:
        return ""
    return (
        f"{found.far} of {found.tested} test rows of the first {result.repeat} are farther from its training set than "
        f"{found.reference.share:.3g} of the training crystals."
    )


def study_rows(study: Study) -> tuple[list[str], list[list[str]]]:
    """Return the header and rows of a study's table of test errors, as mean ± standard deviation over seeds.

    The gain refers to the error by which methods are compared; its p-value is from the paired t-test.
    """
    names = [*(["mae_log10"] if study.analysis.log else []), "mae"]
    last = "r2"
    if study.task.classes:
        names, last = ["log_loss", "accuracy", "balanced_accuracy"], "roc_auc"
    compared = {(each.method, each.size): each for each in study.analysis.against_scratch}
    header = ["training rows", "method", *(error_title(name, study.task.unit) for name in names)]
    header += [*([f"{error_title(names[0])} against scratch", "p", "p (Holm)"] if compared else []), error_title(last)]
    rows = []
    for size, method, cells in study.analysis.cells:
        row = [f"{size:,}", method, *(error_cell(name, cells[name].mean(), cells[name].std()) for name in names)]
        if compared:
            found = compared.get((method, size))
            gain = "" if found is None else f"{-100 * found.paired.gain:+.1f} %"
            row += [gain, *(["", ""] if found is None else map(format_p, (found.paired.p, found.p)))]
        rows.append([*row, format_error(cells[last].mean(), cells[last].std())])
    return header, rows


def study_verdicts(study: Study) -> list[str]:
    """Return, for each size, whether transfer helps and beats the classical methods; then the statistical test."""
    analysis = study.analysis
    lines = []
    for size in analysis.sizes:
        lines.append(analysis.sentence(size))
        if against := analysis.against_classical(size):
            lines.append(against)
    return [*lines, *([analysis.test] if analysis.test else [])]


def prediction_rows(done: Predicted, models: Sequence[Model]) -> tuple[list[str], list[list[str]], str]:
    """Return the header, rows and title of a table of the first few predictions."""
    from zoo.jobs.predict.columns import is_missing
    from zoo.jobs.predict.files import labels

    several = len(models) > 1
    names = labels(models) if several else [""]
    interval = f"{100 * done.interval:.4g} % interval" if done.interval else ""
    header = ["id"]
    for model, name in zip(models, names, strict=True):
        header += [f"{model.target}, {name}" if several else model.target, *([interval] if interval else [])]
    rows = []
    for predicted in done.head:
        cells, notes = [predicted[0]["id"]], []
        for row, name in zip(predicted, names, strict=True):
            missing = is_missing(row["prediction"])
            cells.append("" if missing else _predicted(row))
            if done.interval:
                cells.append("" if missing else f"{row['lower']:.4g} … {row['upper']:.4g}")
            notes += [f"{name}: {row['note']}" if several else row["note"]] if row["note"] else []
        spread = predicted[0]["spread"]
        cells += [] if several else ["" if math.isnan(spread) else f"{spread:.2g}"]
        rows.append([*cells, "; ".join(notes)])
    which = "first" if done.ranking is None else "lowest" if done.ranking.lowest else "highest"
    title = f"The {which} {len(rows)} of {done.count} predictions" if done.count > len(rows) else ""
    return [*header, *([] if several else ["spread"]), "note"], rows, title


def _predicted(row: Mapping[str, Any]) -> str:
    """Format a prediction: a number with its unit, or a class with its probability."""
    if isinstance(row["prediction"], str):
        (column,) = probability_columns([row["prediction"]])
        return f"{row['prediction']} ({percent(row[column], 0)})"
    return f"{row['prediction']:.5g} {row['unit']}".rstrip()
