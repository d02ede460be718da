"""Out-of-fold predictions of a cross-fitted run, and the weights and errors of its members."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.wording import with_unit
from zoo.analysis import conformal
from zoo.analysis.difficulty import disagreement
from zoo.data.scaling import restored, transformed
from zoo.jobs.comparison_table import markdown_table
from zoo.jobs.finetune.blend import valid_range
from zoo.models.regression.blends import clip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo.jobs.crossfit.fit import CrossFit
    from zoo.jobs.finetune.result import Result

COLUMNS = ["id", "formula", "target", "prediction", "lower", "upper", "error", "rank"]
"""Columns of ``out_of_fold.csv``; the row with the largest error has rank 1."""

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
    pairs = [(each.error, each.untransferred) for each in crossfits if each.untransferred]
    if not pairs:
        return ""
    ours, without = np.mean(pairs, axis=0)
    claim = "transfer helps" if without > (1 + MIN_GAIN) * ours else "transfer does not help here"
    change = f"{100 * abs(without / ours - 1):.1f} % {'higher' if without >= ours else 'lower'}"
    return f"{claim}: without pretrained networks the out-of-fold error is {change}"


def _predicted(result: Result) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the rows with out-of-fold predictions, these predictions and their interval half-widths.

    Predictions and half-widths are in the transformed space. With several seeds, each is averaged over the seeds in
    which the row was predicted.
    """
    n = len(result.records)
    total, width, count = np.zeros(n), np.zeros(n), np.zeros(n)
    for each in result.crossfits:
        rows = each.rows
        total[rows] += each.center[rows]
        half = each.half_widths(rows, conformal.INTERVAL_LEVEL)
        width[rows] += np.nan if half is None else half
        count[rows] += 1
    rows = np.flatnonzero(count)
    return rows, total[rows] / count[rows], width[rows] / count[rows]


def table(result: Result) -> list[list[Any]]:
    """Return the rows of ``out_of_fold.csv`` in the order of the data; see `COLUMNS`."""
    rows, centers, width = _predicted(result)
    transform = result.task.transform
    valid = valid_range(result.task)
    ends = (centers, centers - width, centers + width)
    predicted, lower, upper = (clip(restored(each, transform), valid) for each in ends)
    errors = predicted - result.dataset.targets[rows]
    size = np.abs(centers - transformed(result.dataset.targets[rows], transform))
    rank = np.empty(len(rows), dtype=int)
    rank[np.argsort(-size, kind="stable")] = np.arange(1, len(rows) + 1)
    lines = []
    for i, row in enumerate(rows):
        record = result.records[row]
        numbers = (f"{value:.6g}" if np.isfinite(value) else "" for value in (lower[i], upper[i], errors[i]))
        lines.append([record.id, record.crystal.formula, record.target, f"{predicted[i]:.6g}", *numbers, rank[i]])
    return lines


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
    shown = [[line[0], line[1], f"{line[2]:.5g}", line[3], line[6]] for line in worst]
    return "\n\n".join(
        filter(
            None,
            [
                "## Members",
                markdown_table(["member", "weight", with_unit("out-of-fold MAE", scale)], members),
                "\n".join(dict.fromkeys(failed)),
                "Weights come from out-of-fold predictions, and never saw a test row.",
                _sentence(transfer(result.crossfits)),
                "## Rows that the model predicts worst",
                markdown_table(["id", "formula", with_unit("target", unit), "prediction", "error"], shown),
                "Out of fold: by fits that have not seen the row; `out_of_fold.csv` has all rows. An error far larger "
                "than the others is often a mistake in the table.",
                _disagreements(result),
                "## Errors by element",
                markdown_table(["element", "rows", with_unit("out-of-fold MAE", scale)], _by_element(result)),
            ],
        )
    )


def _sentence(line: str) -> str:
    return f"{line[:1].upper()}{line[1:]}." if line else ""


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
    """Return a member's out-of-fold transformed out-of-fold predictions, averaged over seeds; NaN if there are none."""
    found = np.stack([each.parts[name] for each in result.crossfits if name in each.parts])
    count = np.isfinite(found).sum(axis=0)
    return np.where(count, np.nansum(found, axis=0) / np.maximum(count, 1), np.nan)


def _by_element(result: Result) -> list[list[str]]:
    """Return the elements with the largest errors, with number of rows and error."""
    rows, centers, _ = _predicted(result)
    size = np.abs(centers - transformed(result.dataset.targets[rows], result.task.transform))
    found: dict[str, list[float]] = defaultdict(list)
    for row, error in zip(rows, size, strict=True):
        for element in result.records[row].crystal.elements:
            found[element].append(float(error))
    ordered = sorted(
        (element for element, each in found.items() if len(each) >= MIN_OF_ELEMENT),
        key=lambda element: -float(np.mean(found[element])),
    )
    return [[element, str(len(found[element])), f"{np.mean(found[element]):.4g}"] for element in ordered[:WORST]]
