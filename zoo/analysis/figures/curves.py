"""Error and gain against the training-set size, and error by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.wording import counted, short
from zoo.analysis.figures.style import (
    GREY,
    LINES,
    Picture,
    axis_text,
    headline,
    legend_below,
    looks,
    new_figure,
    plain_log_axis,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from zoo.analysis.comparisons import PowerLaw


MAX_BANDS = 4
"""Maximum number of methods with bands; beyond it, only the reference and the best method have one."""

MAX_BOXES = 30
"""Maximum number of boxes; beyond it, only the smallest and largest sizes are drawn. The CSV lists all."""


def learning_curve(
    errors: pd.DataFrame,
    *,
    error_label: str,
    fits: Mapping[str, PowerLaw] | None = None,
    reference: str | None = None,
) -> Picture:
    """Plot the error against the number of training rows on logarithmic axes; bands are ± one standard deviation.

    Parameters
    ----------
    errors : DataFrame
        Columns ``method``, ``size``, ``seed``, ``error``; one row per cell.
    error_label : str
        Name of the error, with its unit.
    fits : mapping of method to PowerLaw, optional
        Drawn as thin lines; the legend gives their exponents.
    reference : str, optional
        The method drawn in grey.

    Examples
    --------
    >>> import pandas as pd
    >>> from zoo.figures import learning_curve
    >>> table = {"method": ["rf"] * 4, "size": [50, 50, 200, 200], "seed": [0, 1, 0, 1], "error": [9.0, 8, 6, 5]}
    >>> learning_curve(pd.DataFrame(table), error_label="MAE (GPa)").data["mean"].to_list()
    [8.5, 5.5]
    """
    import pandas as pd

    summary = (
        errors.groupby(["method", "size"], sort=False)
        .error.agg(mean="mean", std="std", seeds="count")
        .reset_index()
        .sort_values("size", kind="stable")
    )
    methods = list(dict.fromkeys(errors["method"]))
    sizes = sorted(set(summary["size"]))
    best = summary[summary["size"] == sizes[-1]].sort_values("mean").iloc[0]
    banded = methods if len(methods) <= MAX_BANDS else [name for name in methods if name in (reference, best["method"])]
    figure, (axes,) = new_figure(height=3.5 + 0.22 * ((len(methods) + 1) // 2))
    for name, look in looks(methods, reference).items():
        rows = summary[summary["method"] == name]
        law = (fits or {}).get(name)
        label = short(name) if law is None else f"{short(name)} (∝ n$^{{{law.exponent:.2f}}}$)"
        size, mean = rows["size"].to_numpy(dtype=float), rows["mean"].to_numpy()
        deviation = rows["std"].fillna(0).to_numpy()
        if name in banded:
            # A logarithmic axis shows positive values only.
            lowest = np.maximum(mean - deviation, mean / 100)
            axes.fill_between(size, lowest, mean + deviation, color=look.color, alpha=0.15)
        axes.plot(
            size,
            mean,
            color=look.color,
            marker=look.marker,
            linestyle=look.line,
            markerfacecolor=look.face,
            markersize=6,
            linewidth=1.6,
            label=label,
        )
        if law is not None and len(size) > 2:
            axes.plot(size, law(size), color=look.color, linewidth=0.7, linestyle=LINES[4])
    axes.set_xscale("log")
    axes.set_yscale("log")
    _sizes(axes, sizes)
    plain_log_axis(axes.yaxis)
    axes.set_ylabel(axis_text(error_label))
    axes.grid(alpha=0.25, which="both")
    legend_below(figure, axes)
    most = int(summary.seeds.max())
    whose = "" if banded == methods else f" ({' and '.join(banded)} only)"
    band = f"bands{whose} are ± one standard deviation over {most} seeds"
    if most == 1:
        band = "no band, because there is one seed"
    laws = " Exponents are those of a power law, error ∝ n^exponent." if fits else ""
    return Picture(
        figure,
        pd.DataFrame(summary),
        "Error against the number of training rows",
        f"Learning curves of {counted(len(methods), 'method')} from {sizes[0]:,} to {sizes[-1]:,} training rows. At "
        f"{sizes[-1]:,} rows {best['method']} has the smallest error, {best['mean']:.3g}.",
        f"{error_label[0].upper()}{error_label[1:]}, on test rows, mean over seeds; {band}.{laws}",
    )


def gain_curve(gains: pd.DataFrame, *, reference: str) -> Picture:
    """Plot the reduction of the error relative to a reference against the number of training rows.

    Parameters
    ----------
    gains : DataFrame
        Columns ``method``, ``size``, ``gain``, ``low``, ``high`` (fractions) and ``significant`` (bool).
    reference : str
        Name of the reference.

    Examples
    --------
    >>> import pandas as pd
    >>> from zoo.figures import gain_curve
    >>> table = {"method": ["full"], "size": [100], "gain": [0.2], "low": [0.1], "high": [0.3], "significant": [True]}
    >>> gain_curve(pd.DataFrame(table), reference="training from scratch").alt[-43:]
    'The largest is 20.0 %, of full at 100 rows.'
    """
    methods = list(dict.fromkeys(gains["method"]))
    figure, (axes,) = new_figure(height=3.4 + 0.22 * ((len(methods) + 1) // 2))
    axes.axhline(0, color=GREY, linewidth=1)
    for i, (name, look) in enumerate(looks(methods).items()):
        rows = gains[gains["method"] == name].sort_values("size")
        # Shift the points sideways so that their intervals do not overlap.
        size = rows["size"].to_numpy(dtype=float) * 1.025 ** (i - (len(methods) - 1) / 2)
        gain = 100 * rows.gain.to_numpy()
        ends = np.stack([gain - 100 * rows.low.to_numpy(), 100 * rows.high.to_numpy() - gain])
        axes.errorbar(
            size, gain, np.maximum(np.nan_to_num(ends), 0), fmt="none", ecolor=look.color, elinewidth=1, capsize=2
        )
        axes.plot(
            size, gain, color=look.color, linestyle=look.line, linewidth=1.4, label=short(name), marker=look.marker
        )
        chance = ~rows.significant.to_numpy(dtype=bool)
        axes.plot(
            size[chance],
            gain[chance],
            linestyle="none",
            marker=look.marker,
            color=look.color,
            markerfacecolor="white",
            zorder=4,
        )
    axes.set_xscale("log")
    _sizes(axes, sorted(set(gains["size"])))
    axes.set_ylabel(f"reduction of the error relative\nto {reference} (%)")
    axes.grid(alpha=0.25)
    beyond = _cut(axes, gains)
    legend_below(figure, axes)
    top = gains.sort_values("gain").iloc[-1]
    return Picture(
        figure,
        gains,
        "Gain against the number of training rows",
        f"Reduction of the error relative to {reference}, for {counted(len(methods), 'method')}. The largest is "
        f"{100 * top.gain:.1f} %, of {top['method']} at {top['size']:,} rows.",
        f"Above zero a method is better than {reference}. Bars are 95 % bootstrap intervals over seeds. Open markers: "
        f"not significant, or not tested.{beyond}",
    )


def _cut(axes: Axes, gains: pd.DataFrame) -> str:
    """Crop methods that are far worse and would compress all others; return a sentence that names them."""
    floor = -max(0.3, 1.5 * float(gains.gain.max()))
    far = gains[gains.gain < floor]
    if far.empty or len(far) == len(gains):
        return ""
    kept = gains[gains.gain >= floor]
    lowest = min(0.0, float(np.nanmin([kept.gain.min(), max(floor, kept.low.min())])))
    highest = float(np.nanmax([0.05, gains.gain.max(), kept.high.max()]))
    margin = 0.07 * (highest - lowest)
    axes.set_ylim(100 * (lowest - margin), 100 * (highest + margin))
    listed = []
    for method, rows in far.groupby("method", sort=False):
        least, most = (f"{-100 * gain:.0f}" for gain in (rows.gain.max(), rows.gain.min()))
        where = f"{rows['size'].iloc[0]:,} rows" if len(rows) == 1 else f"{len(rows)} sizes"
        listed.append(f"{method}, {f'{least} %' if least == most else f'{least} to {most} %'} higher at {where}")
    return f" Outside the plot: {'; '.join(listed)}."


def seed_boxes(errors: pd.DataFrame, *, error_label: str, reference: str | None = None) -> Picture:
    """Plot the error of every seed as a dot and the quartiles as a box, for each method and size.

    Parameters
    ----------
    errors : DataFrame
        As for :func:`learning_curve`.
    error_label : str
    reference : str, optional

    Examples
    --------
    >>> import pandas as pd
    >>> from zoo.figures import seed_boxes
    >>> table = {"method": ["rf"] * 3, "size": [50] * 3, "seed": [0, 1, 2], "error": [9.0, 8.0, 6.0]}
    >>> seed_boxes(pd.DataFrame(table), error_label="MAE (GPa)").title
    'Error by seed'
    """
    methods, sizes = list(dict.fromkeys(errors["method"])), sorted(set(errors["size"]))
    every = len(sizes)
    if len(methods) * every > MAX_BOXES:
        sizes = [sizes[0], sizes[-1]]
    figure, panels = new_figure(height=0.6 + len(sizes) * (0.45 + 0.27 * len(methods)), rows=len(sizes))
    for axes, size in zip(panels, sizes, strict=True):
        here = errors[errors["size"] == size]
        for i, (name, look) in enumerate(looks(methods, reference).items()):
            values = here[here["method"] == name].error.to_numpy(dtype=float)
            if not len(values):
                continue
            box = axes.boxplot(
                values,
                positions=[-i],
                orientation="horizontal",
                widths=0.6,
                showfliers=False,
                patch_artist=True,
                medianprops={"color": "black", "linewidth": 1.4},
                whiskerprops={"color": GREY},
                capprops={"color": GREY},
            )
            box["boxes"][0].set(facecolor=look.color, alpha=0.3, edgecolor=look.color)
            axes.plot(
                values, np.full(len(values), -i), linestyle="none", marker=look.marker, markersize=4, color=look.color
            )
        axes.set_yticks([-i for i in range(len(methods))], [short(name) for name in methods])
        axes.set_ylim(-len(methods) + 0.4, 0.6)
        headline(axes, f"{size:,} training rows")
        axes.grid(axis="x", alpha=0.25)
    panels[-1].set_xlabel(axis_text(error_label))
    if errors.error.min() > 0 and errors.error.max() > 4 * errors.error.min():
        panels[-1].set_xscale("log")
        plain_log_axis(panels[-1].xaxis)
    some = f" Shown: the smallest and the largest of {every} sizes." if len(sizes) < every else ""
    spread = errors.groupby(["method", "size"]).error.agg(lambda values: values.max() / values.min()).max()
    return Picture(
        figure,
        errors[["method", "size", "seed", "error"]],
        "Error by seed",
        f"Box plots of the error of {counted(len(methods), 'method')} at {counted(every, 'size')}. The worst seed of a "
        f"method has up to {spread:.2f} times the error of its best.",
        f"Each dot is a seed with its own test rows; boxes span the quartiles, the line is the median.{some}",
    )


def _sizes(axes: Axes, sizes: list[int]) -> None:
    plain_log_axis(axes.xaxis, sizes)
    axes.set_xlim(sizes[0] / 1.15, sizes[-1] * 1.15)
    axes.set_xlabel("training rows")
