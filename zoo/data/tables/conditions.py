"""Conditions on the columns of a table, by which rows are selected."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, model_validator

from zoo.data.tables.cells import number
from zoo.errors import InputError

if TYPE_CHECKING:
    from zoo.data.tables.formats.layout import DecimalSign

_CONDITION = re.compile(r"(?P<column>.+?)\s*(?P<sign>>|<=|==)\s*(?P<value>.+)")
_BOUNDS = {">": "above", "<=": "at_most", "==": "equals"}


class Condition(BaseModel):
    """A condition on one column: a number above a bound or at most a bound, or an exact text.

    Parameters
    ----------
    column : str
    above : float, optional
        Exclusive lower bound.
    at_most : float, optional
        Inclusive upper bound.
    equals : str, optional
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    above: float | None = None
    at_most: float | None = None
    equals: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``COLUMN>NUMBER``, ``COLUMN<=NUMBER`` or ``COLUMN==TEXT``.

        Raises
        ------
        InputError
            If the text is none of these.

        Examples
        --------
        >>> Condition.parse("band_gap > 0")
        Condition(column='band_gap', above=0.0, at_most=None, equals=None)
        """
        match = _CONDITION.fullmatch(text.strip())
        try:
            if match is None:
                raise ValueError
            value: float | str = match["value"] if match["sign"] == "==" else float(match["value"])
        except ValueError:
            raise InputError(
                f"--where {text!r}: write COLUMN>NUMBER, COLUMN<=NUMBER or COLUMN==TEXT, in quotation marks"
            ) from None
        return cls.model_validate({"column": match["column"], _BOUNDS[match["sign"]]: value})

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if sum(bound is not None for bound in (self.above, self.at_most, self.equals)) != 1:
            raise ValueError("give one of above, at_most and equals")
        return self

    def __str__(self) -> str:
        if self.equals is not None:
            return f"{self.column}=={self.equals}"
        sign, bound = (">", self.above) if self.above is not None else ("<=", self.at_most)
        return f"{self.column}{sign}{bound:.15g}"

    def holds(self, value: object, decimal: DecimalSign | None = None) -> bool:
        """Return whether a cell meets the condition; a cell that is not a number never meets a numeric one.

        Parameters
        ----------
        value : object
        decimal : {".", ","}, optional
            Decimal sign of numbers that are texts; see :func:`zoo.data.tables.columns.numbers.decimal_in`.
        """
        if self.equals is not None:
            return str(value) == self.equals
        try:
            # The decimal sign is one of texts; a number that a table holds as such has none.
            found = number(value if isinstance(value, str | int | float) else str(value), decimal=decimal)
        except InputError:
            return False
        return found > self.above if self.above is not None else found <= (self.at_most or 0.0)
