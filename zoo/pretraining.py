"""Train a backbone from a recipe."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo import checkpoints, extensions, registry, stats, transfer
from zoo.card import Architecture as CardArchitecture
from zoo.card import Card, Hub, Line, Name, Training, describe_file
from zoo.card import Graph as CardGraph
from zoo.card import Result as CardResult
from zoo.card import Rows as CardRows
from zoo.checkpoints import ArchitectureConfig, GraphConfig
from zoo.elements import atom_table
from zoo.errors import InputError, UnknownNameError
from zoo.graphs import CrystalGraph, GraphSettings, PackedGraphs, build_graphs
from zoo.inference import choose_device, predict_scaled
from zoo.models.cgcnn import Architecture
from zoo.progress import progress
from zoo.scaling import TargetScaler
from zoo.tables import read_table
from zoo.training import FitSettings, Precision, Samples, fit

if TYPE_CHECKING:
    from zoo.inference import Device

PARTS = ("train", "validation", "test")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataRecipe(_Strict):
    """Which rows: a JSON file with the ids of each part, relative to the recipe."""

    ids: str
    source: Line | Literal[""] = ""


class FitRecipe(_Strict):
    """See :class:`zoo.training.FitSettings`."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    average: float | None = Field(default=None, gt=0, lt=1)
    patience: int | None = None
    clip: float = Field(default=1.0, gt=0)
    precision: Precision = "32-true"


class Recipe(_Strict):
    """A complete description of a pretraining.

    Parameters
    ----------
    name : str
        Name of the backbone.
    task : str
        Name of the property that it is trained on.
    seed : int
        Of the initial weights and the order of batches.
    """

    name: Name
    task: str
    seed: int = Field(ge=0)
    data: DataRecipe
    network: ArchitectureConfig
    graph: GraphConfig
    fit: FitRecipe
    path: Path = Field(default=Path(), exclude=True)
    digest: str = Field(default="", exclude=True)

    @property
    def unit(self) -> str:
        """Unit of the task."""
        return extensions.task(self.task).unit


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    InputError
        If the file is missing, no TOML, or has an unknown, missing or impossible key; names it.
    """
    try:
        raw = path.read_bytes()
        recipe = Recipe.model_validate(tomllib.loads(raw.decode()))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
    return recipe.model_copy(update={"path": path, "digest": hashlib.sha256(raw).hexdigest()})


def pretrain(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    device: Device = "auto",
    resume: bool = False,
    quiet: bool = False,
) -> list[tuple[str, int, dict[str, float]]]:
    """Train a backbone and write its checkpoint folder.

    Parameters
    ----------
    recipe : Recipe
    data : Path
        Table with all ids of the recipe.
    out : Path
        Folder of the checkpoint; appears whole or not at all. The work is in ``OUT.partial`` until then, from
        where `resume` goes on.

    Returns
    -------
    list of (part, number of rows, errors)
        For the training, validation and test rows, in the task's unit.

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
    ids = _read_ids(recipe)
    wanted = [name for part in PARTS for name in ids[part]]
    table = read_table(data, task, only=frozenset(wanted), max_rejected=0.0)
    by_id = {record.id: record for record in table.records}
    missing = [name for name in wanted if name not in by_id]
    if missing:
        raise InputError(
            f"{data} lacks {len(missing)} of the {len(wanted)} rows of {recipe.name}, the first: {missing[0]}"
        )
    records = [by_id[name] for name in wanted]
    settings = GraphSettings(recipe.graph.cutoff, recipe.graph.neighbors, recipe.graph.ties)
    graphs: list[CrystalGraph] = []
    with progress("building graphs", len(records), "crystals", quiet=quiet) as bar:
        built = build_graphs((record.crystal for record in records), settings)
        for record, graph in zip(records, built, strict=True):
            if isinstance(graph, InputError):
                raise InputError(f"{data}: {record.id}: {graph}")
            graphs.append(graph)
            bar.advance()
    packed, targets = (
        PackedGraphs.pack(graphs),
        np.array([record.target for record in records], dtype=np.float64),
    )
    ends = np.cumsum([0, *(len(ids[part]) for part in PARTS)])
    rows = {part: np.arange(ends[i], ends[i + 1]) for i, part in enumerate(PARTS)}
    scaler = TargetScaler.fit(targets[rows["train"]], task.transform)
    architecture = Architecture(**recipe.network.model_dump(exclude={"network"}))
    network = transfer.scratch(architecture, torch.from_numpy(features.copy()), recipe.seed)
    (partial / "work").mkdir(parents=True, exist_ok=True)
    _begin(partial / "begun.json", {"recipe": recipe.digest, "table": table.sha256})
    with progress("pretraining", recipe.fit.epochs, "epochs", quiet=quiet) as bar:
        fit(
            network,
            Samples(packed, targets, rows["train"]),
            Samples(packed, targets, rows["validation"]),
            scaler,
            FitSettings(**recipe.fit.model_dump()),
            seed=recipe.seed,
            workdir=partial / "work",
            device=device,
            resume=resume,
            on_epoch=lambda row, epochs: bar.advance(epochs, f"validation MAE {row['validation_mae']:.4f} {task.unit}"),
        )
    report = []
    for part in PARTS:
        outputs = predict_scaled(network, packed, rows[part], device=choose_device(device))
        report.append((part, len(rows[part]), stats.errors(targets[rows[part]], scaler.unscale(outputs))))
    checkpoint = checkpoints.describe(
        [checkpoints.Member(network.cpu(), scaler, recipe.seed)],
        name=recipe.name,
        target=task.target,
        unit=task.unit,
        task=task.name,
        graph=settings,
        elements=sorted({symbol for row in rows["train"] for symbol in records[row].crystal.elements}),
        provenance={
            "recipe": recipe.model_dump(mode="json"),
            "recipe_sha256": recipe.digest,
            "errors": {part: errors for part, _, errors in report},
        },
    )
    shutil.rmtree(partial / "work")
    (partial / "begun.json").unlink()
    checkpoints.save(checkpoint, partial)
    (partial / "README.md").write_text(_card(recipe, checkpoint, report, partial, data).render(), encoding="utf-8")
    partial.rename(out)
    return report


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
    report: list[tuple[str, int, dict[str, float]]],
    folder: Path,
    data: Path,
) -> Card:
    """Return the backbone's card: the registered one with what was measured, or a new one."""
    task, config = extensions.task(recipe.task), checkpoint.config
    counts = {part: rows for part, rows, _ in report}
    command = f"zoo pretrain {recipe.path.name if recipe.path.is_absolute() else recipe.path} --data {data.name}"
    results = [
        CardResult(
            metric=metric,
            value=round(errors[metric], 4),
            unit="" if metric == "r2" else task.unit,
            rows=f"{rows:,} {part} rows",
            n=rows,
            command=command,
        )
        for part, rows, errors in reversed(report)  # test rows first: the first MAE is the headline
        if part != "train"
        for metric in ("mae", "rmse", "r2")
        if np.isfinite(errors[metric])  # R² of equal targets does not exist
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


def _read_ids(recipe: Recipe) -> dict[str, list[str]]:
    path = recipe.path.parent / recipe.data.ids
    try:
        ids: Any = json.loads(path.read_text(encoding="utf-8"))
        parts = {part: list(map(str, ids[part])) for part in PARTS if isinstance(ids[part], list)}
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} must be a JSON object with lists of ids called {', '.join(PARTS)}: {error}"
        ) from error
    short = [part for part in PARTS if len(parts.get(part, ())) < (2 if part == "train" else 1)]
    if short:
        raise InputError(
            f"{path}: {short[0]} must be a list of ids, at least two to train on and one in each other part"
        )
    counts = Counter(name for part in parts.values() for name in part)
    twice = next((name for name, times in counts.items() if times > 1), None)
    if twice is not None:
        raise InputError(f"{path}: the id {twice} stands there twice; the parts must not overlap")
    return parts
