"""Train a backbone from a recipe."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

from zoo._utils import resuming
from zoo._utils.devices import choose_device
from zoo._utils.progress import progress
from zoo.analysis import known_crystals
from zoo.data.crystal import MAX_ATOMIC_NUMBER, SYMBOLS
from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.data.sources import materials_project
from zoo.data.tables.rejections import write_rejected
from zoo.errors import InputError, PluginError
from zoo.jobs.pretrain.card import SPLITS, describe_backbone, measure, training_command
from zoo.jobs.pretrain.rows import read_crystals, read_rows, select
from zoo.jobs.pretrain.start import check_rows, initial_network, load
from zoo.jobs.pretrain.start import provenance as start_provenance
from zoo.models.checkpoint import networks
from zoo.models.outline import outline
from zoo.registry.backbones import CRYSTALS_FILE
from zoo.training import distributed, transfer
from zoo.training.batches import LabelledGraphs
from zoo.training.fit import fit
from zoo.training.snapshots import MINUTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo._utils.devices import Device
    from zoo._utils.progress import Bar
    from zoo.data.graphs.packing import PackedGraphs
    from zoo.jobs.pretrain.card import Report
    from zoo.jobs.pretrain.recipe import Recipe
    from zoo.jobs.pretrain.rows import PretrainingRows
    from zoo.jobs.pretrained import Pretrained


def pretrain(
    recipe: Recipe,
    data: Sequence[Path],
    out: Path,
    *,
    device: Device = "auto",
    devices: int = 1,
    nodes: int = 1,
    resume: bool = False,
    save_minutes: float = MINUTES,
    quiet: bool = False,
) -> list[Report]:
    """Train a backbone and write its checkpoint folder.

    Parameters
    ----------
    recipe : Recipe
    data : sequence of Path
        Tables with all ids of the recipe, or with the columns that its rule needs. If empty, the table is fetched from
        the recipe's database and kept in zoo's cache.
    out : Path
        Folder of the checkpoint. It is created only once training is complete; intermediate files are in
        ``OUT.partial``, from which `resume` continues. In addition to weights, config and card it contains
        ``splits.json`` with the ids of each part, ``crystals.safetensors.gz``, by which the training crystals are
        recognised (:mod:`zoo.analysis.known_crystals`), and ``rejected.csv`` if selected rows could not be used.
    device : {"auto", "cpu", "cuda"}
    devices, nodes : int
        Number of devices per machine, and number of machines. On a single machine, the command of this process is run
        once per device, as by torchrun; on several machines, the process must be started by torchrun. Only the main
        process returns reports.
    resume : bool
        Continue an interrupted training.
    save_minutes : float
        Minutes between the snapshots from which `resume` continues.
    quiet : bool
        Show no progress.

    Returns
    -------
    list of Report
        Errors of each target on the training, validation and test rows; for each part, the subsets come first.

    Raises
    ------
    InputError
        If a row of the recipe is missing from the tables, or `out` or an unfinished run exists.
    PluginError
        If the recipe's network is that of another package and breaks the contract of networks.
    SourceError
        If the table cannot be fetched from the database.
    """
    distributed.check_launch(devices, nodes)
    main = distributed.is_main_process()
    if devices > 1 and distributed.launched() is None:
        # Check the inputs and build the graphs once, before the processes are started.
        _check(recipe, out, device, devices, begin=not resume)
        starts = load(recipe)
        _read(recipe, data or [_fetched(recipe, quiet=quiet)], starts, quiet=quiet)
        distributed.run_on_devices(devices)
        return []
    with resuming.exclusive(out) if main else nullcontext():
        return _pretrain(recipe, data, out, device, devices, nodes, save_minutes, main=main, resume=resume, quiet=quiet)


def _check(recipe: Recipe, out: Path, device: Device, devices: int, *, begin: bool) -> None:
    """Check the request before any table is read; with `begin`, an unfinished run is an error."""
    partial = out.with_name(out.name + ".partial")
    if out.exists():
        raise InputError(f"{out} exists; give another --out, or remove it")
    if begin and partial.exists():
        raise InputError(f"{partial} holds an unfinished run; give --resume to continue it, or remove it")
    if begin and recipe.network.package:
        _check_contract(recipe)
    features, columns = outline(recipe.network.body).atom_features, atom_table().shape[1]
    if features not in (0, columns):
        raise InputError(f"{recipe.path}: network.atom_features: must be {columns}, the columns of zoo's element table")
    if choose_device(device) == "cuda" and devices > (there := torch.cuda.device_count()):
        raise InputError(f"--devices {devices}: this machine has {there} GPU(s)")


def _check_contract(recipe: Recipe) -> None:
    """Check a network of another package before it is trained for hours; it takes a second."""
    from zoo.testing import check_network, crystals

    plugin = recipe.network.plugin
    taken = set(plugin.elements or range(1, MAX_ATOMIC_NUMBER + 1))
    known = [each for each in crystals().values() if taken.issuperset(each.atomic_numbers)]
    if not known:  # it is made for other elements, and no crystal of those is at hand
        return
    try:
        with torch.random.fork_rng(devices=[]):
            check_network(plugin, known, recipe.network.settings)
    except AssertionError as error:
        raise PluginError(f"{recipe.path}: {error}; it was not trained") from error


def _pretrain(
    recipe: Recipe,
    data: Sequence[Path],
    out: Path,
    device: Device,
    devices: int,
    nodes: int,
    save_minutes: float,
    *,
    main: bool,
    resume: bool,
    quiet: bool,
) -> list[Report]:
    _check(recipe, out, device, devices, begin=main and not resume)
    partial = out.with_name(out.name + ".partial")
    tasks, used = recipe.tasks, choose_device(device)
    if many := [task.name for task in tasks if len(task.classes) > 2]:
        raise InputError(f"{recipe.name}: the task {many[0]} has more than two classes; a backbone learns numbers")
    starts = load(recipe)
    origin = start_provenance(starts)  # read now, as the folders may change during a long training
    command = training_command(recipe, data, devices, nodes)
    data = data or [_fetched(recipe, quiet=quiet or not main)]
    rows = _read(recipe, data, starts, quiet=quiet or not main)
    train = rows.parts["train"]
    scalers = [
        TargetScaler.fit(column[np.isfinite(column)], task.transform)
        for task, column in zip(tasks, rows.targets[train].T, strict=True)
    ]
    network = initial_network(recipe, starts) if starts else transfer.scratch(recipe.network, None, recipe.seed)
    settings = recipe.fit.settings(used)
    if main:
        partial.mkdir(parents=True, exist_ok=True)
        how = {"processes": devices * nodes, "precision": settings.precision, **origin}
        given = {"recipe": recipe.model_dump(mode="json"), "table": rows.sha256, **how}
        resuming.check_settings(partial / "begun.json", given)
        (partial / "work").mkdir(exist_ok=True)
    with progress("pretraining", recipe.fit.epochs, "epochs", quiet=quiet or not main) as bar:
        fit(
            network,
            LabelledGraphs(rows.graphs, rows.targets, train),
            LabelledGraphs(rows.graphs, rows.targets, rows.parts["validation"]),
            scalers,
            settings,
            seed=recipe.seed,
            workdir=partial / "work",
            balance=recipe.fit.balance,
            device=device,
            devices=devices,
            nodes=nodes,
            resume=resume,
            save_minutes=save_minutes,
            on_epoch=_EpochProgress(bar, tasks[0].unit),
        )
    if not main:
        return []
    if recipe.weights == "float16":
        networks.round_to_half(network)
    reports = measure(network, rows, tasks, scalers, used)
    checkpoint = networks.describe(
        [networks.Member(network.cpu(), scalers[0], recipe.seed, tuple(scalers[1:]))],
        name=recipe.name,
        # A class among several properties is learned as a number: 1 for the second of two classes.
        targets=[networks.target(task.target, task, as_number=True) for task in tasks],
        graph=GraphSettings(**recipe.graph.model_dump()),
        elements=_elements(rows.graphs, train),
        weights=recipe.weights,
        provenance={
            "recipe": recipe.model_dump(mode="json"),
            "recipe_sha256": recipe.digest,
            **origin,
            "device": used,
            "processes": devices * nodes,
            "precision": settings.precision,
            "tables": [note for note in map(materials_project.provenance, data) if note],
            "rows": {part: len(positions) for part, positions in rows.parts.items()},
            "errors": {
                report.name if report.task == tasks[0] else f"{report.task.target}: {report.name}": report.errors
                for report in reports
            },
        },
    )
    done = partial / "done"  # in the work folder, so that the training is not lost if the disk is full
    try:
        shutil.rmtree(done, ignore_errors=True)
        done.mkdir()
        networks.save(checkpoint, done)
        ids = {part: [rows.ids[position] for position in positions] for part, positions in rows.parts.items()}
        (done / SPLITS).write_text(networks.to_json(ids), encoding="utf-8")
        known_crystals.KnownCrystals.build(read_crystals(data, ids["train"])).write(done / CRYSTALS_FILE)
        if rows.rejected:
            write_rejected(rows.rejected, done / "rejected.csv")
        (done / "README.md").write_text(
            describe_backbone(recipe, checkpoint.config, reports, done, command).render(), encoding="utf-8"
        )
        done.rename(out)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{out} cannot be written: {reason}; free some space, then continue with --resume") from error
    shutil.rmtree(partial)
    return reports


class _EpochProgress:
    """Show the epochs of a fit on a progress bar; epochs before a resume are skipped."""

    def __init__(self, bar: Bar, unit: str) -> None:
        self.bar, self.unit, self.last = bar, unit, 0.0

    def __call__(self, row: dict[str, float], epochs: int) -> None:
        self.bar.skip(row["epoch"] - epochs - self.last)
        self.last = row["epoch"]
        self.bar.advance(epochs, f"validation MAE {row['validation_mae']:.4f} {self.unit}")


def _fetched(recipe: Recipe, *, quiet: bool) -> Path:
    if recipe.data.fetch is None:
        raise InputError(f"{recipe.path} needs a table: give --data TABLE")
    return materials_project.cached(recipe.data.fetch.fields, quiet=quiet)


def _read(recipe: Recipe, data: Sequence[Path], starts: Sequence[Pretrained], *, quiet: bool) -> PretrainingRows:
    selection = select(recipe, data)
    check_rows(recipe, starts, [*selection.parts["validation"], *selection.parts["test"]])
    return read_rows(recipe, selection, data, quiet=quiet)


def _elements(graphs: PackedGraphs, rows: NDArray[np.int64]) -> list[str]:
    return sorted(SYMBOLS[number] for number in np.unique(graphs.select(rows).numbers))
