"""Splits given in a column of a table, either as train/val/test or as fold numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.wording import counted
from zoo.data.splits import Split, divide, shortened
from zoo.data.tables.records import shorten
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.data.splits import How
    from zoo.data.tables.records import Record

TRAIN, TEST = "train", "test"

WORDS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": TEST,
    "testing": TEST,
}
"""Accepted words in a split column (case-insensitive)."""

MAX_FOLDS = 100
"""Maximum number of folds in a split column."""


def given_splits(
    records: Sequence[Record],
    column: str,
    *,
    seeds: Sequence[int],
    how: How = "random",
    val: float = 0.1,
    n_train: int | None = None,
    stratify: bool = False,
) -> list[Split]:
    """Return the splits defined by ``Record.part``.

    If the parts are words (train, test and optionally val; see `WORDS`), there is one split per seed, all with the same
    test rows. Validation rows are those given or, if there are none, drawn from the training rows with the seed. If the
    parts are whole numbers, each number is a fold, and there is one split per fold with that fold as the test set.

    Parameters
    ----------
    records : sequence of Record
    column : str
        Name of the column, for error messages.
    seeds : sequence of int
        For folds, only the first seed is used, and fold k has that seed plus k.
    how : {"random", "composition", "chemsys"}
        Grouping by which randomly drawn validation rows are kept separate from training rows.
    val : float
        Fraction of all rows for validation.
    n_train : int, optional
        Number of training rows; by default all.
    stratify : bool
        As in :func:`zoo.data.splits.make_split`.

    Raises
    ------
    InputError
        If a cell is neither an accepted word nor a whole number, or if there are too few folds, training or test rows.
    """
    parts = [record.part for record in records]
    if all(part.removeprefix("-").isdecimal() for part in parts):
        return _fold_splits(records, column, seeds=seeds, how=how, val=val, n_train=n_train, stratify=stratify)
    words = [WORDS.get(part.lower(), "") for part in parts]
    unknown = [record for record, word in zip(records, words, strict=True) if not word]
    if unknown:
        first = unknown[0]
        more = f" and {len(unknown) - 1} more rows" if len(unknown) > 1 else ""
        raise InputError(
            f"{first.file} row {first.row}, column {column} = {shorten(first.part)!r}{more}: write train, val or test, "
            "or in all rows the number of a fold"
        )
    train, validation, test = (
        np.array([row for row, word in enumerate(words) if word == name], dtype=np.int64)
        for name in (TRAIN, "val", TEST)
    )
    for name, rows in ((TRAIN, train), (TEST, test)):
        if not len(rows):
            raise InputError(f"--split-column {column}: no usable row is a {name} row")
    options = {"how": how, "val": val, "n_train": n_train, "stratify": stratify}
    if not len(validation):
        return [divide(records, test, seed=seed, **options) for seed in seeds]  # type: ignore[arg-type]
    if len(train) < 2:
        raise InputError(f"--split-column {column}: {counted(len(train), 'training row')} are too few")
    return [
        shortened(
            Split(seed, train[np.random.default_rng([seed, 1]).permutation(len(train))], validation, test), n_train
        )
        for seed in seeds
    ]


def _fold_splits(
    records: Sequence[Record],
    column: str,
    *,
    seeds: Sequence[int],
    how: How,
    val: float,
    n_train: int | None,
    stratify: bool,
) -> list[Split]:
    names = sorted({record.part for record in records}, key=int)
    if len(names) == 1:
        raise InputError(
            f"--split-column {column}: all rows are of one fold, {names[0]}; at least two folds are needed"
        )
    if set(names) == {"0", "1"} and re.search(r"test|train|hold|val", column.lower()):
        raise InputError(
            f"--split-column {column}: its 0 and 1 seem to mark test or training rows, and whole numbers are folds; "
            "write train and test"
        )
    if len(names) > MAX_FOLDS:
        raise InputError(
            f"--split-column {column}: {len(names):,} different numbers are not those of folds (at most {MAX_FOLDS})"
        )
    if len(seeds) > 1:
        raise InputError(
            f"--seeds {len(seeds)}: the column {column} has {len(names)} folds, and each is tested once; leave out "
            "--seeds"
        )
    folds = {name: np.flatnonzero([record.part == name for record in records]) for name in names}
    return [
        divide(records, rows, seed=seeds[0] + index, how=how, val=val, n_train=n_train, fold=name, stratify=stratify)
        for index, (name, rows) in enumerate(folds.items())
    ]


def with_part(records: Sequence[Record], part: str) -> list[Record]:
    """Return copies of the records with the given part."""
    return [replace(record, part=part) for record in records]
