"""Fine-tuning for one target: rows, fits, comparison on the same test rows, and the run folder."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from zoo._utils.progress import progress
from zoo.data.tables.records import records_digest
from zoo.data.tables.rejections import remove_rejected_list
from zoo.errors import InputError
from zoo.jobs import lineage, methods
from zoo.jobs.baselines import MAJORITY, check_kind, find_baselines, fit_baselines
from zoo.jobs.crossfit.members import check_storable
from zoo.jobs.finetune import reliability, splitting
from zoo.jobs.finetune.blend import cross_fit_all
from zoo.jobs.finetune.out_of_fold import carriers, transfer
from zoo.jobs.finetune.result import Result
from zoo.jobs.finetune.splitting import Rows
from zoo.jobs.finetune.start import (
    choice_split,
    compare_backbones,
    describe,
    provenance,
    row_notes,
    row_warnings,
)
from zoo.jobs.fit_store import FitStore
from zoo.jobs.fit_store.history import LiveHistory
from zoo.models.checkpoint import networks
from zoo.registry import plugin_versions, plugins, task_choice
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from zoo._utils.devices import Device
    from zoo._utils.progress import Bar
    from zoo.data.splits import Split
    from zoo.jobs.finetune.blend import CrossFits
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.finetune.start import Start
    from zoo.registry.contracts import Task
    from zoo.training.fit import FitSettings


def check(options: Options, task: Task) -> None:
    """Check that the methods exist and serve the task.

    Raises
    ------
    UnknownNameError, InputError
    """
    find_baselines(options.baselines, task.kind)
    if options.network_mode is None:
        check_kind(options.mode, task.kind)
        check_storable(options.mode, task.kind)
    if options.beside and options.mode != "blend":
        raise InputError(f"--beside adds to what the members of a blend read; --mode {options.mode} has none")
    for name in options.beside:
        plugins.load("featurizer", name)


def read_rows(
    options: Options,
    task: Task,
    candidates: Sequence[Start],
    out: Path,
    tell: Callable[[str], None],
    warn: Callable[[str], None],
) -> Rows:
    """Read the table, split its rows, and choose the transform of a property without a task."""
    rejected_out = out.with_name(out.name + ".rejected.csv")
    table, dataset, _ = splitting.read_dataset(options, task, candidates, rejected_out)
    remove_rejected_list(rejected_out)
    rare = splitting.check_classes(task, table)
    splits = splitting.make_splits(options, table.records, stratify=bool(task.classes))
    tell(splitting.describe_rows(options, table, task, splits[0]))
    for note in table.notes:
        warn(note)
    return with_transform(options, Rows(task, table, dataset, splits, rare), tell)


def with_transform(options: Options, rows: Rows, tell: Callable[[str], None]) -> Rows:
    """Choose the transform of a property without a task, and say so."""
    column = rows.table.target_column
    if task_choice.is_open(options):
        task, dataset, note = methods.with_proposed_transform(rows.task, rows.dataset, rows.splits)
        tell(note)
        rows = replace(rows, task=task, dataset=dataset)
    if options.task is None and (known := task_choice.with_column(column)):
        tell(f"{column} is a column of the task {known}: --task {known} knows its unit and range")
    return rows


def fit_rows(
    options: Options,
    candidates: Sequence[Start],
    rows: Rows,
    out: Path,
    device: Device,
    *,
    resume: bool,
    quiet: bool,
    tell: Callable[[str], None],
    warn: Callable[[str], None],
) -> Result:
    """Fit and compare the methods on rows of one target, and write the run folder; see :func:`finetune`."""
    from zoo.jobs.finetune.folder import write_run

    task, table, dataset, splits = rows.task, rows.table, rows.dataset, rows.splits
    target = networks.target(table.target_column, task)
    baselines = find_baselines((*((MAJORITY,) if task.classes else ()), *options.baselines), task.kind)
    choice = choice_split(splits) if len(candidates) > 1 else None
    store = open_store(options, candidates, rows, out, resume=resume)
    fit = partial(fit_start, dataset=dataset, store=store, device=device, unit=task.unit)

    start, tried = candidates[0], {}
    if choice is not None:
        prefix = "" if len(splits) == 1 else f"choice-of-{len(splits)}-"  # with one seed, its fit is reused
        chosen = options.fit_settings(len(choice.train), from_scratch=False)
        fit_choice = partial(fit, split=choice, settings=chosen, prefix=prefix)
        tried = compare_backbones(candidates, fit_choice, dataset, choice, quiet=quiet)
        start = next(each for each in candidates if each.name == next(iter(tried)))

    judged = [replace(split, test=splitting.judged(options, split)) for split in splits]
    seen = lineage.count_seen(start.pretrained, table.records, judged)
    leaks = lineage.count_leaks(start.pretrained, task, table.records, judged)
    warned = rows.warned + splitting.warnings(options, table, splits)
    kind = "test rows" if len(splits[0].test) else "rows"
    counts = [f"{len(split.test)} {kind}" for split in judged]
    warned += row_warnings(start, leaks, seen, counts)
    noted = row_notes(start, task, leaks, seen, counts)
    for line in describe(start, options, task, tried) + noted:
        tell(line)
    for line in warned:
        warn(line)

    crystals = [record.crystal for record in table.records]
    crossed: CrossFits | None = None
    outcomes: dict[str, list[methods.Outcome]] = {}
    if options.cross_fitted:
        crossed = cross_fit_all(options, start, rows, store, device=device, quiet=quiet, say=tell, warn=warn)
        model = f"{start.name} ({options.shown_mode})" if options.network_mode else options.mode
        outcomes[model] = [each.outcome for each in crossed.fits]
        for line in filter(None, (carriers(crossed.fits), transfer(crossed.fits))):
            tell(line)
    elif rows.shared and rows.shared[0].fits:
        outcomes[start.method] = [each.fits[0] for each in rows.shared]
    starts = {} if outcomes else {start.method: start}
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
    trained_on = {int(row) for each in trained for row in each}
    checkpoint = networks.describe(
        members,
        name="".join(filter(str.isprintable, out.name))[:200],
        targets=[target],
        graph=start.graph,
        elements=sorted({symbol for row in trained_on for symbol in crystals[row].elements}),
        provenance=provenance(start, options, task, table)
        | splitting.provenance(options, table, splits)
        | ({"learned_with": list(rows.learned_with)} if rows.learned_with else {}),
        reference=assessed.reference,
        blend=crossed.config(task) if crossed else None,
        features=crossed.inputs if crossed else None,
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
        warned + noted,
        tried,
        crossfits,
    )
    write_run(result, partial_folder(out))
    store.discard()
    partial_folder(out).rename(out)
    return result


def partial_folder(out: Path) -> Path:
    """Return the folder of a run that is not complete."""
    return out.with_name(out.name + ".partial")


def open_store(
    options: Options,
    candidates: Sequence[Start],
    rows: Rows,
    out: Path,
    *,
    resume: bool,
    also: Mapping[str, str] | None = None,
) -> FitStore:
    """Open the store of a run's finished fits; they depend on the options, the rows, and what `also` says.

    Raises
    ------
    InputError
        If there are fits, and `resume` is not set or they depend on other options or rows.
    """
    table, splits = rows.table, rows.splits
    read = {"data_sha256": table.sha256, "rows_sha256": records_digest(table.records), "transform": rows.task.transform}
    read |= also or {}
    if table.test:
        read["test_data_sha256"] = table.test.sha256
    read |= {f"featurizer {name}": plugin_versions.identity("featurizer", name) for name in options.beside}
    sizes = [each.network.architecture for start in candidates for each in start.pretrained]
    read |= {f"network {size.network}": size.installed for size in sizes if size.installed}
    digests = {each.name: each.digest for start in candidates for each in start.pretrained}
    fingerprint = options.fingerprint(read, list(digests.values()), len(splits[0].train))
    repeat = "fold" if splits[0].fold else "seed"
    path = (partial_folder(out) / "history.csv").absolute()
    history = LiveHistory(path, repeat, bool(rows.task.classes))
    return FitStore(partial_folder(out) / "cells", fingerprint, resume=resume, history=history)


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


def fit_start(
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
    """Fit a network on a split, or read a stored fit; the prefix tells apart splits with the same seed."""
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
