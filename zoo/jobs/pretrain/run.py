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
from zoo.data.crystal import SYMBOLS
from zoo.data.elements import atom_table
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.data.sources import materials_project
from zoo.data.tables.rejections import write_rejected
from zoo.errors import InputError
from zoo.jobs.pretrain.card import SPLITS, describe_backbone, measure, training_command
from zoo.jobs.pretrain.rows import read_rows, select
from zoo.jobs.pretrain.start import check_rows, initial_network, load
from zoo.jobs.pretrain.start import provenance as start_provenance
from zoo.models.checkpoint import networks
from zoo.training import distributed, transfer
from zoo.training.fit import fit
from zoo.training.interruptions import MINUTES
from zoo.training.loader import Samples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo._utils.devices import Device
    from zoo._utils.progress import Bar
    from zoo.data.graphs.packing import PackedGraphs
    from zoo.jobs.pretrain.card import Report
    from zoo.jobs.pretrain.recipe import Recipe


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
        Tables with all ids of the recipe, or the columns that its rule names. If empty, the recipe's database is
        asked for the table, which is then kept in zoo's cache.
    out : Path
        Folder of the checkpoint; appears whole or not at all. The work is in ``OUT.partial`` until then, from
        where `resume` continues. Beside weights, config and card it holds ``splits.json``, the ids of each part,
        and ``rejected.csv`` if rows that were wanted could not be used.
    device : {"auto", "cpu", "cuda"}
    devices, nodes : int
        See :func:`zoo.training.fit.fit`. This function runs in every process; all but the first return nothing.
    resume : bool
    save_minutes : float
        Between the checkpoints from which `resume` continues.
    quiet : bool

    Returns
    -------
    list of Report
        For each target, for the training, validation and test rows; of each, the subsets first.

    Raises
    ------
    InputError
        If the tables lack a row of the recipe, or `out` exists, or an unfinished run is in the way.
    SourceError
        If the table must be fetched and cannot be.
    """
    distributed.check(devices, nodes)
    first = distributed.first()
    with resuming.exclusive(out) if first else nullcontext():
        return _pretrain(
            recipe, data, out, device, devices, nodes, save_minutes, first=first, resume=resume, quiet=quiet
        )


def _pretrain(
    recipe: Recipe,
    data: Sequence[Path],
    out: Path,
    device: Device,
    devices: int,
    nodes: int,
    save_minutes: float,
    *,
    first: bool,
    resume: bool,
    quiet: bool,
) -> list[Report]:
    partial = out.with_name(out.name + ".partial")
    if out.exists():
        raise InputError(f"{out} exists; give another --out, or remove it")
    if first and partial.exists() and not resume:
        raise InputError(f"{partial} holds an unfinished run; give --resume to continue it, or remove it")
    tasks = recipe.tasks
    features = atom_table()
    if recipe.network.atom_features != features.shape[1]:
        raise InputError(
            f"{recipe.path}: network.atom_features: must be {features.shape[1]}, the columns of zoo's element table"
        )
    used = choose_device(device)
    if used == "cuda" and devices > (there := torch.cuda.device_count()):
        raise InputError(f"--devices {devices}: this machine has {there} GPU(s)")
    architecture = recipe.network.sizes
    starts = load(recipe, architecture)
    origin = start_provenance(starts)  # now, as the folders may have changed by the end of a long training
    command = training_command(recipe, data, devices, nodes)
    data = data or [_fetched(recipe, quiet=quiet or not first)]
    selection = select(recipe, data)
    check_rows(recipe, starts, [*selection.parts["validation"], *selection.parts["test"]])
    rows = read_rows(recipe, selection, data, quiet=quiet or not first)
    train = rows.parts["train"]
    scalers = [
        TargetScaler.fit(column[np.isfinite(column)], task.transform)
        for task, column in zip(tasks, rows.targets[train].T, strict=True)
    ]
    if starts:
        network = initial_network(recipe, starts, architecture)
    else:
        network = transfer.scratch(architecture, torch.from_numpy(features.copy()), recipe.seed)
    settings = recipe.fit.settings(used)
    if first:
        partial.mkdir(parents=True, exist_ok=True)
        how = {"processes": devices * nodes, "precision": settings.precision, **origin}
        given = {"recipe": recipe.model_dump(mode="json"), "table": rows.sha256, **how}
        resuming.check_settings(partial / "begun.json", given)
        (partial / "work").mkdir(exist_ok=True)
    with progress("pretraining", recipe.fit.epochs, "epochs", quiet=quiet or not first) as bar:
        fit(
            network,
            Samples(rows.graphs, rows.targets, train),
            Samples(rows.graphs, rows.targets, rows.parts["validation"]),
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
    if not first:
        return []
    reports = measure(network, rows, tasks, scalers, used)
    checkpoint = networks.describe(
        [networks.Member(network.cpu(), scalers[0], recipe.seed, tuple(scalers[1:]))],
        name=recipe.name,
        targets=[networks.target(task.target, task) for task in tasks],
        graph=GraphSettings(**recipe.graph.model_dump()),
        elements=_elements(rows.graphs, train),
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
    done = partial / "done"  # beside the work, so that a full disk does not lose the training
    try:
        shutil.rmtree(done, ignore_errors=True)
        done.mkdir()
        networks.save(checkpoint, done)
        ids = {part: [rows.ids[position] for position in positions] for part, positions in rows.parts.items()}
        (done / SPLITS).write_text(networks.to_json(ids), encoding="utf-8")
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
    """Shows the epochs of a fit on a progress bar; those before a resume are skipped."""

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


def _elements(graphs: PackedGraphs, rows: NDArray[np.int64]) -> list[str]:
    return sorted(SYMBOLS[number] for number in np.unique(graphs.select(rows).numbers))
