"""What a cell says, and what it does not."""

from __future__ import annotations

import math

import pytest

from zoo.data.tables.cells import identifier, is_missing, number, part
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
