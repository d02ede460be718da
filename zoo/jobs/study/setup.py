"""From what a study is asked to do to the rows, splits and cells that it will compute."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils import files
from zoo.analysis.leaks import UNKNOWN_IDS
from zoo.data.elements import atom_table, known_elements
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.splits import make_split
from zoo.data.tables.readers import open_table
from zoo.data.tables.records import records_digest
from zoo.data.tables.rows import RowReader
from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.hub import pull
from zoo.jobs import lineage, methods, pretrained
from zoo.jobs.baselines import baseline_digest
from zoo.jobs.study.plan import Cell, plan
from zoo.models.checkpoint import networks, weights
from zoo.registry import plugins
from zoo.training.transfer import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.data.tables.table import Table
    from zoo.hub.pull import Pulled
    from zoo.jobs.study.options import StudyOptions
    from zoo.jobs.study.plan import Method
    from zoo.registry.contracts import Task

DEFAULT_SIZES = (50, 100, 200, 500)
"""Training-set sizes that are compared by default, as far as the table has enough rows."""

FORMAT = 5
"""Raised when the same cell would come out differently."""

_log = logging.getLogger("zoo")

ADDED = ("weights", "mixtures", "baselines")
"""Settings by backbone or baseline; a study may be gone on with, with more of them."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A study that can be begun.

    Parameters
    ----------
    options : StudyOptions
        With sizes and backbones that were left open filled in.
    task : Task
    table : Table
    records : list of Record
    problem : Dataset
    splits : dict of (size, seed) to Split
    backbones : dict of str to Pulled
    experts : dict of str to list of str
        Names of the backbones that are read beside each one in a mixture; empty if no mixture is asked for.
    others : dict of str to Pulled
        Those of them that are not compared themselves.
    trained_on : dict of str to set of str
        Identifiers that each backbone was trained on; None where its card does not list them.
    settings : dict
        Everything that a cell's result depends on, beside method, size and seed.
    """

    options: StudyOptions
    task: Task
    table: Table
    records: list[Record]
    problem: methods.Dataset
    splits: dict[tuple[int, int], Split]
    backbones: dict[str, Pulled]
    experts: dict[str, list[str]]
    others: dict[str, Pulled]
    trained_on: dict[str, frozenset[str] | None]
    settings: dict[str, Any]

    @property
    def cells(self) -> list[Cell]:
        """All cells, by size, then seed, then method."""
        return [Cell(method, size, seed) for size, seed in self.splits for method in plan(self.options)]

    def beside(self, method: Method) -> list[Path]:
        """Return the folders of the backbones that a method reads beside its own."""
        if method.mode != "mixture" or method.backbone is None:
            return []
        everyone = self.others | self.backbones
        return [everyone[name].directory for name in self.experts[method.backbone]]


def prepare(options: StudyOptions) -> Prepared:
    """Read the table, build the graphs, draw the splits.

    Raises
    ------
    ZooError
        If the request or the data cannot be used.
    """
    task = plugins.task(options.task)
    if options.backbones is None:
        options = replace(options, backbones=(pretrained.recommended(options.task),))
    for method in plan(options):
        if method.baseline:
            plugins.baseline(method.baseline)
    backbones = {name: pull.pull(name) for name in options.backbones or ()}
    for name, pulled in backbones.items():
        if weights.read_config(pulled.directory).graph_settings != GraphSettings():
            raise InputError(f"{name} was trained on graphs of other settings; a study compares networks on one graph")
    experts, others = _experts(options, backbones)
    trained_on = {name: lineage.training_ids(pulled) for name, pulled in (backbones | others).items()}
    table = read_table(
        options.data,
        task,
        target=options.target,
        structures=options.structures,
        max_rejected=options.max_rejected,
        only=_wanted(options, task, trained_on),
    )
    table, problem = methods.build_dataset(
        table, task.transform, GraphSettings(), known_elements(atom_table()), "zoo", options.max_rejected
    )
    records = table.records
    options = replace(options, sizes=_sizes(options, records))
    return Prepared(
        options,
        task,
        table,
        records,
        problem,
        {
            (size, seed): make_split(records, seed=seed, how=options.split, test=options.test, n_train=size)
            for size in options.sizes or ()
            for seed in range(options.seed, options.seed + options.seeds)
        },
        backbones,
        experts,
        others,
        trained_on,
        _settings(options, task, table, records),
    )


def begin(out: Path, prepared: Prepared) -> dict[str, Any]:
    """Note the settings that every cell depends on; returns and raises as :func:`agree` does."""
    now = agree(out, prepared)
    files.write_text(out / "study.json", networks.to_json(now))
    (out / "cells").mkdir(exist_ok=True)
    return now


def agree(out: Path, prepared: Prepared) -> dict[str, Any]:
    """Refuse a folder that was made with other settings than a study's; writes nothing.

    Returns
    -------
    dict
        What ``study.json`` holds: the settings, the digests of each backbone's weights and of each baseline, and which
        backbones each mixture reads.

    Raises
    ------
    InputError
        Naming the settings that differ.
    """
    path = out / "study.json"
    backbones = prepared.backbones | prepared.others
    digests = {name: pull.sha256(pulled.directory / weights.WEIGHTS_FILE) for name, pulled in backbones.items()}
    fitted = sorted({method.baseline for method in plan(prepared.options) if method.baseline})
    baselines = {name: baseline_digest(name) for name in fitted}
    now: dict[str, Any] = json.loads(
        networks.to_json(
            {**prepared.settings, "weights": digests, "mixtures": prepared.experts, "baselines": baselines}
        )
    )
    if path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            changed = sorted(key for key in prepared.settings if before[key] != now[key])
            kept = {what: {} if changed else dict(before[what]) for what in ADDED}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); remove {out}, or give another --out") from error
        for what in ADDED:
            changed += [f"{what} of {name}" for name, each in now[what].items() if kept[what].get(name, each) != each]
        if changed:
            raise InputError(f"{out} was made with other settings ({', '.join(changed)}); give another --out")
        now |= {what: kept[what] | now[what] for what in ADDED}
    elif out.exists() and any(not each.name.startswith(".") for each in out.iterdir()):
        raise InputError(f"{out} exists and holds no study; give another --out")
    return now


def _experts(options: StudyOptions, backbones: Mapping[str, Pulled]) -> tuple[dict[str, list[str]], dict[str, Pulled]]:
    """Return what is read beside each backbone in a mixture, and those that are not compared themselves."""
    experts: dict[str, list[str]] = {}
    others: dict[str, Pulled] = {}
    for name in backbones if "mixture" in options.modes else ():
        found = pretrained.experts(pretrained.load(name))
        if not found:
            raise InputError(
                f"no mixture with {name}: no backbone of the shelf has a body like its own; "
                "leave it out, or give --modes full"
            )
        experts[name] = [each.name for each in found]
        others |= {each.name: each.pulled for each in found if each.name not in backbones}
    return experts, others


def _wanted(
    options: StudyOptions, task: Task, trained_on: Mapping[str, frozenset[str] | None]
) -> frozenset[str] | None:
    """Return the identifiers of the rows that the options leave, or None if they leave all."""
    if not (options.where or options.unseen or options.rows is not None):
        return None
    silent = [name for name, ids in trained_on.items() if ids is None]
    if options.unseen and silent:
        raise InputError(f"--unseen: {silent[0]} does not say which crystals it was trained on")
    seen = frozenset[str]().union(*(ids for ids in trained_on.values() if ids)) if options.unseen else frozenset()
    source = open_table(options.data)
    for condition in options.where:
        if condition.column not in source.columns:
            raise InputError(f"{options.data}: --where: there is no column {condition.column!r}")
    reader = RowReader(source, options.structures, task, options.target)
    columns = (reader.id_column, reader.target, reader.required, *(each.column for each in options.where))
    wanted: dict[str, bool] = {}
    usable: set[str] = set()
    for row in source.rows(list(dict.fromkeys(filter(None, columns))), None):
        name = reader.identify(row)
        if name in usable:  # of several rows with one identifier the first that can be used counts
            continue
        if np.isfinite(reader.value(row)):
            usable.add(name)
        elif options.rows is not None:  # of a sample all rows are to count; otherwise one without a value is reported
            continue
        wanted[name] = all(each.holds(row.cells.get(each.column)) for each in options.where)
    found = [name for name, fulfils in wanted.items() if fulfils and name not in seen]
    if options.unseen and seen.isdisjoint(wanted):
        _log.warning("--unseen: %s", UNKNOWN_IDS)
    if not found:
        raise InputError(f"{options.data}: no row is left by --where and --unseen")
    if options.rows is not None:
        found = sorted(found, key=lambda name: hashlib.sha256(name.encode()).digest())[: options.rows]
    return frozenset(found)


def _sizes(options: StudyOptions, records: list[Record]) -> tuple[int, ...]:
    """Return the sizes asked for, if the table allows them, or those of `DEFAULT_SIZES` that it allows."""
    tightest: Split | None = None
    for seed in range(options.seed, options.seed + options.seeds):
        split = make_split(records, seed=seed, how=options.split, test=options.test)
        if tightest is None or len(split.train) < len(tightest.train):
            tightest = split
    assert tightest is not None
    most = len(tightest.train)
    if options.sizes is None:
        return tuple(size for size in DEFAULT_SIZES if size <= most) or (most,)
    if max(options.sizes) > most:
        raise InputError(
            f"--sizes {max(options.sizes)}: at most {most} of the {len(records)} usable rows can be trained on, beside "
            f"{len(tightest.val)} validation and {len(tightest.test)} test rows"
        )
    return options.sizes


def _settings(options: StudyOptions, task: Task, table: Table, records: list[Record]) -> dict[str, Any]:
    fit = {FROM_SCRATCH: methods.SCRATCH, "transfer": methods.TRANSFER}
    return {
        "format": FORMAT,
        "task": task.name,
        "transform": task.transform,
        "data_sha256": table.sha256,
        "rows": len(records),
        "rows_sha256": records_digest(records),
        **{name: getattr(options, name) for name in ("split", "test", "epochs", "target")},
        "fit": {name: asdict(settings) for name, settings in fit.items()},
    }
