"""The decimal sign of a column of numbers that are texts."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from zoo.data.tables.cells import decimal_sign
from zoo.errors import InputError

if TYPE_CHECKING:
    from zoo.data.tables.formats.layout import DecimalSign
    from zoo.data.tables.formats.reader import TableReader

_SAMPLED = 200


def decimal_in(source: TableReader, column: str, told: DecimalSign | None = None) -> DecimalSign | None:
    """Return the decimal sign of a column; None if no number in its first rows has a comma.

    If one has, the whole column decides.

    Raises
    ------
    InputError
        If the numbers can be read in two ways and the sign is not told.
    """
    if told is not None:
        return told
    cells = (row.cells.get(column) for row in source.rows([column], None))
    if not any(isinstance(cell, str) and "," in cell for cell in islice(cells, _SAMPLED)):
        return None
    try:
        return decimal_sign(row.cells.get(column) for row in source.rows([column], None))
    except InputError as error:
        raise InputError(f"{source.path}: column {column!r}: {error}; say which with --decimal") from None
