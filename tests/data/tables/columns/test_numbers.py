"""Decimal commas: found where there is no doubt, refused where there is; no number is ever read in the other way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from support.rocksalt import BULK, FRAME, assert_rock_salt

from zoo.data.tables.columns.numbers import decimal_in
from zoo.data.tables.formats.layout import Layout
from zoo.data.tables.readers import open_table
from zoo.data.tables.records import Record
from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.registry.contracts import Requirement, Task

if TYPE_CHECKING:
    from pathlib import Path


def targets(values: list[str], layout: Layout = Layout()) -> list[float | str | None]:  # noqa: B008
    """What is read of a column of texts: a number, or the reason why there is none."""
    frame = pd.concat([FRAME.head(1)] * len(values), ignore_index=True)
    frame = frame.assign(material_id=[f"m{i}" for i in range(len(values))], K_VRH=values)
    table = read_table(frame, Task("k", "K_VRH", "GPa"), layout=layout, max_rejected=1.0)
    found = sorted([*table.records, *table.rejected], key=lambda each: each.row or 0)
    return [each.target if isinstance(each, Record) else each.reason for each in found]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_table_of_excel_in_german(tmp_path: Path, separator: str) -> None:
    FRAME.to_csv(tmp_path / "k.csv", sep=separator, decimal=",", index=False)
    table = read_table(tmp_path / "k.csv", BULK)
    assert_rock_salt(table.records)
    assert table.notes == ("k.csv: numbers with decimal commas in column K_VRH",)


def test_decimal_commas_where_there_is_no_doubt() -> None:
    assert targets(["1,5", "1,234", "7", "-0,25", "1,5e3"]) == [1.5, 1.234, 7.0, -0.25, 1500.0]
    assert targets(["0,123"]) == [0.123]
    assert targets(["1.234,5", "12,5"]) == [1234.5, 12.5]


def test_commas_between_thousands_where_there_is_no_doubt() -> None:
    assert targets(["1,234.5", "12.5", "1,000"]) == [1234.5, 12.5, 1000.0]
    assert targets(["1,234,567", "1,234"]) == [1234567.0, 1234.0]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["1,234"], "'1,234' may be 1.234 or 1234"),
        (["1,234", "17"], "'1,234' may be 1.234 or 1234"),
        (["1,234", "17.5"], "'1,234' may be 1.234 or 1234"),
        (["1,5", "17.5"], "'1,5' has a decimal comma and '17.5' a decimal point"),
        (["1,5", "1.234"], "'1,5' has a decimal comma and '1.234' a decimal point"),
        (["1,5", "1,234.5"], "'1,5' has a decimal comma and '1,234.5' a decimal point"),
    ],
)
def test_doubt_is_an_error(values: list[str], reason: str) -> None:
    with pytest.raises(InputError) as error:
        targets(values)
    assert str(error.value) == f"DataFrame: column 'K_VRH': {reason}; say which with --decimal"


def test_the_sign_can_be_told() -> None:
    comma, point = Layout(decimal=","), Layout(decimal=".")
    assert targets(["1,234", "17", "2,5"], comma) == [1.234, 17.0, 2.5]
    assert targets(["1,234", "17", "2.5"], point) == [1234.0, 17.0, 2.5]
    assert targets(["1,5", "17.5"], comma) == [1.5, "not a number with a decimal comma"]
    assert targets(["1,5", "17.5"], point) == ["not a number with a decimal point", 17.5]
    assert targets(["1.234", "1.234.567,8"], comma) == [1234.0, 1234567.8]


def test_a_comma_that_comes_late_is_no_number() -> None:
    """The first rows tell that there is none; nothing is read as something else."""
    assert targets([*["1.5"] * 250, "1,234", "1,5"])[-2:] == ["not a number", "not a number"]
    assert targets(["1,2,3", "a,b", "1.5"]) == ["not a number", "not a number", 1.5]


def test_numbers_of_files_that_keep_them_as_numbers() -> None:
    assert decimal_in(open_table(pd.DataFrame({"a": [1.5, 2.0]})), "a") is None
    assert decimal_in(open_table(pd.DataFrame({"a": ["1,5", None, 2.0]})), "a") == ","


def test_columns_that_select_rows_are_read_in_the_same_way() -> None:
    task = Task("k", "K_VRH", "GPa", requires=Requirement("gap", 0.5))
    frame = FRAME.assign(gap=["0,4", "0,6", "1,5", "0"])
    assert [record.id for record in read_table(frame, task).records] == ["KCl", "MgO"]
    with pytest.raises(InputError, match="column 'gap': '1,234' may be"):
        read_table(frame.assign(gap="1,234"), task)
