"""CSV and TSV → rows of cells."""

from __future__ import annotations

import csv
import itertools
import re
from typing import TYPE_CHECKING

from zoo.data.structures.files import MAX_CHARACTERS
from zoo.data.structures.parse import is_number
from zoo.data.tables.columns.names import ID_COLUMNS
from zoo.data.tables.formats.excel import CUT, MAX_CELL
from zoo.data.tables.formats.reader import Row, Select, TableReader, check_columns
from zoo.data.tables.formats.text import lines
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_SAMPLED = 200
_AS_PRINTED = re.compile(r"[<>~≤≥]?[-+\u2212]?[\d.,]*\d[\d.,]*(?:\(\d+\)|±.*)?")  # bounds, uncertainties


def open_delimited(path: Path, *, tabs: bool) -> TableReader:
    """Open a file of delimited values; those of a TSV are separated by `tabs`.

    Raises
    ------
    InputError
        If there is no header, or it cannot be read.
    """

    def body() -> Iterator[str]:
        return itertools.dropwhile(lambda line: line.startswith("#") or not line.strip(), lines(path))

    # Semicolons or tabs separate cells where the comma is the decimal sign, also if there are as many commas.
    first = next(body(), "")
    delimiter = "\t" if tabs else max(";\t,", key=first.count) if re.search(r"[;\t]", first) else ","

    def records() -> Iterator[list[str] | str]:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_CHARACTERS))
        reader = csv.reader(body(), delimiter=delimiter, strict=True, skipinitialspace=True)
        while True:
            before = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # An unclosed quote swallows several lines, each of which may have been a row.
                yield from [f"broken quoting: {error}"] * max(1, reader.line_num - before)
            else:
                if cells:
                    yield cells

    head = list(itertools.islice(records(), 3))
    if not head:
        raise InputError(f"{path}: there are only comments")
    if isinstance(head[0], str):
        raise InputError(f"{path}: the header cannot be read: {head[0]}")
    headerless = path.name == "id_prop.csv" and (len(head[0]) == 1 or _begins_with_a_number(head[0][1]))
    if headerless:
        body_rows = [row[:3] for row in itertools.islice(records(), _SAMPLED) if isinstance(row, list)]
        if _may_be_cut(body_rows, ["id", "target"], labels=False):
            raise InputError(
                f"{path}: numbers with decimal commas look like two columns; put semicolons between the cells"
            )
        names = ["id", "target", *(f"column {i}" for i in range(3, len(head[0]) + 1))][: len(head[0])]
    else:
        names = [name.strip() for name in head[0]]
        if len(head) == 3 and all(isinstance(row, list) and len(row) == len(names) + 1 for row in head[1:]):
            # One cell more than column names, as in matminer's tables: pandas' row labels, or a trailing empty cell.
            trailing = all(not row[-1] for row in head[1:])
            body_rows = [row for row in itertools.islice(records(), 1, _SAMPLED) if isinstance(row, list)]
            cut = delimiter == "," and _may_be_cut(body_rows, names, labels=not trailing)
            if cut or not (trailing or _are_labels(row[0] for row in body_rows)):
                raise InputError(
                    f"{path}: rows have {len(names) + 1} cells, and there are {len(names)} names of columns; if "
                    "numbers have decimal commas, put them in quotation marks, or semicolons between the cells; "
                    "otherwise name the further column"
                )
            names = [*names, ""] if trailing else ["", *names]
    check_columns(path, names)

    def rows(_columns: Sequence[str], _select: Select | None) -> Iterator[Row]:
        start = 0 if headerless else 1
        for number, cells in enumerate(itertools.islice(records(), start, None), 1):
            if isinstance(cells, str):
                yield Row(number, {}, cells)
            elif len(cells) != len(names):
                problem = f"{len(cells)} fields where {len(names)} are expected"
                yield Row(number, dict(zip(names, cells, strict=False)), problem)
            else:
                yield Row(number, dict(zip(names, cells, strict=True)), CUT if MAX_CELL in map(len, cells) else "")

    return TableReader(path, tuple(names), rows, headerless)


def _are_labels(cells: Iterable[str]) -> bool:
    """Return whether the first cells of rows are row labels: texts, or numbers that count from 0 or 1.

    Other numbers may be the whole part of a number with a decimal comma, which would shift all cells by one.
    """
    labels = list(cells)
    if not any(is_number(label) for label in labels):
        return True
    return any(labels == [str(i) for i in range(start, start + len(labels))] for start in (0, 1))


def _may_be_cut(rows: Sequence[Sequence[str]], names: Sequence[str], *, labels: bool) -> bool:
    """Return whether each row with a cell too many may hold a number that was cut in two at its decimal comma.

    Whole numbers stand side by side in many tables with labels that count the rows. There, the number counts as cut
    only if the labels would move its whole part to a column of words.
    """
    long = [row for row in rows if len(row) == len(names) + 1]
    counting = labels and any(is_number(row[0]) for row in long)

    def cut(row: Sequence[str], at: int) -> bool:
        if not (re.fullmatch(r"[+-]?\d+", row[at].strip()) and row[at + 1].strip().isdecimal()):
            return False
        return not _holds_words(names[at]) and (not counting or (at > 0 and _holds_words(names[at - 1])))

    return bool(long) and all(any(cut(row, at) for at in range(len(names))) for row in long)


def _holds_words(name: str) -> bool:
    """Return whether a column holds no numbers by its name: identifiers, formulas."""
    return name.lower() in ID_COLUMNS or "formula" in name.lower() or "composition" in name.lower()


def _begins_with_a_number(cell: str) -> bool:
    """Return whether a cell begins with a number: ``mp-22862, 24.1 GPa`` is a row of data, not a header."""
    words = cell.split()
    return bool(words) and (is_number(words[0]) or bool(_AS_PRINTED.fullmatch(words[0])))
