"""Preparation of a study: loads the backbones, reads the rows and draws the splits."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis.leaks import UNKNOWN_IDS
from zoo.data.elements import atom_table, known_elements
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.splits import make_split
from zoo.data.tables.columns.numbers import decimal_in
from zoo.data.tables.readers import open_table
from zoo.data.tables.rows import RowReader
from zoo.data.tables.table import Table, read_table, source_name
from zoo.errors import InputError
from zoo.hub import pull
from zoo.jobs import lineage, methods, pretrained
from zoo.jobs.baselines import check_kind
from zoo.jobs.finetune.splitting import check_classes
from zoo.jobs.study.plan import Cell, plan
from zoo.models.checkpoint import weights
from zoo.registry import plugins, task_choice
from zoo.training.settings import BLEND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.hub.pull import Pulled
    from zoo.jobs.study.options import StudyOptions
    from zoo.jobs.study.plan import Method
    from zoo.registry.contracts import Task

DEFAULT_SIZES = (50, 100, 200, 500)
"""Default training-set sizes; those too large for the table are left out."""

MIXED = ("mixture", BLEND)
"""Modes in which the network combines the trained backbone with frozen ones."""

_log = logging.getLogger("zoo")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A study that is ready to run.

    Parameters
    ----------
    options : StudyOptions
        With default sizes and backbones filled in.
    task : Task
    table : Table
    dataset : Dataset
        Graphs and targets of the table's records, in the same order.
    splits : dict of (size, seed) to Split
    backbones : dict of str to Pulled
        The backbones to compare.
    experts : dict of str to list of str
        Names of the frozen backbones in the mixture of each backbone; empty if there is no mixture.
    others : dict of str to Pulled
        Experts that are not among the compared backbones.
    trained_on : dict of str to set of str
        Identifiers of the records that each backbone was trained on; None if its card does not list its crystals.
    by_structure : set of str
        Backbones whose training crystals are recognised by structure, and not only by identifier.
    note : str
        The transform of a property without a task, and why; otherwise empty.
    """

    options: StudyOptions
    task: Task
    table: Table
    dataset: methods.Dataset
    splits: dict[tuple[int, int], Split]
    backbones: dict[str, Pulled]
    experts: dict[str, list[str]]
    others: dict[str, Pulled]
    trained_on: dict[str, frozenset[str] | None]
    by_structure: frozenset[str] = frozenset()
    note: str = ""

    @property
    def records(self) -> list[Record]:
        """The rows used."""
        return self.table.records

    @property
    def cells(self) -> list[Cell]:
        """All cells, ordered by size, then seed, then method."""
        return [Cell(method, size, seed) for size, seed in self.splits for method in plan(self.options)]

    @property
    def folders(self) -> dict[str, Path]:
        """Folders of the compared backbones, by name."""
        return {name: pulled.directory for name, pulled in self.backbones.items()}

    def expert_folders(self, method: Method) -> dict[str, Path]:
        """Return the folders of the experts in a method's mixture, by name."""
        if method.mode not in MIXED or method.backbone is None or method.baseline:
            return {}
        pulled = self.others | self.backbones
        return {name: pulled[name].directory for name in self.experts[method.backbone]}


def _described(graph: GraphSettings) -> str:
    return f"cutoff {graph.cutoff:g}, neighbors {graph.neighbors}, ties {graph.ties}"


def prepare(options: StudyOptions) -> Prepared:
    """Fetch the backbones, read the table, build the graphs and draw the splits.

    Raises
    ------
    ZooError
        If the options or the data cannot be used.
    """
    task = task_choice.chosen(options.choice)
    if options.backbones is None:
        options = replace(options, backbones=(task_choice.recommended_backbone(options.choice),))
    for method in plan(options):
        if method.baseline:
            plugins.baseline(method.baseline)
            check_kind(method.baseline, task.kind)
    backbones = {name: pull.pull(name) for name in options.backbones or ()}
    for name, pulled in backbones.items():
        wanted, given = weights.read_config(pulled.directory).graph_settings, GraphSettings()
        if wanted != given:
            raise InputError(
                f"{name} has graphs with {_described(wanted)}; a study compares networks on zoo's, with "
                f"{_described(given)}"
            )
    experts, others = _experts(options, backbones)
    learned = {name: lineage.lineage(pulled) for name, pulled in (backbones | others).items()}
    table = read_table(
        options.data,
        task,
        target=options.target,
        structures=options.structures,
        max_rejected=options.max_rejected,
        only=_selected_ids(options, task, learned),
        layout=options.layout,
    )
    table, dataset = methods.build_dataset(
        table, task, GraphSettings(), known_elements(atom_table()), "zoo", options.max_rejected
    )
    for line in check_classes(task, table):
        _log.warning("%s", line)
    options = replace(options, sizes=_sizes(options, table.records, stratify=bool(task.classes)))
    splits = {
        (size, seed): make_split(
            table.records,
            seed=seed,
            how=options.split,
            test=options.test,
            n_train=size,
            stratify=bool(task.classes),
        )
        for size in options.sizes or ()
        for seed in range(options.seed, options.seed + options.seeds)
    }
    note = ""
    if task_choice.is_open(options):
        task, dataset, note = methods.with_proposed_transform(task, dataset, splits.values())
    trained_on = {name: _seen(networks, table.records) for name, networks in learned.items()}
    by_structure = frozenset(
        name for name, networks in learned.items() if any(each.has_structures for each in networks)
    )
    return Prepared(options, task, table, dataset, splits, backbones, experts, others, trained_on, by_structure, note)


def _experts(options: StudyOptions, backbones: Mapping[str, Pulled]) -> tuple[dict[str, list[str]], dict[str, Pulled]]:
    """Return the experts in the mixture of each backbone, and those that are not among the compared backbones."""
    experts: dict[str, list[str]] = {}
    others: dict[str, Pulled] = {}
    for name in backbones if set(MIXED) & set(options.modes) else ():
        found = pretrained.experts(pretrained.load(name))
        if not found and "mixture" in options.modes:
            raise InputError(
                f"no mixture with {name}: no registered backbone has the same architecture; "
                "leave it out, or give --modes full"
            )
        experts[name] = [each.name for each in found]
        others |= {each.name: each.pulled for each in found if each.name not in backbones}
    return experts, others


def _seen(networks: Sequence[lineage.TrainedOn], records: Sequence[Record]) -> frozenset[str] | None:
    """Return the identifiers of the records that a backbone was trained on; None if a network lists no crystals."""
    if any(each.ids is None for each in networks):
        return None
    return lineage.seen(networks, records) or frozenset()


def _selected_ids(
    options: StudyOptions, task: Task, learned: Mapping[str, Sequence[lineage.TrainedOn]]
) -> frozenset[str] | None:
    """Return the identifiers of the rows selected by --where, --unseen and --rows; None without these options."""
    if not (options.where or options.unseen or options.rows is not None):
        return None
    unlisted = [name for name, networks in learned.items() if any(each.ids is None for each in networks)]
    if options.unseen and unlisted:
        raise InputError(f"--unseen: {unlisted[0]} does not say which crystals it was trained on")
    fulfilled = _fulfilled(options, task)
    found = [name for name, selected in fulfilled.items() if selected]
    if options.unseen:
        seen = _read_seen(options, frozenset(found), [each for networks in learned.values() for each in networks])
        if seen is None:
            _log.warning("--unseen: %s", UNKNOWN_IDS)
        found = [name for name in found if name not in (seen or ())]
    if not found:
        raise InputError(f"{source_name(options.data)}: no row is left by --where and --unseen")
    if options.rows is not None:
        found = sorted(found, key=lambda name: hashlib.sha256(name.encode()).digest())[: options.rows]
    return frozenset(found)


def _fulfilled(options: StudyOptions, task: Task) -> dict[str, bool]:
    """Return whether the conditions hold, by identifier of the usable rows."""
    if isinstance(options.data, Table):
        if options.where:
            raise InputError(f"--where {options.where[0]}: a table in memory has no other columns; select its records")
        records = read_table(options.data, task, max_rejected=1.0).records
        return dict.fromkeys((record.id for record in records), True)
    source = open_table(options.data, options.layout)
    for condition in options.where:
        if condition.column not in source.columns:
            raise InputError(f"{source.path}: --where: there is no column {condition.column!r}")
    numeric = [condition.column for condition in options.where if condition.equals is None]
    decimals = {column: decimal_in(source, column, options.decimal) for column in numeric}
    reader = RowReader(source, options.structures, task, options.target, layout=options.layout)
    columns = (reader.id_column, reader.target, reader.required, *(each.column for each in options.where))
    fulfilled: dict[str, bool] = {}
    usable: set[str] = set()
    for row in source.rows(list(dict.fromkeys(filter(None, columns))), None):
        name = reader.identify(row)
        if name in usable:  # for repeated identifiers, the first usable row is used
            continue
        if np.isfinite(reader.value(row)):
            usable.add(name)
        elif options.rows is not None:  # sample only usable rows; without sampling, unusable rows are reported later
            continue
        cells = ((each, row.cells.get(each.column)) for each in options.where)
        fulfilled[name] = all(each.holds(cell, decimals.get(each.column)) for each, cell in cells)
    return fulfilled


def _read_seen(
    options: StudyOptions, names: frozenset[str], networks: Sequence[lineage.TrainedOn]
) -> frozenset[str] | None:
    """Return which of these rows are training crystals of a network, as :func:`zoo.jobs.lineage.seen` does."""
    by_id = lineage.listed_ids(networks) & names
    if not (others := names - by_id):
        return by_id
    table = read_table(
        options.data, None, structures=options.structures, max_rejected=1.0, only=others, layout=options.layout
    )
    by_structure = lineage.seen(networks, table.records)
    return by_structure if by_structure is None and not by_id else by_id | (by_structure or frozenset())


def _sizes(options: StudyOptions, records: list[Record], *, stratify: bool) -> tuple[int, ...]:
    """Return the requested training-set sizes, or the default sizes for which the table is large enough."""
    splits = (
        make_split(records, seed=seed, how=options.split, test=options.test, stratify=stratify)
        for seed in range(options.seed, options.seed + options.seeds)
    )
    tightest = min(splits, key=lambda split: len(split.train))
    most = len(tightest.train)
    if options.sizes is None:
        return tuple(size for size in DEFAULT_SIZES if size <= most) or (most,)
    if max(options.sizes) > most:
        raise InputError(
            f"--sizes {max(options.sizes)}: at most {most} of the {len(records)} usable rows can be training rows, "
            f"besides {len(tightest.val)} validation and {len(tightest.test)} test rows"
        )
    return options.sizes
