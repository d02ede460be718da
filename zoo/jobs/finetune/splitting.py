"""The rows of a fine-tuning, and their splits: drawn by seed or in folds, or given by a column or a second table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zoo._utils.wording import counted, listed
from zoo.data.given_splits import TEST, TRAIN, given_splits, with_part
from zoo.data.splits import MIN_ROWS, cut_folds, divide, make_split
from zoo.data.tables.table import read_table, source_name
from zoo.errors import InputError
from zoo.jobs import methods
from zoo.jobs.baselines import MIN_OF_CLASS
from zoo.models.checkpoint import networks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.data.tables.table import Table, TableSource
    from zoo.jobs.finetune.blend import SharedFits
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.finetune.start import Start
    from zoo.models.checkpoint.schema import TargetConfig
    from zoo.registry.contracts import Task

COLUMNS = ("split", "splits", "fold", "folds", "set")
"""Column names that suggest a predefined split."""

MAX_RATIO, MIN_COMPARED = 20.0, 5
"""Ratio of the medians of two tables that indicates different units, and the minimum number of rows to check it."""

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a run, and what other runs share with it.

    Parameters
    ----------
    task : Task
        With the transform that is used.
    table : Table
    dataset : Dataset
    splits : list of Split
    warned : list of str
        Warnings about the rows.
    shared : list of SharedFits
        One per split, if there are several targets; otherwise empty.
    learned_with : tuple of str
        The other targets of the network, if it has several.
    """

    task: Task
    table: Table
    dataset: methods.Dataset
    splits: list[Split]
    warned: list[str] = field(default_factory=list)
    shared: list[SharedFits] = field(default_factory=list)
    learned_with: tuple[str, ...] = ()

    @property
    def formulas(self) -> bool:
        """Whether the rows have formulas and no structures."""
        return not self.table.records[0].crystal.has_structure


def read(options: Options, task: Task, rejected_out: Path | None = None, *, sparse: bool = False) -> Table:
    """Read the table and, if given, the table of test rows; for `sparse` see :func:`zoo.data.tables.table.read_table`.

    Raises
    ------
    InputError
        If a table cannot be used, or the two tables are inconsistent.
    """
    table = _read(options, task, options.data, rejected_out, options.split_column, sparse=sparse)
    if options.test_data is None:
        return table
    if _same(options.test_data, options.data):
        raise InputError(f"--test-data {source_name(options.test_data)}: this is the table of the training rows")
    test = _read(options, task, options.test_data, rejected_out, sparse=sparse)
    if all(record.id == str(record.row) for record in test.records):  # without identifiers, ids are row numbers
        test = replace(test, records=[replace(each, id=f"{test.source.name}:{each.id}") for each in test.records])
    _check_fit(table, test, task)
    return replace(
        table,
        records=[*with_part(table.records, TRAIN), *with_part(test.records, TEST)],
        rejected=[*table.rejected, *test.rejected],
        test=test,
    )


def _same(one: TableSource, other: TableSource) -> bool:
    if isinstance(one, Path) and isinstance(other, Path):
        return one.resolve() == other.resolve()
    return one is other


def _read(
    options: Options,
    task: Task,
    source: TableSource,
    rejected_out: Path | None,
    split_column: str | None = None,
    *,
    sparse: bool,
) -> Table:
    return read_table(
        source,
        task,
        target=cast("str | None", options.target),  # the options are those of one target
        structures=options.structures,
        max_rejected=options.max_rejected,
        rejected_out=rejected_out,
        split_column=split_column,
        layout=options.layout,
        sparse=sparse,
    )


def _check_fit(table: Table, test: Table, task: Task) -> None:
    """Reject a table of test rows with another target or unit, or with rows of the training table."""
    if test.target_column.casefold() != table.target_column.casefold():
        raise InputError(
            f"{test.source}: its targets are in the column {test.target_column!r}, those of {table.source} in "
            f"{table.target_column!r}; give both columns the same name, or name one that both have with --target"
        )
    known = {record.id for record in table.records}
    if same := [record.id for record in test.records if record.id in known]:
        raise InputError(
            f"{test.source}: {counted(len(same), 'row')} of {len(test.records)} are training rows too, by their ids "
            f"({listed(same, most=_SHOWN)}); remove them from one of the two tables"
        )
    if task.classes:
        return
    ours, theirs = (np.abs([record.target or 0.0 for record in each.records]) for each in (table, test))
    typical, other = float(np.median(ours)), float(np.median(theirs))
    ratio = other / typical if typical > 0 else 1.0
    (low, high), (from_, to) = (np.quantile(each, (0.1, 0.9)) for each in (ours, theirs))
    apart = from_ > high or to < low
    if min(len(ours), len(theirs)) >= MIN_COMPARED and apart and not 1 / MAX_RATIO < ratio < MAX_RATIO:
        raise InputError(
            f"{test.source}: the column {test.target_column!r} is in another unit than in {table.source}, by its "
            f"values: typically {other:.3g} there, and {typical:.3g} here; convert one of them"
        )


def read_dataset(
    options: Options,
    task: Task,
    candidates: Sequence[Start],
    rejected_out: Path | None = None,
    *,
    sparse: bool = False,
) -> tuple[Table, methods.Dataset, TargetConfig]:
    """Read the table, and build the graphs for all candidates.

    Parameters
    ----------
    options : Options
    task : Task
    candidates : sequence of Start
        Crystals that one of them does not support are rejected.
    rejected_out : Path, optional
        Where the rejected rows are written if there are too many.
    sparse : bool
        Whether rows may lack a value; see :func:`zoo.data.tables.table.read_table`.

    Raises
    ------
    InputError
        If the table cannot be used.
    """
    table = read(options, task, rejected_out, sparse=sparse)
    target = networks.target(table.target_column, task)
    known = frozenset.intersection(*(start.known for start in candidates))
    name = candidates[0].name if len(candidates) == 1 else "one of the backbones"
    table, dataset = methods.build_dataset(
        table,
        task,
        candidates[0].graph,
        known,
        name,
        options.max_rejected,
        rejected_out,
        formulas=True,
    )
    return table, dataset, target


def make_splits(options: Options, records: Sequence[Record], *, stratify: bool = False) -> list[Split]:
    """Return the splits of a run: one per seed, or one per fold; stratified if targets are positions of classes.

    Raises
    ------
    InputError
        If the rows cannot be split as requested.
    """
    seeds = range(options.seed, options.seed + options.seeds)
    rest: dict[str, Any] = {"how": options.split, "val": options.val, "n_train": options.n_train, "stratify": stratify}
    if options.folds:
        if len(records) < max(MIN_ROWS, options.folds):
            raise InputError(
                f"--folds {options.folds}: {counted(len(records), 'usable row')} are too few; at least "
                f"{max(MIN_ROWS, options.folds)} are needed"
            )
        every = np.arange(len(records))
        folds = cut_folds(records, every, seed=options.seed, how=options.split, folds=options.folds, stratify=stratify)
        return [
            divide(records, rows, seed=options.seed + index, fold=str(index + 1), **rest)
            for index, rows in enumerate(folds)
        ]
    if is_given(options):
        return given_splits(records, options.split_column or "", seeds=seeds, **rest)
    if options.test == 0:
        return [divide(records, np.array([], dtype=np.int64), seed=seed, **rest) for seed in seeds]
    return [make_split(records, seed=seed, test=options.test, **rest) for seed in seeds]


def pool(options: Options, split: Split) -> NDArray[np.int64]:
    """Return the rows that a cross-fit may use: all that are not test rows, or the training rows asked for."""
    return split.train if options.n_train else np.concatenate([split.train, split.val])


def judged(options: Options, split: Split) -> NDArray[np.int64]:
    """Return the rows whose predictions give the errors of a run.

    These are the test rows. Without test rows they are the rows of the cross-fit, each predicted by fits that have not
    seen it; of a network alone, the validation rows, which also chose its epoch.
    """
    if len(split.test):
        return split.test
    return np.sort(pool(options, split)) if options.cross_fitted else split.val


def as_cross_fitted(split: Split, rows: NDArray[np.int64]) -> Split:
    """Return a split as a cross-fit of some rows uses it: all of these train, and the other validation rows do not."""
    return replace(split, train=rows, val=np.setdiff1d(split.val, rows))


def describe_rows(options: Options, table: Table, task: Task, split: Split) -> str:
    """Return a line on the rows of a table, their targets, and their use."""
    files = f"{table.source.name} and {table.test.source.name}" if table.test else table.source.name
    where = f"in {split.label}" if split.fold else "per seed"
    if options.cross_fitted:
        rows = f"{len(pool(options, split))} rows to cross-fit"
    else:
        rows = f"{len(split.train)} training, {len(split.val)} validation"
    kind = " or ".join(task.classes) or task.unit or "no unit"
    return (
        f"{files}: {len(table.records)} of {len(table.records) + len(table.rejected)} rows used, "
        f"crystals from {table.structure_source}, target {table.target_column} ({kind}); "
        f"{rows}, {len(split.test) or 'no'} test rows {where}"
    )


def warnings(options: Options, table: Table, splits: Sequence[Split]) -> list[str]:
    """Return warnings about an unused split column and about test rows that duplicate training crystals."""
    used = {(options.split_column or "").casefold(), table.target_column.casefold()}
    unused = [name for name in table.columns if name.casefold() in COLUMNS and name.casefold() not in used]
    lines = []
    if unused:
        which = f"a column {unused[0]!r}, which is" if len(unused) == 1 else f"columns {listed(unused)}, which are"
        lines.append(
            f"{table.source.name} has {which} not used; --split-column {unused[0]} takes the test rows from it"
        )
    copies = [_copies(table.records, split) for split in splits]
    worst = max(range(len(splits)), key=lambda index: len(copies[index]))
    if found := copies[worst]:
        where = "" if len(splits) == 1 else f" of {splits[worst].label}"
        advice = "" if is_given(options) else "; --split composition keeps them together"
        pairs = listed([f"{ours} = {theirs}" for ours, theirs in found], most=_SHOWN)
        lines.append(
            f"{len(found)} of {len(splits[worst].test)} test rows{where} have exactly the crystal of a training or "
            f"validation row ({pairs}), so their errors say little about new crystals{advice}"
        )
    return lines


def check_classes(task: Task, table: Table) -> list[str]:
    """Check the rows of each class; return warnings about classes with hardly any.

    Raises
    ------
    InputError
        If all rows are of one class, there are fewer rows than classes, or fewer than two classes have several rows.
    """
    count = Counter(int(record.target or 0) for record in table.records)
    rows = counted(len(table.records), "usable row")
    if task.classes and len(count) == 1:
        only = task.classes[next(iter(count))]
        raise InputError(f"{table.source}: {rows}, all of the class {only!r}: there is nothing to learn from one class")
    if len(table.records) < len(task.classes):
        raise InputError(f"{table.source}: {rows} for {len(task.classes)} classes; give several rows of each class")
    if task.classes and sum(number > 1 for number in count.values()) < 2:
        raise InputError(
            f"{table.source}: {rows}, and fewer than two classes with two rows or more: there is nothing to learn; "
            "give several rows of each class"
        )
    few = [(label, count[position]) for position, label in enumerate(task.classes) if count[position] < MIN_OF_CLASS]
    return [
        f"{counted(number, 'row')} of the class {label!r}: "
        + ("too few to learn it" if number else "it is not learned")
        for label, number in few
    ]


def _copies(records: Sequence[Record], split: Split) -> list[tuple[str, str]]:
    """Return pairs of ids: a test row, and a training or validation row with the same crystal."""
    trained = {records[row].crystal.digest: records[row].id for row in (*split.train, *split.val)}
    found = ((records[row].id, trained.get(records[row].crystal.digest)) for row in split.test)
    return [(ours, theirs) for ours, theirs in found if theirs is not None]


def is_given(options: Options) -> bool:
    """Whether the test rows are given by a column or a table."""
    return bool(options.split_column) or options.test_data is not None


def rule(options: Options) -> str:
    """Return a short description of the split for output files: its kind, or the column or table that defines it."""
    if options.folds:
        return f"{options.folds} folds, {options.split}"
    if options.split_column:
        return f"column {options.split_column}"
    return options.split if options.test_data is None else f"table {source_name(options.test_data)}"


def sentence(options: Options, splits: Sequence[Split], parts: str) -> str:
    """Return the part of a sentence in the card that describes the repetitions and the test rows.

    `parts` gives the numbers of training and validation rows in the first split.
    """
    first = splits[0]
    counts = f"{parts}, {len(first.test) or 'no'} test rows"
    if first.fold:
        use = "are cross-fitted" if options.cross_fitted else "train and validate"
        which = f"of the column `{options.split_column}`" if options.split_column else f"({options.split})"
        return (
            f"{counted(len(splits), 'fold')} {which}; each is the test set once, and all other rows {use} "
            f"({first.label}: {counts}; ids in `splits.json`)"
        )
    seeds = counted(len(splits), "seed")
    if is_given(options):
        test = options.test_data
        source = f"column `{options.split_column}`" if test is None else f"table `{source_name(test)}`"
        return f"{seeds}, with the test rows of the {source} ({counts}; ids in `splits.json`)"
    own = "each with its own" if len(splits) > 1 else "with its own"
    return f"{seeds}, {own} {options.split} split ({counts}; ids in `splits.json`)"


def provenance(options: Options, table: Table, splits: Sequence[Split]) -> dict[str, Any]:
    """Return a JSON-serialisable record of the split."""
    found: dict[str, Any] = {"split": rule(options), "seeds": [split.seed for split in splits]}
    if splits[0].fold:
        found["folds"] = [split.fold for split in splits]
    if table.test:
        found["test_data"] = {
            "file": table.test.source.name,
            "sha256": table.test.sha256,
            "rows": len(splits[0].test),
        }
    return found
