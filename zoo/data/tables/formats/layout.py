"""What a user says about the layout of a table that it does not tell itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DecimalSign = Literal[".", ","]


@dataclass(frozen=True)
class Layout:
    """The layout of a table, as far as it is told.

    Parameters
    ----------
    id : str or None
        Column of the identifiers.
    structure : str or None
        Column of the structures, or of names of structure files.
    sheet : str or None
        Sheet of an Excel workbook.
    decimal : {".", ","} or None
        Decimal sign of numbers that are texts; the other one then separates thousands.
    """

    id: str | None = None
    structure: str | None = None
    sheet: str | None = None
    decimal: DecimalSign | None = None
