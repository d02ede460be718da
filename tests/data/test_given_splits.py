"""Splits that a table states: words, numbers of folds, and what cannot be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.data.given_splits import given_splits
from zoo.data.structures.parse import from_arrays
from zoo.data.tables.records import Record
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def records(parts: Sequence[str]) -> list[Record]:
    """One crystal of each element, in turn."""
    return [
        Record(f"r{row}", from_arrays([row % 90 + 1], np.eye(3) * 3, [0, 0, 0]), 1.0, row + 1, "k.csv", part)
        for row, part in enumerate(parts)
    ]


def test_words_give_the_same_test_rows_to_every_seed() -> None:
    rows = records(["Test", "train", "training", "TRAIN"] * 10)
    splits = given_splits(rows, "split", seeds=range(3))
    assert [split.seed for split in splits] == [0, 1, 2]
    for split in splits:
        assert split.test.tolist() == list(range(0, 40, 4))
        assert sorted([*split.train, *split.val, *split.test]) == list(range(40))
        assert (len(split.val), split.fold) == (4, "")
    assert set(splits[0].val) != set(splits[1].val)
    again = given_splits(rows, "split", seeds=[1])[0]
    assert again.train.tolist() == splits[1].train.tolist()


def test_named_validation_rows_are_taken() -> None:
    rows = records(["test", "train", "valid", "train"] * 5)
    for split in given_splits(rows, "set", seeds=range(2)):
        assert split.val.tolist() == list(range(2, 20, 4))
        assert sorted(split.train) == sorted([*range(1, 20, 4), *range(3, 20, 4)])


def test_each_fold_is_the_test_set_once() -> None:
    rows = records([str(10 - row % 3) for row in range(30)])
    splits = given_splits(rows, "fold", seeds=[5])
    assert [split.fold for split in splits] == ["8", "9", "10"]
    assert [split.label for split in splits] == ["fold 8", "fold 9", "fold 10"]
    assert [split.seed for split in splits] == [5, 6, 7]
    assert sorted(row for split in splits for row in split.test) == list(range(30))
    for split in splits:
        assert {rows[row].part for row in split.test} == {split.fold}
        assert sorted([*split.train, *split.val, *split.test]) == list(range(30))


def test_validation_rows_that_are_drawn_share_no_composition_with_training_rows() -> None:
    rows = records(["train"] * 180 + ["test"] * 10)  # every element of the first ninety twice
    (split,) = given_splits(rows, "split", seeds=[0], how="composition", val=0.2)
    formulas = [{rows[row].crystal.formula for row in part} for part in (split.train, split.val)]
    assert not formulas[0] & formulas[1]


def test_fewer_training_rows_on_the_same_test_rows() -> None:
    rows = records(["test", "train", "train", "train"] * 20)
    (split,) = given_splits(rows, "split", seeds=[0], n_train=12)
    (whole,) = given_splits(rows, "split", seeds=[0])
    assert split.train.tolist() == whole.train[:12].tolist()
    assert split.test.tolist() == whole.test.tolist()
    with pytest.raises(InputError, match=r"--n-train 70: .*52 training rows"):
        given_splits(rows, "split", seeds=[0], n_train=70)


@pytest.mark.parametrize(
    ("parts", "seeds", "message"),
    [
        (["3"] * 20, 1, "--split-column s: all rows are of one fold, 3; at least two folds are needed"),
        (["0", "1"] * 10, 5, "--seeds 5: the column s has 2 folds, and each is tested once; leave out --seeds"),
        ([str(n) for n in range(101)], 1, "--split-column s: 101 different numbers are not those of folds"),
        (
            ["train", "test", "holdout", "spare"] * 5,
            1,
            "k.csv row 3, column s = 'holdout' and 9 more rows: write train, val or test, or in all rows the number",
        ),
        (["1", "2", "train", "test"] * 5, 1, "k.csv row 1, column s = '1' and 9 more rows: write train, val or test"),
        (["train"] * 20, 1, "--split-column s: no usable row is a test row"),
        (["test", "val"] * 10, 1, "--split-column s: no usable row is a train row"),
        (["test"] * 18 + ["train"] * 2, 1, "20 usable rows, 18 of them test rows: too few to train on"),
    ],
)
def test_what_cannot_be_meant_is_one_line(parts: list[str], seeds: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        given_splits(records(parts), "s", seeds=range(seeds))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_flags_of_test_rows_are_not_two_folds() -> None:
    rows = records(["1", "0", "0", "0"] * 5)
    with pytest.raises(InputError, match="its 0 and 1 seem to mark test or training rows"):
        given_splits(rows, "is_test", seeds=[0])
    assert [split.fold for split in given_splits(rows, "fold", seeds=[0])] == ["0", "1"]
