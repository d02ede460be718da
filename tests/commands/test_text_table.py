"""Tables as text of a given width."""

from __future__ import annotations

import doctest
import re

import pytest

from zoo.commands import text_table
from zoo.commands.text_table import lay_out

HEADER = ["method", "MAE log10", "MAE (GPa)", "R²", "MAE log10 against scratch", "p"]
ROWS = [
    ["multi-113k (blend)", "0.0828 ± 0.0052 (1.21×)", "12.3 ± 0.8", "0.91", "-20.0 %", "< 0.0001"],
    ["from scratch", "0.1035 ± 0.01 (1.27×)", "100.25 ± 1.2", "0.8512", "", ""],
    ["mean", "0.3", "1,200", "-0.01", "+189.9 %", "0.031"],
]
DROP = ["R²", "MAE (GPa)", "p", "MAE log10 against scratch"]


def words(lines: list[str]) -> set[str]:
    return {word for line in lines for word in line.split()}


def test_examples() -> None:
    assert doctest.testmod(text_table).failed == 0


@pytest.mark.parametrize("width", [50, 60, 80, 100, 120, 200])
def test_every_width_is_kept_and_no_word_is_broken(width: int) -> None:
    table = lay_out(HEADER, ROWS, width, keep=["method"], drop=DROP)
    lines = [*table.header, *table.body]
    assert max(map(len, lines)) <= width
    whole = {word for row in [HEADER, *ROWS] for cell in row for word in cell.split()}
    assert words(lines) - {table.header[-1]} <= whole
    assert table.left_out == DROP[: len(table.left_out)]  # the least important goes first
    assert len(table.body) == len(ROWS)


def test_columns_go_only_if_a_broken_header_does_not_help() -> None:
    assert lay_out(HEADER, ROWS, 200, drop=DROP).left_out == []
    table = lay_out(HEADER, ROWS, 104, drop=DROP)
    assert table.left_out == []
    assert len(table.header) > 2
    assert lay_out(HEADER, ROWS, 60, drop=DROP).left_out == ["R²", "MAE (GPa)", "p"]


def test_numbers_stand_below_each_other() -> None:
    table = lay_out(HEADER, ROWS, 200)
    for sign, count in (("±", 2), ("×", 2)):
        assert len({line.index(sign) for line in table.body if sign in line}) == 1
        assert sum(sign in line for line in table.body) == count
    gains = [line.index(".0 %") if ".0 %" in line else line.index(".9 %") for line in table.body if " %" in line]
    assert len(set(gains)) == 1
    counts = lay_out(["rows"], [["54,000"], ["900"], ["< 5"]]).body
    assert counts == ["54,000", "   900", "   < 5"]


def test_two_spaces_separate_columns_for_programs() -> None:
    table = lay_out(HEADER, ROWS)
    for row, line in zip(ROWS, table.body, strict=True):
        assert re.split("  +", line) == [cell for cell in row if cell]


@pytest.mark.parametrize("cell", ["851 test rows, pbe", "mp-149", "Si2", "", "1 of 3 files"])
def test_what_is_no_number_stays_as_it_is(cell: str) -> None:
    assert lay_out(["a"], [[cell], ["12,000 validation rows"]]).body[0] == cell


def test_text_is_broken_between_words_and_a_long_word_at_underscores() -> None:
    row = ["weights", "bundled, of formation_energy_per_atom and band_gap"]
    assert lay_out(["", ""], [row], 34).body == [
        "weights  bundled, of",
        "         formation_energy_per_atom",
        "         and band_gap",
    ]
    assert lay_out(["", ""], [row], 26).body[1:3] == ["         formation_energy_", "         per_atom and"]
    assert max(map(len, lay_out(["", ""], [row], 10).body)) <= 21  # no narrower than ten characters a column


def test_kept_columns_stay_whole() -> None:
    row = ["hf://ada/a-long-name-of-a-model", "some words of a note"]
    table = lay_out(["reference", "note"], [row], 40, keep=["reference"])
    assert table.body[0].startswith(row[0])
    assert len(table.body) > 1


def test_wide_characters_count_twice() -> None:
    assert lay_out(["", ""], [["結晶", "x"], ["abcd", "y"]]).body == ["結晶  x", "abcd  y"]


def test_a_table_without_rows_or_header() -> None:
    assert lay_out(["a", "b"], []).body == []
    assert lay_out(["", ""], [("x", "y")]).header == []
