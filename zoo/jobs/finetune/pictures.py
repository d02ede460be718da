"""Figures of a run, each as PNG and SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.wording import with_unit
from zoo.analysis.conformal import coverage_band
from zoo.analysis.figures.classes import confusion_matrix, reliability_diagram
from zoo.analysis.figures.scatter import draw_parity
from zoo.analysis.figures.style import BLACK, BLUE, GREY, axis_text, headline, legend_below, new_figure, save_figure

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
    means: Mapping[str, str] | None = None,
    repeat: str = "seed",
) -> None:
    """Draw a parity plot, with a second panel for the errors of all methods if there are several.

    Parameters
    ----------
    target, prediction : array of shape (n,)
        Values for the test rows of all seeds, in the task's unit; predictions are those of the first method.
    errors : mapping of str to sequence of float
        Test error of each seed, by method.
    path : Path
        Path of the PNG; the SVG is written next to it.
    quantity, unit : str
    log : bool
        Use logarithmic axes.
    caption : str
        Line below the title.
    error : str
        Label of the errors; by default the MAE in `unit`.
    means : mapping of str to str, optional
        The mean error of each method as text.
    repeat : {"seed", "fold"}
        Name of a repetition; each has one test error.
    """
    model, several = next(iter(errors)), len(errors) > 1
    size = (10.0, max(4.6, 1.0 + 0.5 * len(errors))) if several else (5.4, 4.9)
    figure, axes = new_figure(*size, columns=2 if several else 1)
    hidden = draw_parity(axes[0], target, prediction, quantity=quantity, unit=unit, log=log, colorbar=False)
    some = f"\nnot shown: {hidden} at or below zero" if hidden else ""
    headline(axes[0], f"{model}\n{axis_text(caption)}{some}")
    if several:
        _draw_errors(axes[1], errors, error or with_unit("MAE", unit), means or {}, repeat)
    save_figure(figure, path)


def classes(result: Result, matrix: Path, reliability: Path) -> None:
    """Draw the confusion matrix of a run's judged rows, and how often predicted probabilities come true."""
    title = f"{result.model}\n{result.judged_rows}"
    for draw, path in ((confusion_matrix, matrix), (reliability_diagram, reliability)):
        save_figure(draw(*result.judged_values, result.task.classes, title=title).figure, path)


def coverage(
    measured: Mapping[float, Sequence[float | None]],
    calibration: int,
    tested: int,
    path: Path,
    *,
    repeat: str = "seed",
) -> None:
    """Draw measured against nominal coverage of the intervals.

    Parameters
    ----------
    measured : mapping of float to sequence of float or None
        Fraction of test rows inside the interval for each seed, by level; None if the level cannot be reached.
    calibration, tested : int
        Number of calibration rows and test rows of a seed. They determine the band that contains 95 % of these
        fractions if all rows are exchangeable; see :func:`zoo.analysis.conformal.coverage_band`.
    path : Path
        Path of the PNG; the SVG is written next to it.
    repeat : {"seed", "fold"}
        Name of a repetition; each has one fraction per level.
    """
    from matplotlib.ticker import PercentFormatter

    figure, (axes,) = new_figure(4.4, 4.6)
    levels = np.linspace(0.4, 0.999, 121)
    axes.plot(levels, levels, color=GREY, linewidth=1, zorder=1)
    low, high = (quantile / tested for quantile in coverage_band(levels, calibration, tested))
    label = f"95 % of {repeat}s, if exchangeable\n({calibration} calibration, {tested} test rows)"
    axes.fill_between(levels, low, high, color=GREY, alpha=0.2, linewidth=0, label=label)
    shown = {level: [value for value in values if value is not None] for level, values in measured.items()}
    for index, (level, values) in enumerate((level, values) for level, values in shown.items() if values):
        each, mean = (f"a {repeat}", "mean") if index == 0 else (None, None)
        axes.scatter([level] * len(values), values, s=22, color=BLUE, alpha=0.5, linewidths=0, label=each)
        axes.scatter(level, np.mean(values), s=90, marker="_", color=BLACK, linewidths=2, label=mean)
    axes.set_xlim(0.45, 1.0)
    lowest = min([0.45, *(min(values) for values in shown.values() if values)])
    axes.set_ylim(lowest - 0.03, 1.02)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("nominal coverage")
    axes.set_ylabel("test rows inside the interval")
    headline(axes, "coverage of the intervals")
    legend_below(figure, axes)
    save_figure(figure, path)


def _draw_errors(
    axes: Axes, errors: Mapping[str, Sequence[float]], error: str, means: Mapping[str, str], repeat: str
) -> None:
    """Draw a bar for the mean error of each method, with the first highlighted, and a dot for each seed or fold."""
    positions = range(len(errors) - 1, -1, -1)
    for position, (method, values) in zip(positions, errors.items(), strict=True):
        own = position == positions[0]
        axes.barh(position, np.mean(values), height=0.4, color=BLUE if own else GREY, alpha=0.7 if own else 0.35)
        axes.scatter(values, [position] * len(values), s=20, color="white", edgecolors=BLACK, linewidths=1)
        if method in means:
            weight = "bold" if own else "normal"
            axes.text(0, position + 0.23, f" {means[method]}", va="bottom", fontsize=9, weight=weight)
    axes.set_yticks(positions, list(errors))
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(-0.45, len(errors) - 0.4)
    axes.set_xlim(left=0)
    axes.set_xlabel(axis_text(f"test {error}; dots: {repeat}s, bars: means"))
    headline(axes, "error on the same test rows")
