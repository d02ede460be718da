"""Conditions on columns: as text and as what they hold for."""

from __future__ import annotations

import pytest

from zoo.data.tables.conditions import Condition
from zoo.errors import InputError


def test_conditions_as_text() -> None:
    assert Condition.parse("band_gap <= 0.5") == Condition(column="band_gap", at_most=0.5)
    assert Condition.parse("source==pbe") == Condition(column="source", equals="pbe")
    assert str(Condition.parse("band_gap > 0")) == "band_gap>0"
    for text in ("band_gap", "band_gap>x", ">3"):
        with pytest.raises(InputError, match="write COLUMN>NUMBER"):
            Condition.parse(text)


def test_a_number_has_no_decimal_comma() -> None:
    """The decimal sign of a column is that of its texts: 1.234 beside "1,5" is not 1234."""
    above = Condition(column="band_gap", above=2)
    assert [above.holds(value, ",") for value in (1.234, 2.5, "1,5", "2,5", "1.234")] == [
        False,
        True,
        False,
        True,
        True,
    ]
