"""Fine-tune a backbone on a small table, and compare it honestly with what else could have been done."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils import resuming
from zoo._utils.progress import progress
from zoo.analysis import metrics
from zoo.analysis.comparisons import Comparison, compare
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.splits import Split, make_split
from zoo.data.tables.records import records_digest
from zoo.data.tables.rejections import remove_rejected_list
from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.jobs import baselines as classical
from zoo.jobs import lineage, methods, reliability, sources
from zoo.jobs.finetune import backbone_choice
from zoo.jobs.finetune import start as starting
from zoo.jobs.finetune.result import Result
from zoo.jobs.finetune.start import ALL, Start
from zoo.jobs.fit_store import CellStore
from zoo.models.checkpoint import networks
from zoo.registry import plugins
from zoo.training.transfer import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo._utils.devices import Device
    from zoo.jobs.finetune.options import Options
    from zoo.registry.contracts import Task
    from zoo.training.fit import FitSettings

_log = logging.getLogger("zoo")


def finetune(
    options: Options,
    out: Path | str,
    *,
    device: Device = "auto",
    resume: bool = False,
    quiet: bool = False,
    say: Callable[[str], None] | None = None,
) -> Result:
    """Run a fine-tuning and write its folder.

    Parameters
    ----------
    options : Options
    out : Path
        Folder of the run. It must not exist, and appears whole or not at all; until then the work is in
        ``OUT.partial``, from where `resume` goes on.
    device : {"auto", "cpu", "cuda"}
    resume : bool
    quiet : bool
        Show no progress.
    say : callable, optional
        Told, in one line each, what is being done. Without it, only what makes the errors mean less, such as test rows
        that a backbone knew, is told: as warnings of the logger ``zoo``.

    Raises
    ------
    ZooError
        One of its children, before anything is trained, if the request or the data cannot be used.
    """
    out = Path(out)
    with resuming.exclusive(out):
        try:
            return _finetune(options, out, device, resume=resume, quiet=quiet, say=say)
        except KeyboardInterrupt:
            if kept := sum(path.name != "settings.json" for path in _unfinished(out).glob("cells/*.json")):
                _log.warning("interrupted; finished fits that are kept: %d; --resume goes on after them", kept)
            raise


def _finetune(
    options: Options, out: Path, device: Device, *, resume: bool, quiet: bool, say: Callable[[str], None] | None
) -> Result:
    from zoo.jobs.finetune.folder import write_run

    if out.exists():
        raise InputError(f"{out} exists; give another --out, or remove it")
    task = plugins.task(options.task)
    baselines = classical.named(options.baselines)
    unfinished, rejected_out = _unfinished(out), out.with_name(out.name + ".rejected.csv")
    asked = [options]
    if options.backbone == ALL:
        asked = [replace(options, backbone=source.name) for source in sources.available(GraphSettings())]
    if not asked:
        raise InputError(f"--backbone {ALL}: no backbone is at hand")
    starts = [starting.begin(each, task) for each in asked]
    start, *others = starts
    known = start.known.intersection(*(each.known for each in others))
    table = read_table(
        options.data,
        task,
        target=options.target,
        structures=options.structures,
        max_rejected=options.max_rejected,
        rejected_out=rejected_out,
    )
    who = "one of the backbones" if others else start.name
    target = networks.target(table.target_column, task)
    table, records, graphs = methods.build(table, start.graph, known, who, options.max_rejected, rejected_out)
    remove_rejected_list(rejected_out)
    splits = [
        make_split(records, seed=seed, how=options.split, test=options.test, val=options.val, n_train=options.n_train)
        for seed in range(options.seed, options.seed + options.seeds)
    ]
    tell, warn = say or _log.info, say or _log.warning
    tell(
        f"{options.data.name}: {len(records)} of {len(records) + len(table.rejected)} rows used, "
        f"crystals from {table.structure_source}, "
        f"target {table.target_column} ({task.unit or 'no unit'}); "
        f"{len(splits[0].train)} training, {len(splits[0].val)} validation, {len(splits[0].test)} test rows a seed"
    )
    problem = methods.Problem(graphs, np.array([record.target for record in records]), task.transform)
    choice = backbone_choice.choosing_split(splits) if options.backbone == ALL else None
    digests = {source.name: source.digest for each in starts for source in each.sources}
    data = {"data_sha256": table.sha256, "rows_sha256": records_digest(records), "transform": task.transform}
    fingerprint = options.fingerprint(data, list(digests.values()), len(splits[0].train))
    cells = CellStore(unfinished / "cells", fingerprint, resume=resume)
    tried: dict[str, float] = {}
    if choice is not None:
        settings = options.fit_settings(len(choice.train), from_scratch=False)
        rows = "" if len(splits) == 1 else f"choice-of-{len(splits)}-"  # otherwise it is the run's own first fit
        fit = partial(_fit, problem=problem, split=choice, settings=settings, cells=cells, device=device, prefix=rows)
        tried = backbone_choice.compare_backbones(starts, fit, problem, choice.val, quiet=quiet)
        start = next(each for each in starts if each.name == next(iter(tried)))
    overlap = lineage.seen(start.sources, records, splits)
    leaks = lineage.leaks(start.sources, task, records, splits)
    warned = starting.warnings(start, records, leaks, overlap, len(splits[0].test))
    for line in starting.introduction(start, options, task, tried):
        tell(line)
    for line in warned:
        warn(line)
    outcomes = _train(options, problem, splits, start, cells, task, device=device, quiet=quiet)
    crystals = [record.crystal for record in records]
    outcomes |= classical.fit(baselines, crystals, problem, splits, cells, quiet=quiet)
    errors = {
        method: [
            metrics.errors(
                problem.targets[split.test], outcome.predictions[split.test], log10=task.transform == "log10"
            )
            for split, outcome in zip(splits, each, strict=True)
        ]
        for method, each in outcomes.items()
    }
    model = next(iter(outcomes))
    assessed = reliability.assess(problem, splits, outcomes[model], device)
    members = [
        replace(outcome.member, calibration=calibration)
        for outcome, calibration in zip(outcomes[model], assessed.calibrations, strict=True)
        if outcome.member
    ]
    trained_on = sorted({int(row) for split in splits for row in split.train})
    result = Result(
        options=options,
        task=task,
        table=table,
        records=records,
        splits=splits,
        outcomes=outcomes,
        errors=errors,
        comparisons=_compare(outcomes, problem, splits, log10=False),
        log_comparisons=_compare(outcomes, problem, splits, log10=True) if task.transform == "log10" else {},
        checkpoint=networks.describe(
            members,
            name="".join(filter(str.isprintable, out.name))[:200],
            targets=[target],
            graph=start.graph,
            elements=sorted({symbol for row in trained_on for symbol in records[row].crystal.elements}),
            provenance=starting.provenance(start, options, table, digests),
            reference=assessed.reference,
        ),
        trust=assessed,
        backbone=start.source.pulled if start.source else None,
        digests={source.name: digests[source.name] for source in start.sources},
        overlap=overlap,
        leaks=leaks,
        warned=warned,
        tried=tried,
    )
    write_run(result, unfinished)
    cells.discard()
    unfinished.rename(out)
    return result


def _unfinished(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


def _train(
    options: Options,
    problem: methods.Problem,
    splits: Sequence[Split],
    start: Start,
    cells: CellStore,
    task: Task,
    *,
    device: Device,
    quiet: bool,
) -> dict[str, list[methods.Outcome]]:
    named = {f"{start.name} ({start.mode})": start} if start.source else {}
    if not start.source or options.compare_scratch:
        named[FROM_SCRATCH] = replace(start, source=None, experts=())
    rows = len(splits[0].train)
    plan = {name: options.fit_settings(rows, from_scratch=each.source is None) for name, each in named.items()}
    total = len(splits) * sum(settings.epochs for settings in plan.values())
    outcomes: dict[str, list[methods.Outcome]] = {name: [] for name in named}
    with progress("training", total, "epochs", quiet=quiet) as bar:
        # Seeds outside, methods inside: if a run is cut off, what is there can be compared.
        for split in splits:
            for name, begins in named.items():
                what, told = f"seed {split.seed}, {name}", [0]

                def tell(row: dict[str, float], epochs: int, what: str = what, told: list[int] = told) -> None:
                    told.append(epochs)
                    bar.advance(epochs, f"{what}: validation MAE {row['validation_mae']:.4g} {task.unit}".rstrip())

                outcome = _fit(begins, problem, split, plan[name], cells, device, tell)
                done = sum(told)
                if done:
                    bar.advance(plan[name].epochs - done)
                else:
                    bar.skip(plan[name].epochs, f"{what}: done before")
                outcomes[name].append(outcome)
    return outcomes


def _fit(
    start: Start,
    problem: methods.Problem,
    split: Split,
    settings: FitSettings,
    cells: CellStore,
    device: Device,
    on_epoch: Callable[[dict[str, float], int], None] | None = None,
    *,
    prefix: str = "",
) -> methods.Outcome:
    """Fit a network on a split, or read what was fitted before; the prefix tells splits of one seed apart."""
    source = start.source
    cell = prefix + (f"transfer-{source.digest[:12]}-{split.seed}" if source else f"scratch-{split.seed}")
    outcome = cells.get(cell)
    if outcome is None:
        with cells.working(cell) as workdir:
            outcome = methods.fit_network(
                problem,
                split,
                source.network if source else None,
                start.blank,
                settings,
                mode=start.mode,
                experts=start.networks,
                workdir=workdir,
                device=device,
                on_epoch=on_epoch,
            )
        cells.put(cell, outcome)
    return outcome


def _compare(
    outcomes: dict[str, list[methods.Outcome]], problem: methods.Problem, splits: Sequence[Split], *, log10: bool
) -> dict[str, Comparison]:
    """Compare every method with the scratch network on the same test rows."""
    if FROM_SCRATCH not in outcomes or len(outcomes) == 1:
        return {}
    absolute = {
        method: [
            metrics.absolute_errors(problem.targets[split.test], outcome.predictions[split.test], log10=log10)
            for split, outcome in zip(splits, each, strict=True)
        ]
        for method, each in outcomes.items()
    }
    return {
        method: compare(rows, absolute[FROM_SCRATCH]) for method, rows in absolute.items() if method != FROM_SCRATCH
    }
