"""Train a backbone from a recipe."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from zoo._utils import resuming
from zoo._utils.devices import choose_device
from zoo._utils.progress import progress
from zoo.analysis import metrics
from zoo.data.crystal import SYMBOLS
from zoo.data.elements import atom_table
from zoo.data.graphs import store
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.scaling import TargetScaler
from zoo.data.sources import materials_project
from zoo.data.sources.materials_project import provenance
from zoo.data.tables.rejections import check_rejected_fraction, write_rejected
from zoo.errors import InputError, UnknownNameError
from zoo.jobs.pretrain import start as starting
from zoo.jobs.pretrain.rows import PARTS, select
from zoo.models.checkpoint import networks, weights
from zoo.models.inference import predict_scaled
from zoo.registry import backbones
from zoo.registry.cards import Card, CardArchitecture, CardGraph, CardResult, CardRows, Hub, Training, describe_file
from zoo.training import distributed, transfer
from zoo.training.fit import fit
from zoo.training.interruptions import MINUTES
from zoo.training.loader import Samples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo._utils.devices import Device
    from zoo.data.tables.records import Rejection
    from zoo.jobs.pretrain.recipe import Recipe
    from zoo.jobs.pretrained import Pretrained
    from zoo.models.cgcnn import CGCNN
    from zoo.models.checkpoint.schema import Config
    from zoo.registry.contracts import Task

SPLITS = "splits.json"
"""The identifiers of each part, beside the weights."""

MAX_UNREADABLE = 0.01
"""Fraction of the rows that a rule chose whose crystals may be unusable; they are reported and left out."""


@dataclass(frozen=True)
class Report:
    """Errors of a backbone on some rows, in the task's unit."""

    task: Task
    part: str
    subset: str
    rows: int
    errors: dict[str, float]

    @property
    def name(self) -> str:
        """What the rows are called: ``"test"``, or ``"test, pbe"`` for a subset."""
        return f"{self.part}, {self.subset}" if self.subset else self.part


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
        where `resume` goes on. Beside weights, config and card it holds ``splits.json``, the ids of each part,
        and ``rejected.csv`` if rows that were wanted could not be used.
    device : {"auto", "cpu", "cuda"}
    devices, nodes : int
        See :func:`zoo.training.fit.fit`. This function runs in every process; all but the first return nothing.
    resume : bool
    save_minutes : float
        Between the checkpoints from which `resume` goes on.
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
        raise InputError(f"{partial} holds an unfinished run; give --resume to go on with it, or remove it")
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
    starts = starting.load(recipe, architecture)
    begins = starting.provenance(starts)  # now: by the end of a long training the folders may be others
    command = _command(recipe, data, devices, nodes)
    data = data or [_fetched(recipe, quiet=quiet or not first)]
    rows = _read_rows(recipe, data, starts, quiet=quiet or not first)
    train = rows.parts["train"]
    scalers = [
        TargetScaler.fit(column[np.isfinite(column)], task.transform)
        for task, column in zip(tasks, rows.targets[train].T, strict=True)
    ]
    if starts:
        network = starting.initial_network(recipe, starts, architecture)
    else:
        network = transfer.scratch(architecture, torch.from_numpy(features.copy()), recipe.seed)
    settings = recipe.fit.settings(used)
    if first:
        partial.mkdir(parents=True, exist_ok=True)
        how = {"processes": devices * nodes, "precision": settings.precision, **begins}
        given = {"recipe": recipe.model_dump(mode="json"), "table": rows.sha256, **how}
        resuming.check_settings(partial / "begun.json", given)
        (partial / "work").mkdir(exist_ok=True)
    told = [0.0]
    with progress("pretraining", recipe.fit.epochs, "epochs", quiet=quiet or not first) as bar:

        def tell(row: dict[str, float], epochs: int) -> None:
            bar.skip(row["epoch"] - epochs - told[-1])  # what was done before a resume
            told.append(row["epoch"])
            bar.advance(epochs, f"validation MAE {row['validation_mae']:.4f} {tasks[0].unit}")

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
            on_epoch=tell,
        )
    if not first:
        return []
    reports = _measure(network, rows, tasks, scalers, used)
    checkpoint = networks.describe(
        [networks.Member(network.cpu(), scalers[0], recipe.seed, tuple(scalers[1:]))],
        name=recipe.name,
        targets=[networks.target(task.target, task) for task in tasks],
        graph=GraphSettings(**recipe.graph.model_dump()),
        elements=_elements(rows.graphs, train),
        provenance={
            "recipe": recipe.model_dump(mode="json"),
            "recipe_sha256": recipe.digest,
            **begins,
            "device": used,
            "processes": devices * nodes,
            "precision": settings.precision,
            "tables": [note for note in map(provenance, data) if note],
            "rows": {part: len(positions) for part, positions in rows.parts.items()},
            "errors": {
                report.name if report.task == tasks[0] else f"{report.task.target}: {report.name}": report.errors
                for report in reports
            },
        },
    )
    done = partial / "done"  # beside the work, so that a disk that is full now costs no training
    try:
        shutil.rmtree(done, ignore_errors=True)
        done.mkdir()
        networks.save(checkpoint, done)
        ids = {part: [rows.ids[position] for position in positions] for part, positions in rows.parts.items()}
        (done / SPLITS).write_text(networks.to_json(ids), encoding="utf-8")
        if rows.rejected:
            write_rejected(rows.rejected, done / "rejected.csv")
        (done / "README.md").write_text(_card(recipe, checkpoint, reports, done, command).render(), encoding="utf-8")
        done.rename(out)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{out} cannot be written: {reason}; free some space, then go on with --resume") from error
    shutil.rmtree(partial)
    return reports


@dataclass(frozen=True, eq=False)
class _Rows:
    """The graphs of all tables with the recipe's targets, (C, T); parts and subsets as positions in them."""

    ids: list[str]
    graphs: PackedGraphs
    targets: NDArray[np.float64]
    parts: dict[str, NDArray[np.int64]]
    subsets: dict[str, NDArray[np.bool_]]
    rejected: list[Rejection]
    sha256: str


def _fetched(recipe: Recipe, *, quiet: bool) -> Path:
    if recipe.data.fetch is None:
        raise InputError(f"{recipe.path} needs a table: give --data TABLE")
    return materials_project.cached(recipe.data.fetch.fields, quiet=quiet)


def _command(recipe: Recipe, data: Sequence[Path], devices: int, nodes: int) -> str:
    """Return the command that trains this again; a step has a batch of crystals on each device."""
    name = recipe.path.name if recipe.path.is_absolute() else str(recipe.path)
    numbers = {"--devices": devices, "--num-nodes": nodes}
    more = [f"{option} {number}" for option, number in numbers.items() if number > 1]
    return " ".join(["zoo pretrain", name, *(f"--data {path.name}" for path in data), *more])


def _read_rows(recipe: Recipe, data: Sequence[Path], starts: Sequence[Pretrained], *, quiet: bool) -> _Rows:
    selection = select(recipe, data)
    starting.check_rows(recipe, starts, [*selection.parts["validation"], *selection.parts["test"]])
    # A list of ids is a promise; a rule takes what there is, and says what could not be used.
    tolerated = 0.0 if recipe.data.ids is not None else MAX_UNREADABLE
    settings = GraphSettings(**recipe.graph.model_dump())
    parts: list[PackedGraphs] = []
    ids: list[str] = []
    positions: dict[str, int] = {}
    rejected: list[Rejection] = []
    digests = []
    for position, path in enumerate(data):
        wanted = frozenset(name for name in selection.ids if selection.tables[name] == position)
        if not wanted:
            raise InputError(f"{path}: no row of it is one of {recipe.name}; leave it out")
        table = store.table_graphs(path, settings, quiet=quiet)
        found = {name: len(ids) + index for index, name in enumerate(table.ids) if name in wanted}
        refused = [rejection for rejection in table.rejected if rejection.id in wanted]
        check_rejected_fraction(path, len(found), refused, tolerated, limit="that a recipe tolerates")
        parts.append(table.graphs)
        ids += table.ids
        positions |= found
        rejected += refused
        digests.append(table.sha256)
    targets = np.full((len(ids), len(recipe.tasks)), np.nan)
    for name, index in positions.items():
        targets[index] = selection.targets[name]
    return _Rows(
        ids,
        parts[0] if len(parts) == 1 else PackedGraphs.join(parts),
        targets,
        {part: np.array([positions[n] for n in selection.parts[part] if n in positions]) for part in PARTS},
        {subset: np.array([name in members for name in ids]) for subset, members in selection.subsets.items()},
        rejected,
        " ".join(digests),
    )


def _measure(
    network: CGCNN, rows: _Rows, tasks: Sequence[Task], scalers: Sequence[TargetScaler], device: str
) -> list[Report]:
    reports = []
    for index, (task, scaler) in enumerate(zip(tasks, scalers, strict=True)):
        labelled = np.isfinite(rows.targets[:, index])
        predicted = np.full(len(rows.ids), np.nan)
        for part, positions in rows.parts.items():
            predicted[positions] = scaler.unscale(
                predict_scaled(network.single(index), rows.graphs, positions, device=device)
            )
            for subset, member in (*rows.subsets.items(), ("", np.ones(len(rows.ids), dtype=bool))):
                chosen = positions[(member & labelled)[positions]]
                if len(chosen):
                    errors = metrics.errors(rows.targets[chosen, index], predicted[chosen])
                    reports.append(Report(task, part, subset, len(chosen), errors))
    return reports


def _elements(graphs: PackedGraphs, rows: NDArray[np.int64]) -> list[str]:
    return sorted(SYMBOLS[number] for number in np.unique(graphs.select(rows).numbers))


def _beginning(config: Config) -> str:
    names = " and ".join(f"`{start['name']}` (SHA-256 {start['sha256'][:12]}…)" for start in config.provenance["start"])
    return names and f", beginning from {names}"


def _card(
    recipe: Recipe,
    checkpoint: networks.Checkpoint,
    reports: list[Report],
    folder: Path,
    command: str,
) -> Card:
    """Return the backbone's card: the registered one with what was measured, or a new one."""
    (task, *others), config = recipe.tasks, checkpoint.config
    counts = config.provenance["rows"]
    results = [
        CardResult(
            metric=metric,
            value=round(report.errors[metric], 4),
            unit="" if metric == "r2" else report.task.unit,
            target=None if report.task == task else report.task.target,
            rows=f"{report.rows:,} {report.part} rows" + (f", {report.subset}" if report.subset else ""),
            n=report.rows,
            command=command,
        )
        # Of each target the test rows first: the first MAE is the headline.
        for report in sorted(reports, key=lambda each: (recipe.tasks.index(each.task), each.part))
        if report.part != "train"
        for metric in ("mae", "rmse", "r2")
        if np.isfinite(report.errors[metric])  # R² of equal targets does not exist
    ]
    try:
        card = backbones.get(recipe.name)
    except UnknownNameError:
        card = Card(
            name=recipe.name,
            title=f"{task.name} pretrained on {counts['train']:,} rows",
            repo_id=f"local/{recipe.name}",
            target=task.target,
            unit=task.unit,
            transform=task.transform,
            training=Training(source=recipe.data.source or command, license="that of the data"),
            hub=Hub(license="other", pipeline_tag="graph-ml", metrics=["mae"]),
            body=f"# {recipe.name}\n\nPretrained by `{command}`{_beginning(config)}.",
        )
    rows = CardRows(train=counts["train"], val=counts["validation"], test=counts["test"])
    fetched = [f"{note['source']}, version {note['version']}" for note in config.provenance["tables"]]
    licenses = sorted({note["license"] for note in config.provenance["tables"]})
    origin = {"source": " and ".join(fetched), "license": " and ".join(licenses)} if fetched else {}
    # Paths beside the registered card do not lead anywhere here.
    recipe_of = None if isinstance(card.training.recipe, str) else card.training.recipe
    training = {"rows": rows, "ids": SPLITS, "recipe": recipe_of, **origin}
    return card.model_copy(
        update={
            "revision": None,
            "bundled": False,
            "files": [describe_file(folder / name) for name in (weights.WEIGHTS_FILE, weights.CONFIG_FILE)],
            "architecture": CardArchitecture(**config.architecture.model_dump(exclude={"gaussian_end"})),
            "graph": CardGraph(**config.graph.model_dump()),
            "elements": config.elements,
            "training": card.training.model_copy(update=training),
            "results": results,
            "other_targets": [each.target for each in others],
            "command": command,
        }
    )
