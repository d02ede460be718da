"""Style of all figures (palette, markers, line styles), and their files."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo._utils.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette (https://jfly.uni-koeln.de/color/) without its yellow, which is illegible on white.
BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
GREY, BLACK = "#7f7f7f", "#1a1a1a"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINES: tuple[Any, ...] = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
DENSITY = "cividis"
"""Colour map of densities and errors: perceptually uniform, also for colour-blind readers."""

WIDTH = 5.2
"""Width in inches, chosen so that text is ten pixels high on a page 400 pixels wide."""

DPI = 160
RASTER = 1500
"""Number of points above which they are rasterised in an SVG, to keep it small."""

_RC: Any = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "crystal-zoo",  # reproducible files
}


@dataclass(frozen=True)
class Look:
    """The colour, marker, line style and marker face of one method."""

    color: str
    marker: str
    line: Any
    face: str


def looks(methods: Sequence[str], reference: str | None = None) -> dict[str, Look]:
    """Assign each method its own colour, marker and line style; the reference is grey with open markers."""
    found: dict[str, Look] = {}
    others = [name for name in methods if name != reference]
    for i, name in enumerate(others):
        color = COLORS[i % len(COLORS)]
        found[name] = Look(color, MARKERS[i % len(MARKERS)], LINES[i % len(LINES)], color)
    if reference in methods:
        assert reference is not None
        found[reference] = Look(GREY, "o", "-", "white")
    return {name: found[name] for name in methods}


def new_figure(width: float = WIDTH, height: float = 3.9, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure that needs no display, and its axes from top to bottom, with a shared x-axis."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_RC):
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
    return figure, list(axes)


def plain_log_axis(axis: Any, ticks: Sequence[float] | None = None) -> None:
    """Label a logarithmic axis with plain numbers, at `ticks` or at matplotlib's default positions."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    plain = FuncFormatter(lambda value, _position: f"{value:,.6g}")
    axis.set_major_formatter(plain)
    if ticks is not None:
        axis.set_ticks(list(ticks))
        axis.set_minor_locator(NullLocator())
        return
    low, high = sorted(axis.get_view_interval())
    ratio = high / low
    axis.set_major_locator(LogLocator(subs=(1.0,) if ratio > 100 else (1.0, 2.0, 5.0) if ratio > 4 else range(1, 10)))
    axis.set_minor_formatter(NullFormatter())
    if ratio <= 2:
        from matplotlib.ticker import MaxNLocator

        axis.set_major_locator(MaxNLocator(5))
        axis.set_minor_locator(NullLocator())


def headline(axes: Axes, text: str) -> None:
    """Write a line of text above the axes."""
    axes.set_title(text, loc="left", fontsize=10)


def legend_below(figure: Figure, axes: Axes, columns: int = 2) -> None:
    """Place the legend below the axes, clear of the data; omit it for a single entry."""
    handles, names = axes.get_legend_handles_labels()
    if len(names) > 1:
        figure.legend(
            handles, names, loc="outside lower center", ncols=columns, fontsize=9, handlelength=3.2, frameon=False
        )


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with its underlying data.

    Parameters
    ----------
    figure : matplotlib Figure
    data : DataFrame
        The numbers shown; written as CSV.
    title : str
        Heading.
    alt : str
        Alternative text.
    caption : str
    """

    figure: Figure
    data: pd.DataFrame
    title: str
    alt: str
    caption: str

    def noted(self, sentence: str) -> Picture:
        """Return the picture with another sentence in its caption."""
        return replace(self, caption=f"{self.caption} {sentence}")

    def _repr_png_(self) -> bytes:
        """Return the figure for notebooks."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", facecolor="white")
        return buffer.getvalue()

    def save(self, folder: Path, name: str) -> Saved:
        """Write ``name.png``, ``name.svg`` and ``name.csv``; each is written completely or not at all."""
        import matplotlib as mpl

        folder.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context(_RC):
            for kind, metadata in (
                ("png", {"Software": "crystal-zoo"}),
                ("svg", {"Creator": "crystal-zoo", "Date": None}),
            ):
                buffer = io.BytesIO()
                self.figure.savefig(buffer, format=kind, metadata=metadata, facecolor="white")
                write_bytes(folder / f"{name}.{kind}", buffer.getvalue())
        write_bytes(folder / f"{name}.csv", self.data.to_csv(index=False, float_format="%.8g").encode())
        return Saved(folder, name, self.title, self.alt, self.caption, wide=self.figure.get_figwidth() > 1.2 * WIDTH)


@dataclass(frozen=True)
class Saved:
    """Files of a picture with its texts; `wide` if it needs the full page width."""

    folder: Path
    name: str
    title: str
    alt: str
    caption: str
    wide: bool = False

    def path(self, kind: str) -> Path:
        """Return the path of the png, svg or csv file."""
        return self.folder / f"{self.name}.{kind}"
