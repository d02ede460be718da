"""What a cell says, and what it does not."""

from __future__ import annotations

import math

import pytest

from zoo.data.tables.cells import decimal_sign, identifier, is_missing, number, part
from zoo.errors import InputError


@pytest.mark.parametrize("cell", ["", " ", "NaN", "n/a", "None", None, math.nan])
def test_missing(cell: object) -> None:
    assert is_missing(cell)
    is_word = isinstance(cell, str) and bool(cell.strip())
    assert identifier(cell, 7) == (cell if is_word else "7")
    with pytest.raises(InputError, match=r"^no value$"):
        number(cell)
    with pytest.raises(InputError, match=r"^no value, so the row is neither"):
        part(cell)


@pytest.mark.parametrize(("cell", "value"), [("24", 24.0), (" -1.5e-3 ", -0.0015), (24, 24.0), ("1E3", 1000.0)])
def test_numbers(cell: object, value: float) -> None:
    assert number(cell) == value


@pytest.mark.parametrize("cell", ["24 GPa", "1_000", "1,5", True, "true", [1.0], "0x10", "1.234.5", "½"])
def test_no_numbers(cell: object) -> None:
    with pytest.raises(InputError, match=r"^not a number"):
        number(cell)


def test_other_cells() -> None:
    assert (number("True", yes_or_no=True), number(False, yes_or_no=True)) == (1.0, 0.0)
    assert (identifier(" mp-149 ", 1), identifier(17, 1), identifier("\ud800", 1)) == ("mp-149", "17", "\\ud800")
    assert [identifier(name, 1) for name in ("Na", "NaN", "None", "n/a")] == ["Na", "NaN", "None", "n/a"]
    assert (part("1.0"), part(2), part("test")) == ("1", "2", "test")


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1.24(3)", 1.24), ("-17(2)", -17.0), ("1.24±0.03", 1.24), ("1.24 +/- 0.03", 1.24), ("\u22121.5", -1.5)],
)
def test_numbers_as_they_are_printed(cell: str, value: float) -> None:
    assert number(cell) == value


@pytest.mark.parametrize("cell", ["1.2(0.3)", "1.2 (3)", "(3)", "±0.3", "<5", ">3", "1\u20135", "1.2(3)e5", "1 234"])
def test_what_is_printed_and_is_no_single_number(cell: str) -> None:
    with pytest.raises(InputError, match=r"^not a number"):
        number(cell)


def test_uncertainties_and_decimal_commas() -> None:
    assert decimal_sign(["1,24(3)", "0,5 ± 0,1"]) == ","
    assert number("1,24(3)", decimal=",") == 1.24
