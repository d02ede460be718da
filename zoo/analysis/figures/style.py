"""Style of all figures (palette, markers, line styles), and their files."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.files import write_bytes
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.text import Text

# Okabe & Ito's palette (https://jfly.uni-koeln.de/color/) without its yellow, which is illegible on white.
BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
GREY, BLACK = "#7f7f7f", "#1a1a1a"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINES: tuple[Any, ...] = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
SCALE = "cividis"
"""Colour map of fields with text in them: perceptually uniform, also for colour-blind readers."""

WIDTH = 5.2
"""Width in inches, chosen so that text is ten pixels high on a page 400 pixels wide."""

SMALLEST = 8
"""Size in points of labels that do not fit otherwise."""

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


def density_colors() -> Colormap:
    """Return the colour map of points on white: `SCALE` without its lightest fifth, which is too faint in grey."""
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    return ListedColormap(mpl.colormaps[SCALE](np.linspace(0, 0.8, 256)), "density")


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


def new_figure(width: float = WIDTH, height: float = 3.9, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure that needs no display, and its axes row by row; those of a single column share the x-axis."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_RC):
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=columns == 1)
    return figure, list(axes.flat)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as ``.png`` and as ``.svg``, each completely or not at all, byte for byte the same every time.

    Parameters
    ----------
    figure : matplotlib Figure
    path : Path
        Path of one of the two files; the other is written next to it.
    """
    import matplotlib as mpl

    metadata = {"png": {"Software": "crystal-zoo"}, "svg": {"Creator": "crystal-zoo", "Date": None}}
    with mpl.rc_context(_RC):
        for kind, each in metadata.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, metadata=each, facecolor="white")
            write_bytes(path.with_suffix(f".{kind}"), buffer.getvalue())


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


_SUBSCRIPT = re.compile(r"(?<![^\W\d])(Δ?[^\W\d_])_([A-Za-z0-9]+)\b")


def axis_text(text: str) -> str:
    r"""Set the subscripts of symbols, and of log10, in the label of an axis.

    Examples
    --------
    >>> print(axis_text("Bulk modulus K_VRH (GPa)"), axis_text("formation_energy_per_atom"), sep=", ")
    Bulk modulus K$_{\mathrm{VRH}}$ (GPa), formation_energy_per_atom
    """
    symbols = _SUBSCRIPT.sub(r"\1$_{\\mathrm{\2}}$", text.replace("$", r"\$"))
    return re.sub(r"\blog10\b", "log$_{10}$", symbols)


def headline(axes: Axes, text: str) -> None:
    """Write a line of text above the axes."""
    axes.set_title(text, loc="left", fontsize=10)


def legend_below(figure: Figure, axes: Axes) -> None:
    """Place the legend below the axes, clear of the data; omit it for a single entry."""
    handles, names = axes.get_legend_handles_labels()
    if len(names) > 1:
        figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=9, handlelength=3.2, frameon=False)


def _two_lines(label: Text) -> None:
    text = label.get_text()
    if blanks := [found.start() for found in re.finditer(" ", text)]:
        middle = min(blanks, key=lambda place: abs(place - len(text) / 2))
        label.set_text(f"{text[:middle]}\n{text[middle + 1 :]}")


def _smaller(label: Text) -> None:
    label.set_fontsize(SMALLEST)


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

    def write(self, path: Path | str, *, width: float | None = None, dpi: int = 300) -> Path:
        """Write the figure alone, for a publication.

        Parameters
        ----------
        path : Path
            Ends in ``.png``, ``.svg`` or ``.pdf``. Fonts are embedded in a PDF; in an SVG, text is drawn as outlines.
        width : float, optional
            In inches; the height follows. Journals often ask for 3.35 (one column) or 6.9 (two columns). By default
            `WIDTH`.
        dpi : int
            Dots per inch of a PNG, and of clouds of many points in the other formats.

        Raises
        ------
        InputError
            If the path has another ending.
        """
        import matplotlib as mpl

        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in ("png", "svg", "pdf"):
            raise InputError(f"{path}: figures are written as .png, .svg or .pdf")
        usual = self.figure.get_size_inches()
        labels = [axis.label for axes in self.figure.axes for axis in (axes.xaxis, axes.yaxis)]
        written = [(label.get_text(), label.get_fontsize()) for label in labels]
        buffer = io.BytesIO()
        try:
            if width is not None:
                self.figure.set_size_inches(width, usual[1] * width / usual[0])
                self._fit_labels()
            with mpl.rc_context({**_RC, "pdf.fonttype": 42}):
                self.figure.savefig(buffer, format=kind, dpi=dpi, facecolor="white")
        finally:
            self.figure.set_size_inches(*usual)
            for label, (text, size) in zip(labels, written, strict=True):
                label.set(text=text, fontsize=size)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, buffer.getvalue())
        return path

    def _fit_labels(self) -> None:
        """Put the labels of axes that would be cut off on two lines, and make them smaller if that is not enough."""
        page = self.figure.bbox.padded(-0.03 * self.figure.dpi)
        for fit in (_two_lines, _smaller):
            self.figure.draw_without_rendering()
            for axes in self.figure.axes:
                for label in (axes.xaxis.label, axes.yaxis.label):
                    box = label.get_window_extent()
                    if box.x0 < page.x0 or box.x1 > page.x1 or box.y0 < page.y0 or box.y1 > page.y1:
                        fit(label)

    def save(self, folder: Path, name: str) -> Saved:
        """Write ``name.png``, ``name.svg`` and ``name.csv``; each is written completely or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        save_figure(self.figure, folder / f"{name}.png")
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
