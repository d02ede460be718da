"""pandas DataFrames → rows of cells, as if they were read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.tables.formats.reader import INDEX, Row, Select, TableReader, check_columns
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

_BATCH = 512

FRAME = Path("DataFrame")
"""What stands for the file's path in messages; files named in a frame's cells are relative to the current folder."""


def open_frame(frame: pd.DataFrame) -> TableReader:
    """Open a DataFrame; its row labels are a column too, unless they are just row numbers, or repeat.

    Parameters
    ----------
    frame : DataFrame
        Cells may hold whatever a cell of a file can, and objects: crystals of pymatgen or zoo, dictionaries, arrays.

    Raises
    ------
    InputError
        If it has column names in several levels, or two columns of the same name.
    """
    if frame.columns.nlevels > 1:
        raise InputError(f"{FRAME}: its columns have names in {frame.columns.nlevels} levels; give each a single name")
    names = [str(name) for name in frame.columns]
    labels = _labels(frame)
    if labels and labels not in names:
        frame, names = frame.rename_axis(index=labels).reset_index(), [labels, *names]
    check_columns(FRAME, names)

    def rows(columns: Sequence[str], select: Select | None) -> Iterator[Row]:
        wanted = list(dict.fromkeys([*(columns or names), *(select[:1] if select else ())]))
        places = [names.index(name) for name in wanted]
        for start in range(0, len(frame), _BATCH):
            part = frame.iloc[start : start + _BATCH]
            cells = [_cells(part.iloc[:, place]) for place in places]
            for number, row in enumerate(zip(*cells, strict=True), start + 1):
                found = dict(zip(wanted, row, strict=True))
                if select is None or select[1](found[select[0]], number):
                    yield Row(number, found)

    return TableReader(FRAME, tuple(names), rows, count=len(frame), in_memory=True)


def _labels(frame: pd.DataFrame) -> str:
    """Return the name of the column of row labels; empty if they are just row numbers."""
    from pandas.api.types import is_integer_dtype

    if frame.index.nlevels > 1:
        raise InputError(f"{FRAME}: its rows have labels in {frame.index.nlevels} levels; reset_index() makes columns")
    if frame.index.name is not None:
        return str(frame.index.name)
    if any(isinstance(label, str) for label in frame.index):
        return INDEX
    # Whole numbers in another order, or with gaps, tell the rows of a larger frame.
    told = is_integer_dtype(frame.index) and frame.index.is_unique
    counted = any(np.array_equal(frame.index, np.arange(len(frame)) + start) for start in (0, 1))
    return INDEX if told and not counted else ""


def _cells(column: pd.Series) -> list[object]:
    """Return the cells as Python objects; None for a missing value of any kind."""
    cells = column.astype(object).where(column.notna(), None)
    return [cell.item() if isinstance(cell, np.generic) else cell for cell in cells]
