"""Splits are disjoint, complete, nested, reproducible, and keep groups together."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from zoo.data.splits import How, cut_folds, divide, make_split
from zoo.data.structures.parse import from_arrays
from zoo.data.tables.records import Record
from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.registry.contracts import Task

HOWS: tuple[How, ...] = ("random", "composition", "chemsys")


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """The 1,181 elastic crystals, many of them polymorphs or of one chemical system."""
    path = Path(__file__).parents[2] / "examples" / "bulk_modulus.csv"
    return read_table(path, Task("bulk-modulus", "K_VRH", "GPa")).records


def few(n: int) -> list[Record]:
    """`n` crystals, of the first `n` elements."""
    return [
        Record(f"r{z}", from_arrays([z], np.eye(3) * 3, [0, 0, 0]), float(z), z, "data.csv") for z in range(1, n + 1)
    ]


@pytest.mark.parametrize("how", HOWS)
def test_disjoint_and_complete(records: list[Record], how: How) -> None:
    split = make_split(records, seed=3, how=how)
    rows = np.concatenate([split.train, split.val, split.test])
    assert sorted(rows) == list(range(1181))
    assert {split.train.dtype, split.val.dtype, split.test.dtype} == {np.dtype(np.int64)}
    for part in (split.val, split.test):
        assert len(part) == pytest.approx(118, abs=0 if how == "random" else 10)


def test_fractions(records: list[Record]) -> None:
    split = make_split(records, seed=0, test=0.2, val=0.05)
    assert (len(split.test), len(split.val), len(split.train)) == (236, 59, 886)


@pytest.mark.parametrize("how", HOWS)
def test_same_seed_same_split_whatever_the_order_of_rows(records: list[Record], how: How) -> None:
    split = make_split(records, seed=1, how=how, n_train=200)
    shuffled = [records[i] for i in np.random.default_rng(9).permutation(len(records))]
    assert make_split(shuffled, seed=1, how=how, n_train=200).as_ids(shuffled) == split.as_ids(records)


def test_seeds_differ(records: list[Record]) -> None:
    tests = [set(make_split(records, seed=seed).test) for seed in range(5)]
    overlaps = [len(a & b) for a, b in combinations(tests, 2)]
    assert max(overlaps) < 40  # a tenth of 118 is expected


@pytest.mark.parametrize("how", HOWS)
def test_training_and_validation_rows_are_nested_and_test_rows_stay(records: list[Record], how: How) -> None:
    splits = [make_split(records, seed=2, how=how, n_train=n) for n in (1, 50, 100, 500)]
    splits.append(make_split(records, seed=2, how=how))
    assert [len(split.train) for split in splits[:-1]] == [1, 50, 100, 500]
    for small, large in pairwise(splits):
        assert list(large.train[: len(small.train)]) == list(small.train)
        assert list(large.test) == list(small.test)
        assert list(large.val[: len(small.val)]) == list(small.val)
    # 20 rows, or a fifth of the training rows, but never more than the part has.
    full = len(splits[-1].val)
    assert [len(split.val) for split in splits] == [20, 20, 20, min(100, full), full]


def test_the_test_part_does_not_depend_on_the_validation_part(records: list[Record]) -> None:
    assert list(make_split(records, seed=4, val=0.3).test) == list(make_split(records, seed=4, val=0.02).test)


def test_a_subset_is_not_sorted_by_group(records: list[Record]) -> None:
    """The first training rows are drawn from the whole pool, so that their mean is that of the pool."""
    split = make_split(records, seed=0, how="chemsys", n_train=300)
    pool = make_split(records, seed=0, how="chemsys").train
    targets = np.array([record.target for record in records], dtype=float)
    spread = targets[pool].std() / np.sqrt(300)
    assert abs(targets[split.train].mean() - targets[pool].mean()) < 3 * spread
    assert list(split.train) != sorted(split.train)


@pytest.mark.parametrize("how", ["composition", "chemsys"])
def test_groups_stay_together(records: list[Record], how: How) -> None:
    def groups(rows: np.ndarray, kind: str) -> set[str]:
        return {getattr(records[row].crystal, {"composition": "formula"}.get(kind, kind)) for row in rows}

    split = make_split(records, seed=5, how=how)
    for a, b in combinations([split.train, split.val, split.test], 2):
        assert not groups(a, how) & groups(b, how)
    # The same data, split by rows, do straddle: the assertion above could fail.
    split = make_split(records, seed=5)
    assert groups(split.train, how) & groups(split.test, how)


def test_groups_of_the_user_stay_together(records: list[Record]) -> None:
    grouped = [replace(record, group=f"batch {row % 30}") for row, record in enumerate(records[:300])]
    of = np.arange(300) % 30
    for rows in cut_folds(grouped, np.arange(300), seed=2):
        assert len(rows) == 60
        assert len(set(of[rows])) == 6
    split = make_split(grouped, seed=1)
    assert not set(of[split.test]) & set(of[split.train])


def test_identifiers_for_the_record(records: list[Record]) -> None:
    split = make_split(records, seed=0, n_train=50)
    ids = split.as_ids(records)
    assert list(ids) == ["train", "validation", "test"]
    assert [len(part) for part in ids.values()] == [50, 20, 118]
    assert ids["test"][0] == records[split.test[0]].id


def test_known_split() -> None:
    """A split of this version, so that a change of the algorithm or of numpy's streams shows."""
    assert make_split(few(20), seed=7, n_train=5).as_ids(few(20)) == {
        "train": ["r16", "r13", "r6", "r2", "r18"],
        "validation": ["r20", "r3"],
        "test": ["r12", "r17"],
    }


def test_smallest_table() -> None:
    split = make_split(few(10), seed=0)
    assert [len(part) for part in (split.train, split.val, split.test)] == [8, 1, 1]
    with pytest.raises(InputError, match="9 usable rows are too few to split; at least 10 are needed"):
        make_split(few(9), seed=0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n_train": 946}, "--n-train 946: only 945 training rows are left after 118 validation and 118 test rows"),
        ({"n_train": 0}, "--n-train 0: only 945 training rows are left after 118 validation and 118 test rows"),
        ({"test": 0.5, "val": 0.5}, "a test part of 0.5 and a validation part of 0.5 leave nothing to train on"),
        ({"test": 0.0}, "a test part of 0 and a validation part of 0.1 leave nothing to train on"),
        ({"val": float("nan")}, "a test part of 0.1 and a validation part of nan leave nothing to train on"),
        ({"seed": -1}, "--seed -1 is negative"),
        ({"how": "time"}, "--split time: choose random, composition or chemsys"),
    ],
)
def test_bad_options(records: list[Record], options: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError) as error:
        make_split(records, **{"seed": 0, **options})  # type: ignore[arg-type]
    assert str(error.value) == reason


def test_too_few_groups() -> None:
    silicon = [Record(f"s{i}", from_arrays([14], np.eye(3) * 3, [0, 0, 0]), 1.0, i, "") for i in range(20)]
    with pytest.raises(InputError, match=r"too few compositions \(1\) for a training, a validation and a test part"):
        make_split(silicon, seed=0, how="composition")
    with pytest.raises(InputError, match=r"too few chemical systems \(2\)"):
        make_split([*silicon, *few(1)], seed=0, how="chemsys")


def classified(records: list[Record], classes: np.ndarray) -> list[Record]:
    return [replace(record, target=float(each)) for record, each in zip(records, classes, strict=True)]


@pytest.fixture(scope="module")
def rare(records: list[Record]) -> list[Record]:
    """Three classes by bulk modulus, of which the stiffest holds 2 % of the crystals."""
    stiff = np.array([record.target for record in records])
    return classified(records, np.digitize(stiff, np.quantile(stiff, [0.7, 0.98])))


def shares(records: list[Record], rows: np.ndarray) -> np.ndarray:
    return np.bincount([int(records[row].target) for row in rows], minlength=3)


@pytest.mark.parametrize("seed", range(3))
def test_each_part_has_its_share_of_every_class(rare: list[Record], seed: int) -> None:
    split = make_split(rare, seed=seed, n_train=200, stratify=True)
    everyone = shares(rare, np.arange(len(rare))) / len(rare)
    for rows in (split.train, split.test, split.train[:100]):
        assert np.abs(shares(rare, rows) - everyone * len(rows)).max() < 2.1  # a class ends anywhere in two parts
    folds = cut_folds(rare, split.train, seed=seed, folds=7, stratify=True)
    assert sorted(np.concatenate(folds)) == sorted(split.train)
    for counts in np.transpose([shares(rare, fold) for fold in folds]):
        assert np.ptp(counts) <= 1
    assert np.ptp([len(fold) for fold in folds]) <= 3
    given = divide(rare, split.test, seed=seed, stratify=True)
    assert np.abs(shares(rare, given.val) - everyone * len(given.val)).max() < 2.1


def test_classes_are_spread_over_groups_as_far_as_possible(rare: list[Record]) -> None:
    split = make_split(rare, seed=0, how="chemsys", stratify=True)
    everyone = shares(rare, np.arange(len(rare))) / len(rare)
    assert np.abs(shares(rare, split.test) / len(split.test) - everyone).max() < 0.05
    systems = [{rare[row].crystal.chemsys for row in rows} for rows in (split.train, split.val, split.test)]
    assert not any(one & other for one, other in combinations(systems, 2))
    folds = cut_folds(rare, np.arange(len(rare)), seed=0, how="chemsys", stratify=True)
    assert min(shares(rare, fold)[2] for fold in folds) >= 2
    apart = [{rare[row].crystal.chemsys for row in fold} for fold in folds]
    assert not any(one & other for one, other in combinations(apart, 2))


def test_two_rows_of_a_class_are_never_both_test_rows(records: list[Record]) -> None:
    pair = classified(records[:100], np.arange(100) >= 98)
    for seed in range(20):
        assert shares(pair, make_split(pair, seed=seed, stratify=True).train)[1] >= 1


def test_stratified_splits_do_not_depend_on_the_order_of_rows_or_classes(rare: list[Record]) -> None:
    split = make_split(rare, seed=1, stratify=True)
    again = make_split(rare[::-1], seed=1, stratify=True)
    assert {rare[row].id for row in split.test} == {rare[::-1][row].id for row in again.test}
    smaller = make_split(rare, seed=1, n_train=100, stratify=True)
    assert list(smaller.train) == list(split.train[:100])
    assert list(smaller.test) == list(split.test)
