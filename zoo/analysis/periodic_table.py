"""Layout of the periodic table, and a drawing of it with highlighted elements."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from zoo.data.crystal import SYMBOLS
from zoo.data.elements import properties

if TYPE_CHECKING:
    from collections.abc import Iterable

HIGHLIGHT_COLOR, PLAIN_COLOR = "#0072B2", "#eeeeee"


def position(number: int) -> tuple[int, int]:
    """Return column (1 to 18) and row (1 to 9) of an element; the f-block is below, in rows 8 and 9.

    >>> position(1), position(14), position(26), position(57), position(72)
    ((1, 1), (14, 3), (8, 4), (3, 8), (4, 6))
    """
    element = properties()[number - 1]
    if 57 <= number <= 71 or 89 <= number <= 103:
        return (number - 57) % 32 + 3, int(element["period"]) + 2
    return int(element["group"]), int(element["period"])


def draw(elements: Iterable[str]) -> bytes:
    """Return a PNG of the periodic table with `elements` highlighted.

    Parameters
    ----------
    elements : iterable of str
        Chemical symbols.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    chosen = set(elements)
    figure = Figure(figsize=(7.2, 3.8), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    for number, symbol in enumerate(SYMBOLS[1:], start=1):
        column, row = position(number)
        y = -row - (0.4 if row > 7 else 0)
        tile, ink = (HIGHLIGHT_COLOR, "white") if symbol in chosen else (PLAIN_COLOR, "#8a8a8a")
        axes.add_patch(Rectangle((column + 0.04, y + 0.04), 0.92, 0.92, color=tile, linewidth=0))
        axes.text(column + 0.5, y + 0.5, symbol, ha="center", va="center", fontsize=9, color=ink)
    axes.set_xlim(0.9, 19.1)
    axes.set_ylim(-9.5, 0.1)
    axes.set_axis_off()
    picture = io.BytesIO()
    # Omit the program's name and version, so that files are reproducible.
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
