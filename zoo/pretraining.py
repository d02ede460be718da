"""Train a backbone from a recipe."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from zoo import checkpoints, extensions, registry, stats, transfer
from zoo.card import Architecture as CardArchitecture
from zoo.card import Card, Hub, Training, describe_file
from zoo.card import Graph as CardGraph
from zoo.card import Result as CardResult
from zoo.card import Rows as CardRows
from zoo.crystals import SYMBOLS
from zoo.elements import atom_table
from zoo.errors import InputError, UnknownNameError
from zoo.graphs import CrystalGraph, GraphSettings, build_graphs
from zoo.inference import choose_device, predict_scaled
from zoo.models.cgcnn import Architecture
from zoo.packing import PackedGraphs
from zoo.progress import progress
from zoo.scaling import TargetScaler
from zoo.selection import PARTS, select
from zoo.tables import Rejection, check_rejected, read_table, write_rejected
from zoo.training import Samples, fit

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo.contracts import Task
    from zoo.inference import Device
    from zoo.models.cgcnn import CGCNN
    from zoo.recipes import Recipe

MAX_UNREADABLE = 0.01
"""Fraction of the rows that a rule chose whose crystals may be unusable; they are reported and left out."""


@dataclass(frozen=True)
class Report:
    """Errors of a backbone on some rows, in the task's unit."""

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
    data: Path,
    out: Path,
    *,
    device: Device = "auto",
    resume: bool = False,
    quiet: bool = False,
) -> list[Report]:
    """Train a backbone and write its checkpoint folder.

    Parameters
    ----------
    recipe : Recipe
    data : Path
        Table with all ids of the recipe, or the columns that its rule names.
    out : Path
        Folder of the checkpoint; appears whole or not at all. The work is in ``OUT.partial`` until then, from
        where `resume` goes on. Beside weights, config and card it holds ``splits.json``, the ids of each part,
        and ``rejected.csv`` if rows that were wanted could not be used.

    Returns
    -------
    list of Report
        For the training, validation and test rows; of each, the subsets first.

    Raises
    ------
    InputError
        If the table lacks a row of the recipe, or `out` exists, or an unfinished run is in the way.
    """
    partial = out.with_name(out.name + ".partial")
    if out.exists():
        raise InputError(f"{out} exists; give another --out, or remove it")
    if partial.exists() and not resume:
        raise InputError(f"{partial} holds an unfinished run; give --resume to go on with it, or remove it")
    task = extensions.task(recipe.task)
    features = atom_table()
    if recipe.network.atom_features != features.shape[1]:
        raise InputError(
            f"{recipe.path}: network.atom_features: must be {features.shape[1]}, the columns of zoo's element table"
        )
    rows = _read_rows(recipe, data, task, quiet=quiet)
    train = rows.parts["train"]
    scaler = TargetScaler.fit(rows.targets[train], task.transform)
    architecture = Architecture(**recipe.network.model_dump(exclude={"network"}))
    network = transfer.scratch(architecture, torch.from_numpy(features.copy()), recipe.seed)
    (partial / "work").mkdir(parents=True, exist_ok=True)
    _begin(partial / "begun.json", {"recipe": recipe.digest, "table": rows.sha256})
    with progress("pretraining", recipe.fit.epochs, "epochs", quiet=quiet) as bar:
        fit(
            network,
            Samples(rows.graphs, rows.targets, train),
            Samples(rows.graphs, rows.targets, rows.parts["validation"]),
            scaler,
            recipe.fit.settings(),
            seed=recipe.seed,
            workdir=partial / "work",
            device=device,
            resume=resume,
            on_epoch=lambda row, epochs: bar.advance(epochs, f"validation MAE {row['validation_mae']:.4f} {task.unit}"),
        )
    reports = _measure(network, rows, scaler, choose_device(device))
    checkpoint = checkpoints.describe(
        [checkpoints.Member(network.cpu(), scaler, recipe.seed)],
        name=recipe.name,
        target=task.target,
        unit=task.unit,
        task=task.name,
        graph=GraphSettings(**recipe.graph.model_dump()),
        elements=_elements(rows.graphs, train),
        provenance={
            "recipe": recipe.model_dump(mode="json"),
            "recipe_sha256": recipe.digest,
            "rows": {part: len(positions) for part, positions in rows.parts.items()},
            "errors": {report.name: report.errors for report in reports},
        },
    )
    shutil.rmtree(partial / "work")
    (partial / "begun.json").unlink()
    checkpoints.save(checkpoint, partial)
    ids = {part: [rows.ids[position] for position in positions] for part, positions in rows.parts.items()}
    (partial / "splits.json").write_text(checkpoints.to_json(ids), encoding="utf-8")
    if rows.rejected:
        write_rejected(rows.rejected, partial / "rejected.csv")
    (partial / "README.md").write_text(_card(recipe, checkpoint, reports, partial, data).render(), encoding="utf-8")
    partial.rename(out)
    return reports


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a pretraining as graphs with targets; parts and subsets as positions in them."""

    ids: list[str]
    graphs: PackedGraphs
    targets: NDArray[np.float64]
    parts: dict[str, NDArray[np.int64]]
    subsets: dict[str, NDArray[np.bool_]]
    rejected: list[Rejection]
    sha256: str


def _read_rows(recipe: Recipe, data: Path, task: Task, *, quiet: bool) -> _Rows:
    selection = select(recipe, data, task)
    # A list of ids is a promise; a rule takes what there is, and says what could not be used.
    tolerated = 0.0 if recipe.data.ids is not None else MAX_UNREADABLE
    table = read_table(data, task, only=frozenset(selection.ids), max_rejected=tolerated)
    by_id = {record.id: record for record in table.records}
    records = [by_id[name] for name in selection.ids if name in by_id]
    rejected = list(table.rejected)
    graphs: list[CrystalGraph] = []
    kept: dict[str, float] = {}
    settings = GraphSettings(**recipe.graph.model_dump())
    with progress("building graphs", len(records), "crystals", quiet=quiet) as bar:
        built = build_graphs((record.crystal for record in records), settings)
        for record, graph in zip(records, built, strict=True):
            bar.advance()
            if isinstance(graph, InputError):
                rejected.append(Rejection(record.file, record.row, record.id, "structure", "", str(graph)))
                continue
            graphs.append(graph)
            kept[record.id] = float(record.target or 0.0)
    check_rejected(replace(table, records=records[: len(kept)], rejected=rejected), tolerated)
    positions = {name: position for position, name in enumerate(kept)}
    return _Rows(
        list(kept),
        PackedGraphs.pack(graphs),
        np.array(list(kept.values())),
        {part: np.array([positions[n] for n in selection.parts[part] if n in positions]) for part in PARTS},
        {subset: np.array([name in ids for name in kept]) for subset, ids in selection.subsets.items()},
        rejected,
        table.sha256,
    )


def _measure(network: CGCNN, rows: _Rows, scaler: TargetScaler, device: str) -> list[Report]:
    reports = []
    for part, positions in rows.parts.items():
        predicted = scaler.unscale(predict_scaled(network, rows.graphs, positions, device=device))
        truth = rows.targets[positions]
        for subset, member in (*rows.subsets.items(), ("", np.ones(len(rows.ids), dtype=bool))):
            chosen = member[positions]
            if chosen.any():
                errors = stats.errors(truth[chosen], predicted[chosen])
                reports.append(Report(part, subset, int(chosen.sum()), errors))
    return reports


def _elements(graphs: PackedGraphs, rows: NDArray[np.int64]) -> list[str]:
    return sorted(SYMBOLS[number] for number in np.unique(graphs.select(rows).numbers))


def _begin(note: Path, inputs: dict[str, str]) -> None:
    """Note what the work was begun with; refuse to go on with something else."""
    if note.exists():
        before = json.loads(note.read_text(encoding="utf-8"))
        changed = [name for name in inputs if before.get(name) != inputs[name]]
        if changed:
            raise InputError(
                f"{note.parent} was begun with another {' and another '.join(changed)}; "
                "give the same to resume, or another --out"
            )
    note.write_text(checkpoints.to_json(inputs), encoding="utf-8")


def _card(
    recipe: Recipe,
    checkpoint: checkpoints.Checkpoint,
    reports: list[Report],
    folder: Path,
    data: Path,
) -> Card:
    """Return the backbone's card: the registered one with what was measured, or a new one."""
    task, config = extensions.task(recipe.task), checkpoint.config
    counts = {report.part: report.rows for report in reports if not report.subset}
    command = f"zoo pretrain {recipe.path.name if recipe.path.is_absolute() else recipe.path} --data {data.name}"
    results = [
        CardResult(
            metric=metric,
            value=round(report.errors[metric], 4),
            unit="" if metric == "r2" else task.unit,
            rows=f"{report.rows:,} {report.part} rows" + (f", {report.subset}" if report.subset else ""),
            n=report.rows,
            command=command,
        )
        for report in sorted(reports, key=lambda each: each.part)  # test rows first: the first MAE is the headline
        if report.part != "train"
        for metric in ("mae", "rmse", "r2")
        if np.isfinite(report.errors[metric])  # R² of equal targets does not exist
    ]
    try:
        card = registry.get(recipe.name)
    except UnknownNameError:
        card = Card(
            name=recipe.name,
            title=f"{task.name} pretrained on {counts['train']:,} rows",
            repo_id=f"local/{recipe.name}",
            target=task.target,
            unit=task.unit,
            transform=task.transform,
            training=Training(source=recipe.data.source or data.name, license="that of the data"),
            hub=Hub(license="other", pipeline_tag="graph-ml", metrics=["mae"]),
            body=f"# {recipe.name}\n\nPretrained by `{command}`.",
        )
    rows = CardRows(train=counts["train"], val=counts["validation"], test=counts["test"])
    return card.model_copy(
        update={
            "files": [describe_file(folder / name) for name in (checkpoints.WEIGHTS, checkpoints.CONFIG)],
            "architecture": CardArchitecture(**config.architecture.model_dump(exclude={"gaussian_end"})),
            "graph": CardGraph(**config.graph.model_dump()),
            "elements": config.elements,
            "training": card.training.model_copy(update={"rows": rows}),
            "results": results,
            "command": command,
        }
    )
