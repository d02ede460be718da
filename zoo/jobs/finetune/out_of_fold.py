"""Out-of-fold predictions of a cross-fitted run, and the weights and errors of its members."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.wording import markdown_table, probability_columns, sentence, with_unit
from zoo.analysis import conformal
from zoo.analysis.difficulty import disagreement
from zoo.analysis.metrics import row_errors
from zoo.data.scaling import restored, transformed
from zoo.jobs.methods import valid_range
from zoo.models.regression.blends import clip

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from zoo.jobs.crossfit.fit import CrossFit
    from zoo.jobs.finetune.result import Result

COLUMNS = ["id", "formula", "target", "prediction", "lower", "upper", "error", "rank"]
"""Columns of ``out_of_fold.csv``; the row with the largest error has rank 1. Classes have probabilities in place of the
bounds, and their log-loss is the error."""

WORST = 10
"""Number of rows, and of elements, with the largest errors or disagreements shown in the card."""

MIN_GAIN = 0.01
"""Smallest relative reduction of the out-of-fold error by pretrained networks that counts as help."""

SMALLEST = 0.005
"""Smallest mean weight of a member that is shown."""

MIN_OF_ELEMENT = 5
"""Minimum number of rows containing an element for its error to be reported."""


def mean_weights(crossfits: Sequence[CrossFit]) -> dict[str, float]:
    """Return the weight of each member averaged over seeds, largest first."""
    total: dict[str, float] = defaultdict(float)
    for each in crossfits:
        for name, weight in each.weights.items():
            total[name] += weight / len(crossfits)
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def carriers(crossfits: Sequence[CrossFit]) -> str:
    """Return the weights of the members in one line, without those below `SMALLEST`.

    For example, ``"the model: 60 % svr on magpie-structure, 40 % multi-113k fine-tuned"``.
    """
    shares = {name: weight for name, weight in mean_weights(crossfits).items() if weight >= SMALLEST}
    return "the model: " + ", ".join(f"{100 * weight:.0f} % {name}" for name, weight in shares.items())


def transfer(crossfits: Sequence[CrossFit]) -> str:
    """Return a line on what the pretrained networks contribute; empty if no member, or every member, reads one.

    The out-of-fold error of the model is compared with that of a blend of the members that read no pretrained network.
    """
    pairs = [(each.error, each.untransferred) for each in crossfits if each.untransferred is not None]
    ours, without = np.mean(pairs, axis=0) if pairs else (0.0, 0.0)
    if not ours:
        return ""
    claim = "transfer helps" if without > (1 + MIN_GAIN) * ours else "transfer does not help here"
    change = f"{100 * abs(without / ours - 1):.1f} % {'higher' if without >= ours else 'lower'}"
    return f"{claim}: without pretrained networks the out-of-fold error is {change}"


def _predicted(result: Result) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the rows with out-of-fold predictions, these predictions and their interval half-widths.

    Predictions and half-widths are in the transformed space; for classes, predictions are probabilities. With several
    seeds, each is averaged over the seeds in which the row was predicted.
    """
    n = len(result.records)
    total, width, count = np.zeros_like(result.crossfits[0].center), np.zeros(n), np.zeros(n)
    for each in result.crossfits:
        rows = each.rows
        total[rows] += each.center[rows]
        half = each.half_widths(rows, conformal.INTERVAL_LEVEL)
        width[rows] += np.nan if half is None else half
        count[rows] += 1
    rows = np.flatnonzero(count)
    return rows, (total[rows].T / count[rows]).T, width[rows] / count[rows]


def columns(result: Result) -> list[str]:
    """Return the columns of ``out_of_fold.csv``; see `COLUMNS`."""
    classes = result.task.classes
    return [*COLUMNS[:4], *probability_columns(classes), "log_loss", "rank"] if classes else COLUMNS


def table(result: Result) -> list[list[Any]]:
    """Return the rows of ``out_of_fold.csv`` in the order of the data; see `COLUMNS`."""
    rows, centers, width = _predicted(result)
    if result.task.classes:
        return _classes(result, rows, centers)
    transform = result.task.transform
    valid = valid_range(result.task)
    ends = (centers, centers - width, centers + width)
    predicted, lower, upper = (clip(restored(each, transform), valid) for each in ends)
    errors = predicted - result.dataset.targets[rows]
    rank = _ranks(np.abs(centers - transformed(result.dataset.targets[rows], transform)))
    lines = []
    for i, row in enumerate(rows):
        record = result.records[row]
        numbers = (f"{value:.6g}" if np.isfinite(value) else "" for value in (lower[i], upper[i], errors[i]))
        lines.append([record.id, record.crystal.formula, record.target, f"{predicted[i]:.6g}", *numbers, rank[i]])
    return lines


def _classes(result: Result, rows: NDArray[np.int64], centers: NDArray[np.float64]) -> list[list[Any]]:
    classes = result.task.classes
    losses = row_errors(result.dataset.targets[rows], centers)
    rank = _ranks(losses)
    lines = []
    for i, row in enumerate(rows):
        record = result.records[row]
        truth, likeliest = classes[int(record.target or 0)], classes[int(centers[i].argmax())]
        probabilities = (f"{value:.6g}" for value in centers[i])
        named = [record.id, record.crystal.formula, truth, likeliest]
        lines.append([*named, *probabilities, f"{losses[i]:.6g}", rank[i]])
    return lines


def _ranks(errors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rank of each error, 1 for the largest."""
    rank = np.empty(len(errors), dtype=np.int64)
    rank[np.argsort(-errors, kind="stable")] = np.arange(1, len(errors) + 1)
    return rank


def describe(result: Result) -> str:
    """Return the sections of a run's card on the members and on the rows, and elements, with the largest errors."""
    unit = result.task.unit
    scale = "log10" if result.task.transform == "log10" else unit
    weights = mean_weights(result.crossfits)
    errors = {name: [each.errors[name] for each in result.crossfits if name in each.errors] for name in weights}
    members = [[name, f"{100 * weight:.0f} %", f"{np.mean(errors[name]):.4g}"] for name, weight in weights.items()]
    failed = [f"- {name} was left out: {why}" for each in result.crossfits for name, why in each.failed.items()]
    lines = table(result)
    worst = sorted(lines, key=lambda line: line[-1])[:WORST]
    error = "out-of-fold log-loss" if result.task.classes else with_unit("out-of-fold MAE", scale)
    header = ["id", "formula", with_unit("target", unit), "prediction", "error"]
    shown = [[line[0], line[1], f"{line[2]:.5g}", line[3], line[6]] for line in worst if not result.task.classes]
    if result.task.classes:
        header[-1] = "log-loss"
        shown = [[*line[:4], f"{float(line[-2]):.3g}"] for line in worst]
    return "\n\n".join(
        filter(
            None,
            [
                "## Members",
                markdown_table(["member", "weight", error], members),
                "\n".join(dict.fromkeys(failed)),
                "Weights come from out-of-fold predictions, and never saw a test row.",
                sentence(transfer(result.crossfits)),
                "## Rows that the model predicts worst",
                markdown_table(header, shown),
                "Out of fold: by fits that have not seen the row; `out_of_fold.csv` has all rows. An error far larger "
                "than the others is often a mistake in the table.",
                "" if result.task.classes else _disagreements(result),
                "## Errors by element",
                markdown_table(["element", "rows", error], _by_element(result)),
            ],
        )
    )


def _disagreements(result: Result) -> str:
    """Return the section on the rows whose members disagree most; empty if the model has one member."""
    weights = {name: weight for name, weight in mean_weights(result.crossfits).items() if weight >= SMALLEST}
    if len(weights) < 2:
        return ""
    values = np.stack([_mean_of_member(result, name) for name in weights])
    shares = np.array(list(weights.values()))
    apart = np.nan_to_num(disagreement(values, shares / shares.sum()), nan=-1.0)  # rows in no fold
    unit, valid = result.task.unit, valid_range(result.task)
    predicted = clip(restored(values, result.task.transform), valid)
    rows = []
    for row in np.argsort(-apart, kind="stable")[:WORST]:
        record = result.records[row]
        if apart[row] > 0:
            cells = (f"{each:.5g}" for each in predicted[:, row])
            rows.append([record.id, record.crystal.formula, f"{record.target:.5g}", *cells])
    header = ["id", "formula", with_unit("target", unit), *weights]
    return (
        "## Rows on which the members disagree\n\n"
        f"{markdown_table(header, rows)}\n\n"
        "Out-of-fold predictions of each member, for the rows where their weighted standard deviation is largest. A "
        "crystal unlike all others is often among them, and so is a wrong structure."
    )


def _mean_of_member(result: Result, name: str) -> NDArray[np.float64]:
    """Return a member's out-of-fold predictions, transformed and averaged over seeds; NaN for rows in no fold."""
    found = np.stack([each.parts[name] for each in result.crossfits if name in each.parts])
    count = np.isfinite(found).sum(axis=0)
    return np.where(count, np.nansum(found, axis=0) / np.maximum(count, 1), np.nan)


def _by_element(result: Result) -> list[list[str]]:
    """Return the elements with the largest errors, with number of rows and error."""
    rows, centers, _ = _predicted(result)
    size = row_errors(transformed(result.dataset.targets[rows], result.task.transform), centers)
    elements = [result.records[row].crystal.elements for row in rows]
    return [[name, str(count), f"{mean:.4g}"] for name, count, mean in worst_elements(elements, size)]


def worst_elements(elements: Iterable[Iterable[str]], errors: NDArray[np.float64]) -> list[tuple[str, int, float]]:
    """Return the elements with the largest mean errors, each with the number of its rows and the mean.

    At most `WORST` are returned, of those in at least `MIN_OF_ELEMENT` rows.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for symbols, error in zip(elements, errors, strict=True):
        for symbol in symbols:
            found[symbol].append(float(error))
    means = [(name, len(each), float(np.mean(each))) for name, each in found.items() if len(each) >= MIN_OF_ELEMENT]
    return sorted(means, key=lambda each: -each[2])[:WORST]
