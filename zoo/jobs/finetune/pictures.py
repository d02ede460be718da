"""Figures of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.wording import with_unit
from zoo.analysis.conformal import coverage_band
from zoo.analysis.figures.classes import confusion_matrix, reliability_diagram
from zoo.analysis.figures.scatter import draw_parity
from zoo.analysis.figures.style import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from zoo.jobs.finetune.result import Result


def parity(
    target: NDArray[np.float64],
    prediction: NDArray[np.float64],
    errors: Mapping[str, Sequence[float]],
    path: Path,
    *,
    quantity: str,
    unit: str = "",
    log: bool = False,
    caption: str = "",
    error: str = "",
    repeat: str = "seed",
) -> None:
    """Draw a parity plot as a PNG, with a second panel for the errors of all methods if there are several.

    Parameters
    ----------
    target, prediction : array of shape (n,)
        Values for the test rows of all seeds, in the task's unit; predictions are those of the first method.
    errors : mapping of str to sequence of float
        Test error of each seed, by method.
    path : Path
    quantity, unit : str
    log : bool
        Use logarithmic axes.
    caption : str
        Line below the title.
    error : str
        Label of the errors; by default the MAE in `unit`.
    repeat : {"seed", "fold"}
        Name of a repetition; each has one test error.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    model, several = next(iter(errors)), len(errors) > 1
    figure = Figure(figsize=(10, 4.6) if several else (5.4, 4.9), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 if several else 1, squeeze=False)[0]
    hidden = draw_parity(axes[0], target, prediction, quantity=quantity, unit=unit, log=log, colorbar=False)
    some = f"\nnot shown: {hidden} at or below zero" if hidden else ""
    axes[0].set_title(f"{model}\n{caption}{some}", fontsize=10)
    if several:
        _draw_errors(axes[1], errors, error or with_unit("MAE", unit), repeat)
    figure.savefig(path, metadata={"Software": "crystal-zoo"})


def classes(result: Result, matrix: Path, reliability: Path) -> None:
    """Draw the confusion matrix of a run's judged rows, and how often predicted probabilities come true, as PNG."""
    pairs = list(zip(result.judged, result.outcomes[result.model], strict=True))
    target = np.concatenate([result.dataset.targets[rows] for rows, _ in pairs])
    probabilities = np.concatenate([outcome.predictions[rows] for rows, outcome in pairs])
    title = f"{result.model}\n{result.judged_rows}"
    for draw, path in ((confusion_matrix, matrix), (reliability_diagram, reliability)):
        picture = draw(target, probabilities, result.task.classes, title=title)
        picture.figure.savefig(path, metadata={"Software": "crystal-zoo"}, facecolor="white")


def coverage(
    measured: Mapping[float, Sequence[float | None]],
    calibration: int,
    tested: int,
    path: Path,
    *,
    repeat: str = "seed",
) -> None:
    """Draw measured against nominal coverage of the intervals, as a PNG.

    Parameters
    ----------
    measured : mapping of float to sequence of float or None
        Fraction of test rows inside the interval for each seed, by level; None if the level cannot be reached.
    calibration, tested : int
        Number of calibration rows and test rows of a seed. They determine the band that contains 95 % of these
        fractions if all rows are exchangeable; see :func:`zoo.analysis.conformal.coverage_band`.
    path : Path
    repeat : {"seed", "fold"}
        Name of a repetition; each has one fraction per level.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(4.4, 4.2), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    levels = np.linspace(0.4, 0.999, 121)
    axes.plot(levels, levels, color=GREY, linewidth=1, zorder=1)
    low, high = (quantile / tested for quantile in coverage_band(levels, calibration, tested))
    label = f"95 % of {repeat}s, if exchangeable\n({calibration} calibration, {tested} test rows)"
    axes.fill_between(levels, low, high, color=GREY, alpha=0.2, linewidth=0, label=label)
    each = f"a {repeat}"
    shown = {level: [value for value in values if value is not None] for level, values in measured.items()}
    for index, (level, values) in enumerate((level, values) for level, values in shown.items() if values):
        first = index == 0
        axes.scatter(
            [level] * len(values), values, s=22, color=BLUE, alpha=0.5, linewidths=0, label=each if first else None
        )
        axes.scatter(level, np.mean(values), s=60, marker="_", color=ORANGE, label="mean" if first else None)
    axes.set_xlim(0.45, 1.0)
    lowest = min([0.45, *(min(values) for values in shown.values() if values)])
    axes.set_ylim(lowest - 0.03, 1.02)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("level asked for")
    axes.set_ylabel("test rows inside the interval")
    axes.set_title("coverage of the intervals", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    figure.savefig(path, metadata={"Software": "crystal-zoo"})


def _draw_errors(axes: Axes, errors: Mapping[str, Sequence[float]], error: str, repeat: str) -> None:
    """Draw a bar for the mean error of each method, with the first highlighted, and a dot for each seed or fold."""
    positions = range(len(errors) - 1, -1, -1)
    for position, (method, values) in zip(positions, errors.items(), strict=True):
        color = ORANGE if method == next(iter(errors)) else GREY
        axes.barh(position, np.mean(values), height=0.6, color=color, alpha=0.35)
        axes.scatter(values, [position] * len(values), s=20, color=color, edgecolors="black", linewidths=0.5)
    axes.set_yticks(positions, list(errors))
    axes.set_xlim(left=0)
    axes.set_xlabel(f"test {error}; dots: {repeat}s, bars: means")
    axes.set_title("error on the same test rows", fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
