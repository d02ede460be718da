"""Tables as text that fits a given width, with aligned numbers and whole words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GAP = 2
"""Number of spaces between two columns."""

HEADER_LINES = 3
"""Number of lines of a header before columns are left out."""

SHORTEST = 10
"""Width to which a column of long words may be narrowed."""

_TOKEN = re.compile(r"(?:[<>] )?\S+")
_NUMBER = re.compile(r"\(?(?:[<>] )?[-+−±]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?[×%)]*")
_SIGNS = frozenset("±%…")
_PIECE = re.compile(r"[^_/]*[_/]?")


@dataclass(frozen=True)
class TextTable:
    """A table laid out as lines of text.

    Parameters
    ----------
    header, body : list of str
        Lines; `header` is empty if no column has a name.
    left_out : list of str
        Columns for which there was no room.
    """

    header: list[str]
    body: list[str]
    left_out: list[str]


def lay_out(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    width: int | None = None,
    *,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> TextTable:
    """Lay out a table, with columns of numbers aligned at the decimal point.

    Without a width, cells are not padded inside, so that two spaces always separate columns, for programs.

    If the table is too wide, its header is broken between words; then the columns in `drop` are left out one after the
    other; then cells are broken, inside a word only if nothing else is left.

    Parameters
    ----------
    header : sequence of str
        Names of the columns; all empty for a table without a header.
    rows : iterable of sequences of str
    width : int, optional
        In characters; None for as wide as the content.
    keep : sequence of str
        Columns whose cells stay on one line.
    drop : sequence of str
        Columns that may be left out, the least important one first.

    Examples
    --------
    >>> table = lay_out(["name", "rows", "MAE"], [["a", "54,000", "0.0375"], ["b", "900", "0.12 ± 0.01"]], 80)
    >>> print(*table.header, *table.body, sep=chr(10))
    name    rows            MAE
    ───────────────────────────
    a     54,000  0.0375
    b        900  0.12   ± 0.01
    >>> lay_out(["name", "rows"], [["a", "54,000"]], 9, drop=["rows"]).left_out
    ['rows']
    """
    cells = [list(row) for row in rows]
    columns = [
        _Column(name, [row[index] for row in cells], name in keep, width is not None)
        for index, name in enumerate(header)
    ]
    left_out: list[str] = []
    for name in drop:
        if width is None or _total([each.narrow for each in columns]) <= width:
            break
        columns = [each for each in columns if each.name != name]
        left_out.append(name)
    widths = _widths(columns, width)
    head = [(each.name, size, each.numeric) for each, size in zip(columns, widths, strict=True)]
    body = [
        line
        for index in range(len(cells))
        for line in _row([(each.shown[index], size, each.numeric) for each, size in zip(columns, widths, strict=True)])
    ]
    return TextTable([*_row(head), "─" * _total(widths)] if any(header) else [], body, left_out)


@dataclass(frozen=True)
class _Column:
    name: str
    cells: list[str]
    kept: bool
    padded: bool

    @cached_property
    def numeric(self) -> bool:
        """Whether all cells are numbers, possibly with a unit or a deviation."""
        rows = [tokens for cell in self.cells if (tokens := _TOKEN.findall(cell))]
        if not self.padded and any(len(tokens) > 1 for tokens in rows):
            return False
        return bool(rows) and all(
            _NUMBER.fullmatch(first) and sum(not _NUMBER.fullmatch(each) and each not in _SIGNS for each in rest) <= 1
            for first, *rest in rows
        )

    @cached_property
    def shown(self) -> list[str]:
        return _aligned(self.cells) if self.numeric else self.cells

    @cached_property
    def narrow(self) -> int:
        """Width with unbroken cells below a header of few lines."""
        header = _longest_word(self.name)
        while len(_broken(self.name, header)) > HEADER_LINES:
            header += 1
        return max([header, *map(_widest_line, self.shown)])

    @cached_property
    def natural(self) -> int:
        return max(cell_len(self.name), self.narrow)

    @cached_property
    def least(self) -> int:
        """Width without broken words."""
        if self.kept or self.numeric:
            return self.narrow
        return max(map(_longest_word, [self.name, *self.shown]))


def _widths(columns: Sequence[_Column], width: int | None) -> list[int]:
    natural = [each.natural for each in columns]
    if width is None or _total(natural) <= width:
        return natural
    widths = [each.narrow for each in columns]
    if (spare := width - _total(widths)) >= 0:
        for index, size in enumerate(natural):  # a header that can stay on one line does
            if size - widths[index] <= spare:
                spare -= size - widths[index]
                widths[index] = size
        return widths
    _narrow(widths, [each.least for each in columns], width)
    _narrow(widths, [each.least if each.kept or each.numeric else min(each.least, SHORTEST) for each in columns], width)
    return widths


def _narrow(widths: list[int], floors: Sequence[int], width: int) -> None:
    """Narrow the widest columns, none below its floor, until the table fits if it can."""
    while _total(widths) > width:
        above = [index for index, floor in enumerate(floors) if widths[index] > floor]
        if not above:
            return
        widths[max(above, key=widths.__getitem__)] -= 1


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _widest_line(text: str) -> int:
    return max(map(cell_len, text.split("\n")))


def _aligned(cells: Sequence[str]) -> list[str]:
    """Align the numbers of cells such as ``0.0828 ± 0.0052 (1.21×)``, each at its decimal point."""
    rows = [[token.partition(".") for token in _TOKEN.findall(cell)] for cell in cells]
    for place in range(max(map(len, rows))):
        at_place = [row[place] for row in rows if len(row) > place]
        left = max(len(whole) for whole, _, _ in at_place)
        right = max(len(point + rest) for _, point, rest in at_place)
        for row in rows:
            if len(row) > place:
                whole, point, rest = row[place]
                row[place] = (whole.rjust(left), f"{point}{rest}".ljust(right), "")
    lines = [" ".join("".join(token) for token in row) for row in rows]
    widest = max(len(line.rstrip()) for line in lines)
    return [line.ljust(widest)[:widest] for line in lines]


def _row(cells: Sequence[tuple[str, int, bool]]) -> list[str]:
    """Return the lines of a row; a cell is its text, its width and whether it is aligned to the right."""
    broken = [_broken(text, width) for text, width, _ in cells]
    lines = []
    for index in range(max(map(len, broken), default=0)):
        line = ""
        for parts, (_, width, right) in zip(broken, cells, strict=True):
            part = parts[index] if index < len(parts) else ""
            blank = " " * (width - cell_len(part))
            line += (blank + part if right else part + blank) + " " * GAP
        lines.append(line.rstrip())
    return lines


def _broken(text: str, width: int) -> list[str]:
    """Break a text between words; inside a word, after an underscore or a slash if there is one."""
    lines = []
    for paragraph in text.split("\n"):
        if cell_len(paragraph) <= width:
            lines.append(paragraph)
            continue
        line = ""
        for word in paragraph.split():
            if line and cell_len(f"{line} {word}") <= width:
                line += f" {word}"
                continue
            if line:
                lines.append(line)
            *pieces, line = _pieces(word, width)
            lines += pieces
        lines.append(line)
    return lines


def _pieces(word: str, width: int) -> list[str]:
    pieces = [""]
    for part in filter(None, _PIECE.findall(word)):
        if cell_len(pieces[-1] + part) <= width:
            pieces[-1] += part
            continue
        pieces += [part[start : start + width] for start in range(0, len(part), max(width, 1))]
    return list(filter(None, pieces)) or [""]
