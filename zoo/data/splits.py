"""Seeded splits of records into training, validation and test rows.

The split depends only on the identifiers and the seed, not on the order of rows in a file. The test rows do not depend
on the number of training rows, and a smaller training set is a subset of a larger one, so the points of a learning
curve can be compared.

Splits of a classification are stratified: each part has about the same share of every class. Groups are assigned by
their most frequent class, so their shares are kept as far as the groups allow.

scikit-learn's splitters are not used because they depend on the order of rows.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from math import floor
from typing import TYPE_CHECKING, Literal

import numpy as np

from zoo._utils.wording import counted
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Sized

    from numpy.typing import NDArray

    from zoo.data.tables.records import Record

How = Literal["random", "composition", "chemsys"]

SPLIT = (
    "How rows are split: at random, or so that rows of one composition, or of one set of elements (chemsys), stay on "
    "one side."
)
"""Help text of the option ``split``."""

MIN_VALIDATION_ROWS = 20
VALIDATION_FRACTION = 0.2
"""If `n_train` is given, the validation set is cut to this fraction of it (but at least `MIN_VALIDATION_ROWS`), because
somebody with 100 measured crystals does not have 500 more to select an epoch with."""

MIN_ROWS = 10
"""Smallest number of rows that can be split; with fewer, a test set is meaningless."""


@dataclass(frozen=True)
class Split:
    """Rows of the three parts, as positions in the records that were split.

    Parameters
    ----------
    seed : int
    train, val, test : array of shape (n,), int64
        Disjoint. If fewer training rows than available were requested, some rows are in no part.
    fold : str
        Name of the test fold; empty if the split is defined by a seed.
    """

    seed: int
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    fold: str = ""

    @property
    def label(self) -> str:
        """The fold or the seed, for messages."""
        return f"fold {self.fold}" if self.fold else f"seed {self.seed}"

    def as_ids(self, records: Sequence[Record]) -> dict[str, list[str]]:
        """Return the identifiers of the three parts, for ``splits.json``."""
        parts = {"train": self.train, "validation": self.val, "test": self.test}
        return {name: [records[row].id for row in rows] for name, rows in parts.items()}


def make_split(
    records: Sequence[Record],
    *,
    seed: int,
    how: How = "random",
    test: float = 0.1,
    val: float = 0.1,
    n_train: int | None = None,
    stratify: bool = False,
) -> Split:
    """Split records at random.

    Parameters
    ----------
    records : sequence of Record
        Their identifiers must be unique.
    seed : int
        Not negative.
    how : {"random", "composition", "chemsys"}
        Rows that are kept together: none, those of one reduced formula, or those of one chemical system. With groups,
        the sizes of the parts deviate slightly from the fractions.
    test, val : float
        Fractions of all rows; each part gets at least one row. Validation rows are drawn after test rows.
    n_train : int, optional
        Number of training rows; by default all that remain. This also reduces the validation rows; see
        `VALIDATION_FRACTION`.
    stratify : bool
        Whether targets are positions of classes, whose shares are the same in all parts.

    Raises
    ------
    InputError
        If the fractions leave no training rows, or there are fewer than `MIN_ROWS` rows, too few groups, or fewer
        training rows than requested.
    """
    if seed < 0:
        raise InputError(f"--seed {seed} is negative")
    if not (0 < test < 1 and 0 < val < 1 and test + val < 1):
        raise InputError(f"a test part of {test:g} and a validation part of {val:g} leave nothing to train on")
    if len(records) < MIN_ROWS:
        raise InputError(f"{len(records)} usable rows are too few to split; at least {MIN_ROWS} are needed")
    groups = _groups(records, how)
    labels = _labels(records) if stratify else None
    # The test rows are drawn first, from a separate random stream, so they do not depend on n_train.
    order = _order(groups, labels, np.random.default_rng([seed, 0]))
    n_test, n_val = (max(1, floor(fraction * len(records) + 0.5)) for fraction in (test, val))
    after_test = _take(groups, order, n_test)
    after_val = after_test + _take(groups, order[after_test:], n_val)
    if after_val >= len(groups):
        kind = {"random": "rows", "composition": "compositions", "chemsys": "chemical systems"}[how]
        raise InputError(f"too few {kind} ({len(groups)}) for a training, a validation and a test part")
    parts = [_rows(groups[i] for i in order[start:end]) for start, end in ((0, after_test), (after_test, after_val))]
    pool = _rows(groups[i] for i in order[after_val:])
    pool = pool[_order([[row] for row in pool], labels, np.random.default_rng([seed, 1]))]
    return shortened(Split(seed, pool, parts[1], parts[0]), n_train)


def shortened(split: Split, n_train: int | None) -> Split:
    """Return a split with this many training rows, and fewer validation rows too; see `VALIDATION_FRACTION`.

    Raises
    ------
    InputError
        If there are fewer training rows.
    """
    if n_train is None:
        return split
    if not 1 <= n_train <= len(split.train):
        raise InputError(
            f"--n-train {n_train}: only {len(split.train)} training rows are left "
            f"after {len(split.val)} validation and {len(split.test)} test rows"
        )
    few = max(MIN_VALIDATION_ROWS, round(VALIDATION_FRACTION * n_train))
    return replace(split, train=split.train[:n_train], val=split.val[:few])


def divide(
    records: Sequence[Record],
    test: NDArray[np.int64],
    *,
    seed: int,
    how: How = "random",
    val: float = 0.1,
    n_train: int | None = None,
    fold: str = "",
    stratify: bool = False,
) -> Split:
    """Split records whose test rows are given: all others are training and validation rows.

    Parameters
    ----------
    records : sequence of Record
    test : array of shape (n,)
        Positions of the test rows.
    seed, how, val, n_train, stratify
        As in :func:`make_split`.
    fold : str
        Name of the fold that is tested, if the test rows are one.

    Raises
    ------
    InputError
        If too few rows, or groups of them, are left to train on.
    """
    if seed < 0:
        raise InputError(f"--seed {seed} is negative")
    rest = np.setdiff1d(np.arange(len(records)), test)
    groups = [rest[group] for group in _groups([records[row] for row in rest], how)]
    labels = _labels(records) if stratify else None
    order = _order(groups, labels, np.random.default_rng([seed, 0]))
    drawn = _take(groups, order, max(1, floor(val * len(records) + 0.5)))
    if len(records) < MIN_ROWS or len(groups) - drawn < 2:
        held = f", {len(test)} of them test rows" if len(test) else ""
        together = f", in {counted(len(groups), 'group')}" if len(groups) < len(rest) else ""
        why = f"; at least {MIN_ROWS} are needed" if len(records) < MIN_ROWS else together
        raise InputError(f"{counted(len(records), 'usable row')}{held}: too few to train on and to validate with{why}")
    validation, pool = (_rows(groups[i] for i in part) for part in (order[:drawn], order[drawn:]))
    pool = pool[_order([[row] for row in pool], labels, np.random.default_rng([seed, 1]))]
    return shortened(Split(seed, pool, validation, np.asarray(test, dtype=np.int64), fold), n_train)


def cut_folds(
    records: Sequence[Record],
    rows: NDArray[np.int64],
    *,
    seed: int,
    how: How = "random",
    folds: int = 5,
    stratify: bool = False,
) -> list[NDArray[np.int64]]:
    """Cut rows into folds of about one size, for cross-validation.

    Parameters
    ----------
    records : sequence of Record
        All records.
    rows : array of shape (n,)
        Positions of those that are cut.
    seed : int
    how : {"random", "composition", "chemsys"}
        What stays in one fold, as in :func:`make_split`.
    folds : int
        At least 2.
    stratify : bool
        As in :func:`make_split`.

    Returns
    -------
    list of array
        Disjoint, ascending; together all rows.

    Raises
    ------
    InputError
        If there are fewer groups than folds.
    """
    groups = [rows[group] for group in _groups([records[row] for row in rows], how)]
    if len(groups) < folds:
        kind = {"random": "rows", "composition": "compositions", "chemsys": "chemical systems"}[how]
        raise InputError(f"too few {kind} ({len(groups)}) for {folds} folds")
    order = np.random.default_rng([seed, 2]).permutation(len(groups))
    classes = np.zeros(len(groups), dtype=np.int64)
    if stratify:
        classes = _classes(groups, _labels(records))
        order = order[np.argsort(classes[order], kind="stable")]
    parts: list[list[NDArray[np.int64]]] = [[] for _ in range(folds)]
    sizes = [0] * folds
    of_class = np.zeros((folds, int(classes.max()) + 1), dtype=np.int64)
    for index in order:  # the next group joins the fold with the fewest rows of its class, and of all
        own = classes[index]
        smallest = min(range(folds), key=lambda fold: (of_class[fold, own], sizes[fold]))
        parts[smallest].append(groups[index])
        sizes[smallest] += len(groups[index])
        of_class[smallest, own] += len(groups[index])
    return [np.sort(np.concatenate(part)) for part in parts]


def hash_split(ids: Sequence[str], *, test: float, validation: float, train: int | None = None) -> dict[str, list[str]]:
    """Split by a hash of each identifier, so that each row is assigned independently of all others.

    The first 64 bits of the SHA-256 of the identifier, as a fraction u in [0, 1), assign a row: test if u < `test`,
    validation if u < `test` + `validation`, else training. So a test row is never a training row for another size,
    property or release of the data. The `train` training rows with the smallest u are taken, so a smaller
    training set is a subset of a larger one.

    Parameters
    ----------
    ids : sequence of str
    test, validation : float
        Expected fractions of all rows.
    train : int, optional
        Number of training rows; by default all.

    Returns
    -------
    dict of list of str
        ``train``, ``validation`` and ``test``, each in ascending u.

    Raises
    ------
    InputError
        If the fractions leave no training rows, a part is empty, or there are fewer training rows than requested.
    """
    if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
        raise InputError(f"a test part of {test:g} and a validation part of {validation:g} leave nothing to train on")
    ordered = sorted((int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64, name) for name in set(ids))
    parts = {
        "train": [name for u, name in ordered if u >= test + validation],
        "validation": [name for u, name in ordered if test <= u < test + validation],
        "test": [name for u, name in ordered if u < test],
    }
    if train is not None and train > len(parts["train"]):
        raise InputError(f"{train} training rows are requested, but there are only {len(parts['train'])}")
    parts["train"] = parts["train"][:train]
    short = [part for part, rows in parts.items() if len(rows) < (2 if part == "train" else 1)]
    if short:
        raise InputError(f"{len(ordered)} usable rows are too few: there is no {short[0]} part")
    return parts


def _groups(records: Sequence[Record], how: How) -> list[list[int]]:
    """Group positions, in an order independent of the order of the records."""
    members: dict[str, list[int]] = defaultdict(list)
    for position in sorted(range(len(records)), key=lambda i: records[i].id):
        crystal = records[position].crystal
        if how == "random":
            key = records[position].group or records[position].id
        elif how == "composition":
            key = crystal.formula
        elif how == "chemsys":
            key = crystal.chemsys
        else:
            raise InputError(f"--split {how}: choose random, composition or chemsys")
        members[key].append(position)
    return [members[key] for key in sorted(members)]


def _labels(records: Sequence[Record]) -> NDArray[np.int64]:
    """Return the class of each record."""
    return np.array([record.target for record in records]).astype(np.int64)


def _classes(groups: Sequence[Sequence[int] | NDArray[np.int64]], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the most frequent class in each group of rows."""
    return np.array([np.bincount(labels[np.asarray(group)]).argmax() for group in groups], dtype=np.int64)


def _order(
    groups: Sequence[Sequence[int] | NDArray[np.int64]], labels: NDArray[np.int64] | None, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return a random order of groups of rows.

    With the class of every row, each section of the order has about the same share of all classes: the groups of a
    class follow each other at equal distances.
    """
    order = random.permutation(len(groups))
    if labels is None or not len(groups):
        return order
    classes = _classes(groups, labels)[order]
    places = np.empty(len(order))
    for each in np.unique(classes):
        own = np.flatnonzero(classes == each)
        places[own] = (np.arange(len(own)) + random.random()) / len(own)
    return order[np.argsort(places, kind="stable")]


def _take(groups: Sequence[Sized], order: NDArray[np.int64], rows: int) -> int:
    """Return how many groups, in this order, hold the number of rows closest to `rows`; at least one."""
    sizes = np.cumsum([len(groups[i]) for i in order])
    return int(np.argmin(np.abs(sizes - rows))) + 1 if len(sizes) else 1


def _rows(groups: Iterable[Iterable[int]]) -> NDArray[np.int64]:
    return np.array([row for group in groups for row in group], dtype=np.int64)
