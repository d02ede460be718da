"""Cells of a table → numbers, identifiers and parts of a split."""

from __future__ import annotations

import math

from zoo.data.structures.parse import MISSING
from zoo.errors import InputError

_YES_OR_NO = {"true": 1.0, "false": 0.0}
"""Spellings of a binary property, which is 1 or 0."""


def is_missing(value: object) -> bool:
    """Return whether a cell is empty or holds a marker for a missing value, such as ``NaN``."""
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))


def number(value: object, *, yes_or_no: bool = False) -> float:
    """Return the number in a cell.

    Parameters
    ----------
    value : object
    yes_or_no : bool
        Whether True and False count as 1 and 0.

    Raises
    ------
    InputError
        With the bare reason, if there is none.
    """
    if is_missing(value):
        raise InputError("no value")
    if yes_or_no and str(value).strip().lower() in _YES_OR_NO:
        return _YES_OR_NO[str(value).strip().lower()]
    if isinstance(value, bool) or not isinstance(value, str | int | float) or "_" in str(value):
        raise InputError("not a number")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise InputError("not a number") from None


def identifier(value: object, row: int) -> str:
    """Return the identifier in a cell, or the row's number if there is none."""
    if is_missing(value):
        return str(row)
    # Half a surrogate pair, which JSON can spell, is in no file in UTF-8.
    return str(value).strip().encode(errors="backslashreplace").decode()


def part(value: object) -> str:
    """Return what a row is for; the number of a fold as a whole number, however the table's format keeps it.

    Raises
    ------
    InputError
        If there is no value.
    """
    if is_missing(value):
        raise InputError("no value, so the row is neither a training nor a test row")
    text = str(value).strip()
    try:
        fold = float(text)
    except ValueError:
        return text
    return str(int(fold)) if fold.is_integer() else text
