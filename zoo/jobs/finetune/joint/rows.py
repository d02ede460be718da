"""The rows of several targets: read for each, with one split and the same folds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.wording import counted, listed
from zoo.data.splits import MIN_ROWS
from zoo.data.tables.records import Rejection
from zoo.data.tables.rejections import remove_rejected_list
from zoo.data.tables.table import source_name
from zoo.errors import InputError
from zoo.jobs.crossfit.fit import MIN_ROWS as MIN_FOLD_ROWS
from zoo.jobs.finetune import splitting
from zoo.jobs.finetune.blend import cut
from zoo.jobs.finetune.splitting import Rows
from zoo.jobs.finetune.target import with_transform
from zoo.registry import task_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.finetune.start import Start

    Positions = NDArray[np.int64]

NO_VALUE = "no value of any target"


@dataclass(frozen=True, eq=False)
class JointRows:
    """All rows with a value of one target or more, and how they are split.

    Parameters
    ----------
    records : list of n Record
        In the order of the table; the targets say which values a row has.
    splits : list of Split
        One per seed or fold, for all targets.
    folds : list of list of array
        Folds of a cross-fit for each split, otherwise empty.
    of_target : list of Rows
        Rows of each target.
    positions : list of array
        Positions of these rows among the records.
    rejected : list of Rejection
        Rows that no target uses, and values that cannot be used.
    network : str or None
        The network that the targets share; None if there is none, as of a baseline.
    """

    records: list[Record]
    splits: list[Split]
    folds: list[list[Positions]]
    of_target: list[Rows]
    positions: list[Positions]
    rejected: list[Rejection]
    network: str | None

    @property
    def names(self) -> list[str]:
        """Columns of the targets."""
        return [rows.table.target_column for rows in self.of_target]

    @property
    def used(self) -> list[Split]:
        """The splits as the models use them; see :func:`zoo.jobs.finetune.splitting.as_cross_fitted`."""
        if not self.folds:
            return self.splits
        return [
            splitting.as_cross_fitted(split, np.sort(np.concatenate(folds)))
            for split, folds in zip(self.splits, self.folds, strict=True)
        ]

    def parts(self, target: int, rows: Positions) -> Positions:
        """Return those of some rows that have a value of a target, as positions among its rows."""
        place = np.full(len(self.records), -1)
        place[self.positions[target]] = np.arange(len(self.positions[target]))
        found: Positions = place[rows]
        return found[found >= 0]


def read_rows(
    options: Options,
    every: Sequence[Options],
    start: Start,
    out: Path,
    tell: Callable[[str], None],
    warn: Callable[[str], None],
) -> JointRows:
    """Read the rows of several targets, and split them once.

    The split is stratified by which targets have a value, so that all parts have their share of each.

    Raises
    ------
    InputError
        If the table cannot be used, or a target has too few values.
    """
    rejected_out = out.with_name(out.name + ".rejected.csv")
    found = []
    for one in every:
        task = task_choice.chosen(one.choice)
        table, dataset, _ = splitting.read_dataset(one, task, [start], rejected_out, sparse=True)
        found.append(Rows(task, table, dataset, []))
    remove_rejected_list(rejected_out)
    columns = [rows.table.target_column for rows in found]
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise InputError(f"two targets are in the column {twice[0]!r}; name another with --target")
    found, records, positions = _united(found)
    source = source_name(options.data)
    for rows in found:
        if (count := len(rows.table.records)) < MIN_ROWS:
            raise InputError(
                f"{source}: {counted(count, 'row')} with a value of {rows.table.target_column}: too few to learn it "
                f"beside others, which takes {MIN_ROWS}; leave it out, or add values"
            )
    several = len({record.target for record in records}) > 1
    splits = splitting.make_splits(options, records, stratify=several)
    folds = [cut(options, records, split, stratify=several) for split in splits] if options.cross_fitted else []
    network = start.name if options.network_mode is not None and not options.fast else None
    network = None if found[0].formulas else network
    joint = JointRows(records, splits, folds, found, positions, _rejected(found), network)
    joint = replace(joint, of_target=[_with_splits(joint, target) for target in range(len(found))])
    tell(_described(options, joint))
    for note in dict.fromkeys(note for rows in found for note in rows.table.notes):
        warn(note)
    if alone := [each for each in joint.rejected if each.reason == NO_VALUE]:
        shown = listed([str(each.row) for each in alone], most=5)
        warn(f"{source}: {counted(len(alone), 'row')} without a value of any target: {shown}")
    learned = [with_transform(one, rows, tell) for one, rows in zip(every, joint.of_target, strict=True)]
    return replace(joint, of_target=learned)


def _united(found: list[Rows]) -> tuple[list[Rows], list[Record], list[Positions]]:
    """Return the rows of each target, all records, and the positions of the former among these.

    Of several rows with one id, the first is kept, whichever target it has a value of.
    """
    files = list(dict.fromkeys(record.file for rows in found for record in rows.table.records))
    where = {file: number for number, file in enumerate(files)}
    keys = [[(where[record.file], record.row) for record in rows.table.records] for rows in found]
    values: dict[tuple[int, int], int] = {}
    united: dict[tuple[int, int], Record] = {}
    columns = sorted(rows.table.target_column for rows in found)  # the split does not depend on the targets' order
    for rows, own in zip(found, keys, strict=True):
        bit = 1 << columns.index(rows.table.target_column)
        for key, record in zip(own, rows.table.records, strict=True):
            united[key] = record
            values[key] = values.get(key, 0) | bit
    first: dict[str, tuple[int, int]] = {}
    for key in sorted(united):
        first.setdefault(united[key].id, key)
    order = {key: position for position, key in enumerate(sorted(first.values()))}
    kept = [
        _kept(rows, [key in order for key in own], {name: key[1] for name, key in first.items()})
        for rows, own in zip(found, keys, strict=True)
    ]
    patterns = {pattern: float(index) for index, pattern in enumerate(sorted({values[key] for key in order}))}
    records = [replace(united[key], target=patterns[values[key]]) for key in order]
    positions = [np.array([order[key] for key in own if key in order], dtype=np.int64) for own in keys]
    return kept, records, positions


def _kept(rows: Rows, use: Sequence[bool], first_rows: dict[str, int]) -> Rows:
    """Return rows without those of ids that are given twice; they become rejections."""
    if all(use):
        return rows
    chosen = np.flatnonzero(use)
    table, dataset = rows.table, rows.dataset
    twice = [
        Rejection(each.file, each.row, each.id, "", "", f"duplicate id, first at row {first_rows[each.id]}")
        for each, there in zip(table.records, use, strict=True)
        if not there
    ]
    records = [table.records[row] for row in chosen]
    return replace(
        rows,
        table=replace(table, records=records, rejected=[*table.rejected, *twice]),
        dataset=replace(
            dataset,
            graphs=dataset.graphs if rows.formulas else dataset.graphs.select(chosen),
            targets=dataset.targets[chosen],
        ),
    )


def _with_splits(joint: JointRows, target: int) -> Rows:
    """Return the rows of a target with its part of every split."""
    rows, splits = joint.of_target[target], []
    for split, folds in zip(joint.splits, joint.folds or [[]] * len(joint.splits), strict=True):
        train, val, test = (joint.parts(target, part) for part in (split.train, split.val, split.test))
        missing = "test" if len(split.test) and not len(test) else ""
        if not (len(split.test) or folds or len(val)):  # the errors are those of the validation rows
            missing = "validation"
        in_folds = [len(joint.parts(target, fold)) for fold in folds]
        if not len(train) or (folds and (np.count_nonzero(in_folds) < 2 or sum(in_folds) < MIN_FOLD_ROWS)):
            missing = "training"
        if missing:
            raise InputError(
                f"{counted(len(rows.table.records), 'row')} with a value of {rows.table.target_column}, and too few of "
                f"them are {missing} rows of {split.label}; leave out this target, or add values"
            )
        splits.append(replace(split, train=train, val=val, test=test))
    return replace(rows, splits=splits)


def _rejected(found: Sequence[Rows]) -> list[Rejection]:
    """Return the rows that no target uses, and the values that cannot be used, in the order of the table."""
    used = {(record.file, record.row) for rows in found for record in rows.table.records}
    lines: dict[tuple[str, int | None, str], Rejection] = {}
    for rows in found:
        for each in rows.table.rejected:
            if each.reason != "no value":
                lines.setdefault((each.file, each.row, each.reason), each)
    named = {(file, row) for file, row, _ in lines}
    for rows in found:
        for each in rows.table.rejected:
            if (each.file, each.row) not in used | named:
                lines[each.file, each.row, NO_VALUE] = replace(each, column="", value="", reason=NO_VALUE)
    files = list(dict.fromkeys(each.file for each in lines.values()))
    return sorted(lines.values(), key=lambda each: (files.index(each.file), each.row or 0))


def _described(options: Options, joint: JointRows) -> str:
    """Return a line on the rows and values."""
    names = [
        f"{rows.table.target_column} ({rows.task.unit or 'no unit'}) of {len(rows.table.records)}"
        for rows in joint.of_target
    ]
    table, split = joint.of_target[0].table, joint.splits[0]
    rest = len(splitting.pool(options, split))
    use = f"{rest} rows to cross-fit" if options.cross_fitted else f"{len(split.train)} training rows"
    return (
        f"{source_name(options.data)}: {len(joint.records)} rows with a value, crystals from "
        f"{table.structure_source}, targets {listed(names)}; {use}, {len(split.test) or 'no'} test rows"
    )
