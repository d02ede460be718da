"""Crystals and targets → records, and errors that name positions."""

from __future__ import annotations

import decimal

import numpy as np
import pandas as pd
import pytest

from zoo.errors import InputError, InvalidDataError
from zoo.jobs.estimators import rows
from zoo.testing import crystals

STRUCTURES = list(crystals().values())[:4]


def filled(structures: list[object]) -> pd.Series:
    return pd.Series(structures, dtype=object)


def test_rows_are_named_as_a_table_would_name_them() -> None:
    def ids(given: object) -> list[str]:
        return [record.id for record in rows.read(given, "raise")[0]]

    numbers = ["1", "2", "3", "4"]
    assert ids(STRUCTURES) == ids(filled(STRUCTURES)) == numbers
    assert ids(iter(STRUCTURES)) == numbers
    assert ids(filled(STRUCTURES).iloc[1:]) == numbers[:3]  # row labels that are numbers are no identifiers
    assert ids(filled(STRUCTURES).set_axis(list("abcd"))) == list("abcd")
    assert ids(dict(zip("abcd", STRUCTURES, strict=True))) == list("abcd")
    assert ids(filled(STRUCTURES).set_axis(list("aacd"))) == numbers  # not unique


def test_crystals_that_cannot_be_used_are_skipped_on_request() -> None:
    with pytest.warns(UserWarning, match="1 of 4 structures skipped: structure 1: "):
        records, skipped = rows.read([STRUCTURES[0], "no crystal", *STRUCTURES[1:3]], "skip")
    assert [record.row for record in records] == [1, 3, 4]
    assert list(skipped) == [1]
    with pytest.raises(InputError, match="there are no crystals"):
        rows.read([], "raise")
    with pytest.warns(UserWarning, match="1 of 1"), pytest.raises(InputError, match="none of the crystals can be used"):
        rows.read(["no crystal"], "skip")


@pytest.mark.parametrize(
    "given",
    [
        [1, 2],
        (1.0, 2.0),
        np.array([1, 2]),
        np.array([[1], [2]]),
        pd.Series([1, 2], index=[7, 9]),
        pd.Series([1, 2], dtype="Int64"),
    ],
)
@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_targets_come_in_any_column(given: object) -> None:
    assert rows.column(iter([1, 2]), "E") == [1, 2]
    assert [rows.number(value) for value in rows.column(given, "E")] == [1.0, 2.0]


def test_targets_in_several_columns_are_refused() -> None:
    with pytest.raises(InputError, match=r"y has the shape \(2, 2\); give one target for each crystal"):
        rows.column([[1, 2], [3, 4]], "E")
    with pytest.raises(InputError, match="E requires y to be passed, but the target y is None"):
        rows.column(None, "E")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "no value"),
        (None, "no value"),
        (pd.NA, "no value"),
        (float("inf"), "infinity is not a target"),
        ("12.5", "a str is not a number"),
        (True, "a bool is not a number"),
        (1 + 2j, "Complex data not supported"),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(value: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        rows.number(value)
    assert rows.number(decimal.Decimal("12.5")) == 12.5


def test_rows_without_a_target_are_named_by_position() -> None:
    records, _ = rows.read(STRUCTURES, "raise")
    values: list[float | InputError] = [1.0, InputError("no value"), 2.0, InputError("no value")]
    targets = rows.Targets("y", values, [1.0, np.nan, 2.0, None], {})
    usable, problems = targets.given_to(records, 4, ["a", "a", "b", "b"])
    assert [(record.target, record.group) for record in usable] == [(1.0, "a"), (2.0, "b")]
    with pytest.raises(InputError, match=r"^row 1: y = nan: no value; likewise row 3$"):
        rows.refuse_or_skip(problems, 4, "raise")
    with pytest.warns(UserWarning, match=r"^2 of 4 rows skipped: row 1: y = nan: no value; row 3: y = None"):
        rows.refuse_or_skip(problems, 4, "skip")
    rows.refuse_or_skip({}, 4, "raise")


def test_lengths_are_compared() -> None:
    records, _ = rows.read(STRUCTURES, "raise")
    with pytest.raises(InputError, match="X has 4 crystals and y has 3 values"):
        rows.Targets("y", [1.0, 2.0, 3.0], [1, 2, 3], {}).given_to(records, 4)
    with pytest.raises(InputError, match="X has 4 crystals and groups has 1 value"):
        rows.Targets("y", [1.0] * 4, [1] * 4, {}).given_to(records, 4, ["a"])
    usable, problems = rows.Targets("y", [1.0] * 4, [1] * 4, {}).given_to(records, 4, pd.Series(["a", None, 2, np.nan]))
    assert [record.group for record in usable] == ["a", "2"]
    assert problems == {1: "group = None: no value", 3: "group = nan: no value"}


def test_errors_are_in_the_words_of_python() -> None:
    """Not in those of the command line, whose options they are."""
    for said, message in [
        ("--max-rejected 2: too many", "max_rejected 2: too many"),
        ("leave out --mode, and --seed 3", "leave out mode, and random_state 3"),
        ("Fe--O at -0.5--0.2 eV", "Fe--O at -0.5--0.2 eV"),
    ]:
        with pytest.raises(InvalidDataError) as caught, rows.value_errors():
            raise InputError(said)
        assert str(caught.value) == message


def test_errors_of_estimators_are_value_errors_as_well() -> None:
    with pytest.raises(ValueError, match="what") as caught, rows.value_errors():
        raise InputError("what")
    assert isinstance(caught.value, InvalidDataError)
    with pytest.raises(InvalidDataError) as again, rows.value_errors():
        raise caught.value
    assert again.value is caught.value
