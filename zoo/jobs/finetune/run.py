"""Fine-tune a backbone on a table and compare it with alternatives on the same test rows."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zoo._utils import resuming
from zoo._utils.progress import progress
from zoo._utils.wording import counted
from zoo.data.tables.records import records_digest
from zoo.data.tables.rejections import remove_rejected_list
from zoo.errors import InputError
from zoo.jobs import lineage, methods
from zoo.jobs.baselines import MAJORITY, check_kind, find_baselines, fit_baselines
from zoo.jobs.finetune import backbone_choice, reliability, splitting
from zoo.jobs.finetune.blend import cross_fit_all
from zoo.jobs.finetune.out_of_fold import carriers, transfer
from zoo.jobs.finetune.result import Result
from zoo.jobs.finetune.start import describe, prepare, provenance, row_warnings
from zoo.jobs.fit_store import FitStore
from zoo.jobs.fit_store.history import LiveHistory
from zoo.models.checkpoint import networks
from zoo.registry import plugins, task_choice
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo._utils.devices import Device
    from zoo._utils.progress import Bar
    from zoo.data.splits import Split
    from zoo.data.tables.table import Table
    from zoo.jobs.finetune.blend import CrossFits
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.finetune.start import Start
    from zoo.models.checkpoint.schema import TargetConfig
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
    """Fine-tune a model and write its run folder.

    Parameters
    ----------
    options : Options
    out : Path
        Folder of the run, which must not exist. It is created only once the run is complete; intermediate files are
        in ``OUT.partial``, from which `resume` continues.
    device : {"auto", "cpu", "cuda"}
    resume : bool
        Continue an interrupted run.
    quiet : bool
        Show no progress.
    say : callable, optional
        Called with one line per step. By default, only warnings that limit the meaning of the errors, such as test
        rows seen in pretraining, are reported, through the logger ``zoo``.

    Raises
    ------
    ZooError
        A subclass, raised before any training, if the options or the data cannot be used.
    """
    out = Path(out)
    with resuming.exclusive(out):
        try:
            return _finetune(options, out, device, resume=resume, quiet=quiet, say=say)
        except KeyboardInterrupt:
            if kept := FitStore.count(_partial(out) / "cells"):
                again = f"the same command with --resume continues, {_partial(out)} removed starts again"
                _log.warning("interrupted; %s kept in %s: %s", counted(kept, "finished fit"), _partial(out), again)
            else:
                shutil.rmtree(_partial(out), ignore_errors=True)
                _log.warning("interrupted before a fit was finished; nothing is kept: run the same command again")
            raise


def _finetune(
    options: Options, out: Path, device: Device, *, resume: bool, quiet: bool, say: Callable[[str], None] | None
) -> Result:
    from zoo.jobs.finetune.folder import write_run

    tell, warn = say or _log.info, say or _log.warning
    if out.exists():
        raise InputError(f"{out} exists; give another --out, or remove it")
    task = task_choice.chosen(options.choice)
    trivial = (MAJORITY,) if task.classes else ()
    baselines = find_baselines((*trivial, *options.baselines), task.kind)
    if options.network_mode is None:
        check_kind(options.mode, task.kind)
    if options.beside and options.mode != "blend":
        raise InputError(f"--beside adds to what the members of a blend read; --mode {options.mode} has none")
    beside = [plugins.identity("featurizer", name) for name in options.beside]
    candidates = [replace(each, outputs=max(1, len(task.classes))) for each in prepare(options)]

    rejected_out = out.with_name(out.name + ".rejected.csv")
    table, dataset, target = read_dataset(options, task, candidates, rejected_out)
    remove_rejected_list(rejected_out)
    rare = splitting.check_classes(task, table)
    splits = splitting.make_splits(options, table.records, stratify=bool(task.classes))
    tell(_describe_rows(options, table, task, splits[0]))
    for note in table.notes:
        warn(note)
    if task_choice.is_open(options):
        task, dataset, note = methods.with_proposed_transform(task, dataset, splits)
        tell(note)
    if options.task is None and (known := task_choice.with_column(table.target_column)):
        tell(f"{table.target_column} is a column of the task {known}: --task {known} knows its unit and range")
    choice = backbone_choice.choice_split(splits) if len(candidates) > 1 else None

    rows = {"data_sha256": table.sha256, "rows_sha256": records_digest(table.records), "transform": task.transform}
    if table.test:
        rows["test_data_sha256"] = table.test.sha256
    rows |= {f"featurizer {name}": identity for name, identity in zip(options.beside, beside, strict=True)}
    digests = {each.name: each.digest for start in candidates for each in start.pretrained}
    fingerprint = options.fingerprint(rows, list(digests.values()), len(splits[0].train))
    history = LiveHistory(
        (_partial(out) / "history.csv").absolute(), "fold" if splits[0].fold else "seed", bool(task.classes)
    )
    store = FitStore(_partial(out) / "cells", fingerprint, resume=resume, history=history)
    fit = partial(_fit, dataset=dataset, store=store, device=device, unit=task.unit)

    start, tried = candidates[0], {}
    if choice is not None:
        prefix = "" if len(splits) == 1 else f"choice-of-{len(splits)}-"  # with one seed, its fit is reused
        chosen = options.fit_settings(len(choice.train), from_scratch=False)
        fit_choice = partial(fit, split=choice, settings=chosen, prefix=prefix)
        tried = backbone_choice.compare_backbones(candidates, fit_choice, dataset, choice, quiet=quiet)
        start = next(each for each in candidates if each.name == next(iter(tried)))

    judged = [replace(split, test=splitting.judged(options, split)) for split in splits]
    seen = lineage.count_seen(start.pretrained, table.records, judged)
    leaks = lineage.count_leaks(start.pretrained, task, table.records, judged)
    warned = rare + splitting.warnings(options, table, splits)
    kind = "test rows" if len(splits[0].test) else "rows"
    warned += row_warnings(start, leaks, seen, f"{len(judged[0].test)} {kind}")
    for line in describe(start, options, task, tried):
        tell(line)
    for line in warned:
        warn(line)

    crystals = [record.crystal for record in table.records]
    crossed: CrossFits | None = None
    outcomes: dict[str, list[methods.Outcome]] = {}
    if options.cross_fitted:
        crossed = cross_fit_all(
            options, start, task, table, dataset, splits, store, device=device, quiet=quiet, say=tell, warn=warn
        )
        model = f"{start.name} ({options.shown_mode})" if options.network_mode else options.mode
        outcomes[model] = [each.outcome for each in crossed.fits]
        for line in filter(None, (carriers(crossed.fits), transfer(crossed.fits))):
            tell(line)
    starts = {} if crossed else {start.method: start}
    starts |= {FROM_SCRATCH: start.scratch()} if options.compare_scratch else {}
    outcomes |= _fit_networks(fit, options, splits, starts, quiet=quiet)
    features = crossed.features if crossed else {}
    outcomes |= fit_baselines(baselines, crystals, dataset, splits, store, quiet=quiet, known=features)

    fitted = next(iter(outcomes.values()))
    crossfits = crossed.fits if crossed else []
    assessed = reliability.assess(dataset, splits, fitted, device, crossfits)
    members = [member for each in crossfits for member in each.members] or [
        replace(outcome.member, calibration=calibration)
        for outcome, calibration in zip(fitted, assessed.calibrations, strict=True)
        if outcome.member
    ]
    trained = [each.rows for each in crossfits] or [split.train for split in splits]
    trained_on = {int(row) for rows in trained for row in rows}
    checkpoint = networks.describe(
        members,
        name="".join(filter(str.isprintable, out.name))[:200],
        targets=[target],
        graph=start.graph,
        elements=sorted({symbol for row in trained_on for symbol in crystals[row].elements}),
        provenance=provenance(start, options, task, table) | splitting.provenance(options, table, splits),
        reference=assessed.reference,
        blend=crossed.config(task) if crossed else None,
    )
    result = Result(
        options,
        task,
        table,
        dataset,
        splits,
        start,
        outcomes,
        checkpoint,
        assessed,
        seen,
        leaks,
        warned,
        tried,
        crossfits,
    )
    write_run(result, _partial(out))
    store.discard()
    _partial(out).rename(out)
    return result


def _partial(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


def read_dataset(
    options: Options, task: Task, candidates: Sequence[Start], rejected_out: Path | None = None
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

    Raises
    ------
    InputError
        If the table cannot be used.
    """
    table = splitting.read(options, task, rejected_out)
    target = networks.target(table.target_column, task)
    known = frozenset.intersection(*(start.known for start in candidates))
    name = candidates[0].name if len(candidates) == 1 else "one of the backbones"
    table, dataset = methods.build_dataset(
        table,
        task.transform,
        candidates[0].graph,
        known,
        name,
        options.max_rejected,
        rejected_out,
        len(task.classes),
    )
    return table, dataset, target


def _describe_rows(options: Options, table: Table, task: Task, split: Split) -> str:
    files = f"{table.source.name} and {table.test.source.name}" if table.test else table.source.name
    where = f"in {split.label}" if split.fold else "per seed"
    if options.cross_fitted:
        rows = f"{len(splitting.pool(options, split))} rows to cross-fit"
    else:
        rows = f"{len(split.train)} training, {len(split.val)} validation"
    kind = " or ".join(task.classes) or task.unit or "no unit"
    return (
        f"{files}: {len(table.records)} of {len(table.records) + len(table.rejected)} rows used, "
        f"crystals from {table.structure_source}, target {table.target_column} ({kind}); "
        f"{rows}, {len(split.test) or 'no'} test rows {where}"
    )


def _fit_networks(
    fit: Callable[..., methods.Outcome],
    options: Options,
    splits: Sequence[Split],
    starts: Mapping[str, Start],
    *,
    quiet: bool,
) -> dict[str, list[methods.Outcome]]:
    """Fit the given networks on every split: the run's network and, if requested, the same from scratch."""
    if not starts:
        return {}
    settings = {
        name: options.fit_settings(len(splits[0].train), from_scratch=each.from_scratch)
        for name, each in starts.items()
    }
    outcomes: dict[str, list[methods.Outcome]] = {name: [] for name in starts}
    epochs = len(splits) * sum(each.epochs for each in settings.values())
    with progress("training", epochs, "epochs", quiet=quiet) as bar:
        # Methods in the inner loop, so that the fits finished before an interruption can be compared.
        for split in splits:
            for name, each in starts.items():
                outcomes[name].append(fit(each, split=split, settings=settings[name], bar=bar))
    return outcomes


def _fit(
    start: Start,
    *,
    dataset: methods.Dataset,
    split: Split,
    settings: FitSettings,
    store: FitStore,
    device: Device,
    unit: str,
    bar: Bar | None = None,
    prefix: str = "",
) -> methods.Outcome:
    """Fit a network on a split, or read a stored fit; the prefix distinguishes splits with the same seed."""
    name, label = f"{prefix}{start.key}-{split.seed}", f"{split.label}, {start.method}"
    outcome = store.get(name)
    add = partial(store.history.add, start.method, split.fold or split.seed) if store.history else None
    if outcome:
        if add:
            for row in outcome.history:
                add(row)
        if bar:
            bar.skip(settings.epochs, f"{label}: done before")
        return outcome
    on_epoch = partial(_show_epochs, bar, label, unit, add)
    with store.working(name) as workdir:
        outcome = methods.fit_network(
            dataset, split, start.initial, settings, workdir=workdir, device=device, on_epoch=on_epoch
        )
    store.put(name, outcome)
    if bar:
        bar.advance(settings.epochs - outcome.history[-1]["epoch"])  # epochs saved by early stopping
    return outcome


def _show_epochs(
    bar: Bar | None,
    label: str,
    unit: str,
    add: Callable[[dict[str, float]], None] | None,
    row: dict[str, float],
    epochs: int,
) -> None:
    if bar:
        error = f"loss {row['validation_loss']:.4g}"
        if "validation_mae" in row:
            error = f"MAE {row['validation_mae']:.4g} {unit}"
        bar.advance(epochs, f"{label}: validation {error}".rstrip())
    if add:
        add(row)
