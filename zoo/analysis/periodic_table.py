"""A small picture of the periodic table with some elements marked."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from zoo.data.crystal import SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Iterable

MARKED, PLAIN = "#0072B2", "#eeeeee"


def position(number: int) -> tuple[int, int]:
    """Return column (1 to 18) and row (1 to 9) of an element; the f elements stand below, in rows 8 and 9.

    >>> position(1), position(14), position(26), position(57), position(72)
    ((1, 1), (14, 3), (8, 4), (3, 8), (4, 6))
    """
    if 57 <= number <= 71:
        return number - 54, 8
    if 89 <= number <= 103:
        return number - 86, 9
    row = next(row for row, last in enumerate((2, 10, 18, 36, 54, 86, 118), start=1) if number <= last)
    first = (1, 3, 11, 19, 37, 55, 87)[row - 1]
    place = number - first + 1  # counted from the alkali metal
    if row == 1:
        return (1 if number == 1 else 18), row
    if row in (2, 3):
        return (place if place <= 2 else place + 10), row
    if row in (6, 7):
        return (place if place <= 2 else place - 14), row
    return place, row


def draw(elements: Iterable[str]) -> bytes:
    """Return a PNG of the periodic table in which `elements` are marked.

    Parameters
    ----------
    elements : iterable of str
        Chemical symbols; the others are drawn pale.
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
        marked = symbol in chosen
        axes.add_patch(Rectangle((column + 0.04, y + 0.04), 0.92, 0.92, color=MARKED if marked else PLAIN, linewidth=0))
        colour = "white" if marked else "#8a8a8a"
        axes.text(column + 0.5, y + 0.5, symbol, ha="center", va="center", fontsize=9, color=colour)
    axes.set_xlim(0.9, 19.1)
    axes.set_ylim(-9.5, 0.1)
    axes.set_axis_off()
    picture = io.BytesIO()
    # Without the name and version of the program, so that the same elements give the same bytes.
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
