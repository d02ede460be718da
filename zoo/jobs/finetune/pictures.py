"""Pictures of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis.conformal import coverage_band
from zoo.analysis.figures.scatter import parity_axes
from zoo.analysis.figures.style import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ParityData:
    """What the parity picture shows.

    Parameters
    ----------
    target, prediction : array of shape (n,)
        Test rows of all seeds, in the task's unit.
    quantity : str
        Name of the property.
    unit : str
    log : bool
        Logarithmic axes.
    model : str
        Name of the method on the left; it is drawn first on the right.
    mae : mapping of str to sequence of float
        Method → test MAE of each seed.
    caption : str
        One line below the title.
    """

    target: NDArray[np.float64]
    prediction: NDArray[np.float64]
    quantity: str
    unit: str
    log: bool
    model: str
    mae: Mapping[str, Sequence[float]]
    caption: str


def parity(data: ParityData, path: Path) -> None:
    """Draw predictions against targets on the left, and the error of every method on the right, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    methods = list(data.mae)
    figure = Figure(figsize=(10, 4.6) if len(methods) > 1 else (5.4, 4.9), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 if len(methods) > 1 else 1, squeeze=False)[0]
    _scatter(axes[0], data)
    if len(methods) > 1:
        _strip(axes[1], data, methods)
    figure.savefig(path, metadata={"Software": "crystal-zoo"})


def coverage(measured: Mapping[float, Sequence[float | None]], calibration: int, tested: int, path: Path) -> None:
    """Draw the coverage that was measured against the level that was asked for, as a PNG.

    Parameters
    ----------
    measured : mapping of float to sequence of float or None
        Level → share of test rows inside the interval, one per seed; None where the level could not be had.
    calibration, tested : int
        Rows of a seed that calibrated and that were tested, for the band in which 95 % of such shares lie if all are
        drawn alike; see :func:`zoo.analysis.conformal.coverage_band`.
    path : Path
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
    label = f"95 % of seeds, if exchangeable\n({calibration} calibration, {tested} test rows)"
    axes.fill_between(levels, low, high, color=GREY, alpha=0.2, linewidth=0, label=label)
    shown = {level: [value for value in values if value is not None] for level, values in measured.items()}
    for index, (level, values) in enumerate((level, values) for level, values in shown.items() if values):
        first = index == 0
        axes.scatter(
            [level] * len(values), values, s=22, color=BLUE, alpha=0.5, linewidths=0, label="a seed" if first else None
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


def _scatter(axes: Axes, data: ParityData) -> None:
    shown = parity_axes(axes, data.target, data.prediction, quantity=data.quantity, unit=data.unit, log=data.log)
    axes.scatter(data.target[shown], data.prediction[shown], s=14, color=BLUE, alpha=0.45, linewidths=0, zorder=2)
    hidden = len(shown) - int(shown.sum())
    some = f"\nnot shown: {hidden} at or below zero" if hidden else ""
    axes.set_title(f"{data.model}\n{data.caption}{some}", fontsize=10)


def _strip(axes: Axes, data: ParityData, methods: Sequence[str]) -> None:
    positions = np.arange(len(methods))[::-1]
    for position, method in zip(positions, methods, strict=True):
        values = np.asarray(data.mae[method])
        color = ORANGE if method == data.model else GREY
        axes.barh(position, values.mean(), height=0.6, color=color, alpha=0.35)
        axes.scatter(values, np.full(len(values), position), s=20, color=color, edgecolors="black", linewidths=0.5)
    axes.set_yticks(positions, methods)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"test MAE{f' ({data.unit})' if data.unit else ''}; a dot is a seed, a bar their mean")
    axes.set_title("error on the same test rows", fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
