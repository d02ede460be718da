"""Errors and model card of a new backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis import metrics
from zoo.errors import UnknownNameError
from zoo.models.checkpoint.card import describe_checkpoint, described_by
from zoo.models.inference import predict_scaled
from zoo.registry import backbones
from zoo.registry.cards import Card, CardResult, CardRows, Training

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.data.scaling import TargetScaler
    from zoo.jobs.pretrain.recipe import Recipe
    from zoo.jobs.pretrain.rows import PretrainingRows
    from zoo.models.checkpoint.schema import Config
    from zoo.models.network import CrystalNetwork
    from zoo.registry.contracts import Task

SPLITS = "splits.json"
"""File with the identifiers of each part, in the folder of the weights."""


@dataclass(frozen=True)
class Report:
    """Errors of a backbone on a set of rows, in the task's unit."""

    task: Task
    part: str
    subset: str
    rows: int
    errors: dict[str, float]

    @property
    def name(self) -> str:
        """Name of the set of rows: ``"test"``, or ``"test, pbe"`` for a subset."""
        return f"{self.part}, {self.subset}" if self.subset else self.part


def measure(
    network: CrystalNetwork, rows: PretrainingRows, tasks: Sequence[Task], scalers: Sequence[TargetScaler], device: str
) -> list[Report]:
    """Return the errors of a network on all parts and subsets for each target, subsets first."""
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


def training_command(recipe: Recipe, data: Sequence[Path], devices: int, nodes: int) -> str:
    """Return the command that reproduces a training, with the number of devices, each of which has a batch per step."""
    name = recipe.path.name if recipe.path.is_absolute() else str(recipe.path)
    numbers = {"--devices": devices, "--num-nodes": nodes}
    more = [f"{option} {number}" for option, number in numbers.items() if number > 1]
    return " ".join(["zoo pretrain", name, *(f"--data {path.name}" for path in data), *more])


def describe_backbone(recipe: Recipe, config: Config, reports: Sequence[Report], folder: Path, command: str) -> Card:
    """Return the card of a backbone: the registered card updated with the measured errors, or a new one.

    Parameters
    ----------
    recipe : Recipe
    config : Config
        Configuration of the checkpoint.
    reports : sequence of Report
    folder : Path
        Folder of the checkpoint.
    command : str
        Command that reproduces the training.
    """
    task = recipe.tasks[0]
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
        # For each target, test rows first: the first MAE is the headline error.
        for report in sorted(reports, key=lambda each: (recipe.tasks.index(each.task), each.part))
        if report.part != "train"
        for metric in ("mae", "rmse", "r2")
        if np.isfinite(report.errors[metric])  # R² is undefined if all targets are equal
    ]
    try:
        card = backbones.get(recipe.name)
    except UnknownNameError:
        card = describe_checkpoint(
            config,
            title=f"{task.name} pretrained on {counts['train']:,} rows",
            training=Training(source=recipe.data.source or command, license="that of the data"),
            body=f"# {recipe.name}\n\nPretrained by `{command}`{_origin(config)}.",
        )
    rows = CardRows(train=counts["train"], val=counts["validation"], test=counts["test"])
    fetched = [f"{note['source']}, version {note['version']}" for note in config.provenance["tables"]]
    licenses = sorted({note["license"] for note in config.provenance["tables"]})
    origin = {"source": " and ".join(fetched), "license": " and ".join(licenses)} if fetched else {}
    # The recipe's path is relative to the registered card and would be invalid in this folder.
    recipe_of = None if isinstance(card.training.recipe, str) else card.training.recipe
    training = {"rows": rows, "ids": SPLITS, "recipe": recipe_of, **origin}
    return card.model_copy(
        update={
            **described_by(config, folder),
            "revision": None,
            "bundled": False,
            "training": card.training.model_copy(update=training),
            "results": results,
            "command": command,
        }
    )


def _origin(config: Config) -> str:
    names = " and ".join(f"`{start['name']}` (SHA-256 {start['sha256'][:12]}…)" for start in config.provenance["start"])
    return names and f", starting from {names}"
