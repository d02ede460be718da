"""Recipes: TOML files that completely describe a pretraining."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from zoo._utils.validation import read_toml
from zoo.data.tables.conditions import Condition
from zoo.errors import InputError, ZooError
from zoo.hub.pull import pull
from zoo.models.architecture import Architecture
from zoo.models.checkpoint import weights
from zoo.models.checkpoint.schema import Weights
from zoo.registry import backbones, plugins
from zoo.registry.cards import GraphConfig, Line, Name
from zoo.training.fit import FitSettings
from zoo.training.losses import Balance
from zoo.training.settings import Precision

if TYPE_CHECKING:
    from zoo.registry.contracts import Task

Fraction = Annotated[float, Field(gt=0, lt=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetRecipe(_Strict):
    """An additional property that the network is trained on; it may be missing for some crystals.

    Parameters
    ----------
    task : str
        Name of the property.
    column : str, optional
        Column of the target, if its name is not one that the task recognises.
    where : Condition, optional
        Rows that do not fulfil the condition lack the property; for example, metals have no band gap.
    label : Condition, optional
        Defines a binary target in place of a numerical column: 1 for rows that fulfil the condition, otherwise 0.
    """

    task: str
    column: str | None = None
    where: Condition | None = None
    label: Condition | None = None


class HashSplit(_Strict):
    """Split that depends only on each identifier; see :func:`zoo.data.splits.hash_split`."""

    test: Fraction
    validation: Fraction
    train: int | None = Field(default=None, ge=2)


class FetchRecipe(_Strict):
    """Source of the table if none is passed; see :func:`zoo.data.sources.materials_project.fetch`."""

    database: Literal["materials-project"]
    fields: tuple[str, ...] = Field(min_length=1)


class DataRecipe(_Strict):
    """Selection of rows and their assignment to parts.

    Parameters
    ----------
    fetch : FetchRecipe, optional
        Database from which the table is fetched if none is passed; it is fetched only once.
    ids : str, optional
        JSON file with the ids of each part, relative to the recipe.
    split : HashSplit, optional
        A rule that replaces the list of ids.
    where : list of Condition
        Conditions that a row must fulfil to be used.
    subsets : mapping of name to Condition
        Subsets of rows whose errors are also reported separately.
    source : str
        Description of the data for the card.
    """

    fetch: FetchRecipe | None = None
    ids: str | None = None
    split: HashSplit | None = None
    where: tuple[Condition, ...] = ()
    subsets: dict[str, Condition] = Field(default_factory=dict)
    source: Line | Literal[""] = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.ids is None) == (self.split is None):
            raise ValueError("give ids or split, and not both")
        if self.ids is not None and self.where:
            raise ValueError("where goes with split; a list of ids already says which rows")
        return self


class FitRecipe(_Strict):
    """Settings of the fit; see :class:`zoo.training.fit.FitSettings`."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    average: float | None = Field(default=None, gt=0, lt=1)
    patience: int | None = None
    clip: float = Field(default=1.0, gt=0)
    precision: Precision | Literal["auto"] = "auto"
    balance: Balance = "equal"
    optimizer: Literal["adamw", "muon"] = "adamw"
    edges_per_visit: int | None = Field(default=None, ge=1)
    balance_from: int = Field(default=0, ge=0)

    def settings(self, device: str) -> FitSettings:
        """Return the fit settings for a device, "cpu" or "cuda"."""
        return FitSettings(**{**self.model_dump(exclude={"balance"}), "precision": self._precision(device)})

    def _precision(self, device: str) -> Precision:
        import torch

        if self.precision != "auto":
            return self.precision
        return "bf16-mixed" if device == "cuda" and torch.cuda.is_bf16_supported() else "32-true"


def _listed(given: object) -> object:
    return (given,) if isinstance(given, str) else given


class Recipe(_Strict):
    """A complete description of a pretraining.

    Parameters
    ----------
    name : str
        Name of the backbone.
    task : str
        Name of the main property.
    column : str, optional
        Column of the target, if its name is not one that the task recognises.
    seed : int
        Seed of the initial weights and the order of batches.
    others : list of TargetRecipe
        Additional properties that are trained simultaneously, with a shared body and one head per property.
    start : list of str, or str
        Backbone to continue from, or several, which are joined side by side to form the initial body: names,
        ``hf://…``, or folders relative to the recipe; see :mod:`zoo.jobs.pretrain.start`. If empty, the network is
        trained from scratch.
    weights : {"float32", "float16"}
        Data type of the weights in the file. The errors are those of the weights as they are stored.
    """

    name: Name
    task: str
    column: str | None = None
    seed: int = Field(ge=0)
    data: DataRecipe
    others: tuple[TargetRecipe, ...] = Field(default=(), max_length=15)
    start: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed)] = ()
    weights: Weights = "float32"
    network: Architecture
    graph: GraphConfig
    fit: FitRecipe
    path: Path = Field(default=Path(), exclude=True)
    digest: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _one_head_per_target(self) -> Self:
        if self.network.targets != 1 + len(self.others):
            raise ValueError(f"network.targets is {self.network.targets}; task and others are {1 + len(self.others)}")
        if self.network.experts:
            raise ValueError("network.experts: a backbone has none; zoo finetune puts them beside it (mode mixture)")
        named = [self.task, *(each.task for each in self.others)]
        if twice := [name for name in named if named.count(name) > 1]:
            raise ValueError(f"the task {twice[0]} is named twice; a property has one head")
        return self

    @property
    def tasks(self) -> list[Task]:
        """All properties, the main one first."""
        return [plugins.task(name) for name in (self.task, *(each.task for each in self.others))]

    @property
    def unit(self) -> str:
        """Unit of the main property."""
        return plugins.task(self.task).unit


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    InputError
        If the file is missing or not TOML, or has an unknown, missing or invalid key; the message names it.
    CheckpointError
        If its network is not installed, and a backbone that it starts from says which package has it.
    """
    try:
        recipe, raw = read_toml(path, Recipe)
    except InputError:
        _look_for_package(path)
        raise
    return recipe.model_copy(update={"path": path, "digest": hashlib.sha256(raw).hexdigest()})


def place(path: Path, name: str) -> str:
    """Return the name of a backbone to start from unchanged; resolve a folder relative to the recipe."""
    beside = path.parent / name
    return str(beside) if name not in backbones.named() and beside.is_dir() else name


def _look_for_package(path: Path) -> None:
    """If a recipe's network is not installed, read the backbones that it starts from; they say which package has it."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        network, starts = given["network"]["network"], _listed(given["start"])
        if any(network in (each.name, each.qualified) for each in plugins.plugins("network")):
            return
    except (OSError, ValueError, LookupError, TypeError):
        return
    for name in starts if isinstance(starts, list | tuple) else ():
        try:
            directory = pull(place(path, name)).directory
        except (ZooError, OSError, TypeError):  # that the network is unknown says enough
            continue
        weights.read_config(directory)
