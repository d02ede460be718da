"""Cells of a table → numbers, identifiers and parts of a split."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING

from zoo.data.structures.parse import MISSING
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.data.tables.formats.layout import DecimalSign

NOT_A_NUMBER = "not a number"
A_FORMULA = "a formula without its value; open the table in a spreadsheet program, and save it again"
"""Reasons why a cell holds no target."""

_YES_OR_NO = {"true": 1.0, "false": 0.0}
"""Spellings of a binary property, which is 1 or 0."""

_MINUS = {0x2212: "-", 0x2013: "-"}
_UNCERTAINTY = re.compile(r"(?<=[\d.])(?:\(\d+\)|\s*(?:±|\+/-|\+-)\s*[\d.,]*\d)$")
_POWER = r"(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*" + _POWER)
_GROUPED = {sign: re.compile(rf"[+-]?\d{{1,3}}(?:[{sign}]\d{{3}})+") for sign in ".,"}
"""A number with thousands separated by a sign, up to its decimal sign."""


def is_missing(value: object) -> bool:
    """Return whether a cell is empty or holds a marker for a missing value, such as ``NaN``."""
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_empty(value: object) -> bool:
    """Return whether a cell is empty; in a column of identifiers, ``Na`` and ``None`` are names like any other."""
    return not value.strip() if isinstance(value, str) else is_missing(value)


def number(value: object, *, yes_or_no: bool = False, decimal: DecimalSign | None = None) -> float:
    """Return the number in a cell.

    Parameters
    ----------
    value : object
    yes_or_no : bool
        Whether True and False count as 1 and 0.
    decimal : {".", ","}, optional
        Decimal sign of a text; the other one separates thousands. By default it is a point, and a comma is an error.

    Raises
    ------
    InputError
        With the bare reason, if there is none.
    """
    if is_missing(value):
        raise InputError("no value")
    if yes_or_no and str(value).strip().lower() in _YES_OR_NO:
        return _YES_OR_NO[str(value).strip().lower()]
    if isinstance(value, bool) or not isinstance(value, str | Real | Decimal) or "_" in str(value):
        raise InputError(NOT_A_NUMBER)
    if isinstance(value, str) and value.lstrip().startswith("="):
        raise InputError(A_FORMULA)
    if isinstance(value, str):
        value = _plain(value)
        if decimal:
            value = _with_point(value, decimal)
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise InputError(NOT_A_NUMBER) from None


def decimal_sign(cells: Iterable[object]) -> DecimalSign | None:
    """Return the decimal sign of a column of texts; None if no number has a comma.

    A comma is a decimal sign if one of the numbers cannot be read otherwise (``1,5``, ``0,123``, ``1.234,5``), and
    separates thousands if one cannot be read otherwise (``1,234,567``, ``1,234.5``).

    Raises
    ------
    InputError
        If neither is the case, as with ``1,234`` alone, or both are, or decimal commas stand beside points; with an
        example.

    Examples
    --------
    >>> decimal_sign(["1,5", "1,234", "7"]), decimal_sign(["1,234.5", "17.2"]), decimal_sign(["17.2"])
    (',', '.', None)
    """
    texts = [_plain(cell) for cell in cells if isinstance(cell, str)]
    numbers = [text for text in texts if _NUMBER.fullmatch(text) and (_reads(text, ".") or _reads(text, ","))]
    commas = [text for text in numbers if "," in text]
    if not commas:
        return None
    decimal = next((text for text in commas if _reads(text, ",") and not _reads(text, ".")), None)
    grouped = next((text for text in commas if _reads(text, ".") and not _reads(text, ",")), None)
    pointed = next((text for text in numbers if "." in text and "," not in text), None)
    if decimal and not grouped and not pointed:
        return ","
    if grouped and not decimal:
        return "."
    if decimal and (other := grouped or pointed):
        raise InputError(f"{decimal!r} has a decimal comma and {other!r} a decimal point")
    raise InputError(f"{commas[0]!r} may be {commas[0].replace(',', '.')} or {commas[0].replace(',', '')}")


def _plain(text: str) -> str:
    """Return a number without its uncertainty, as in ``1.24(3)`` and ``1.24 ± 0.03``, and with an ASCII minus sign."""
    return _UNCERTAINTY.sub("", text.strip().translate(_MINUS))


def _reads(text: str, decimal: DecimalSign) -> bool:
    """Return whether a text is a number with this decimal sign and, between thousands, the other one."""
    whole, _, rest = re.split(r"[eE]", text)[0].partition(decimal)
    thousands = "," if decimal == "." else "."
    if decimal in rest or thousands in rest:
        return False
    if thousands in whole:
        return bool(_GROUPED[thousands].fullmatch(whole)) and not whole.lstrip("+-").startswith("0")
    return True


def _with_point(text: str, decimal: DecimalSign) -> str:
    if not _NUMBER.fullmatch(text):
        return text
    if not _reads(text, decimal):
        raise InputError(f"not a number with a decimal {'comma' if decimal == ',' else 'point'}")
    return text.replace("," if decimal == "." else ".", "").replace(",", ".")


def identifier(value: object, row: int) -> str:
    """Return the identifier in a cell, or the row's number if there is none."""
    if is_empty(value):
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
