"""Recipes: complete descriptions of a pretraining, as TOML files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from zoo._utils import toml
from zoo.data.tables.conditions import Condition
from zoo.models.checkpoint.schema import ArchitectureConfig, GraphConfig
from zoo.registry import plugins
from zoo.registry.cards import Line, Name
from zoo.training.fit import FitSettings
from zoo.training.losses import Balance
from zoo.training.settings import Precision

if TYPE_CHECKING:
    from zoo.registry.contracts import Task

Fraction = Annotated[float, Field(gt=0, lt=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetRecipe(_Strict):
    """A further property that the same network is trained on; a crystal may lack it.

    Parameters
    ----------
    task : str
        Name of the property.
    column : str, optional
        Column of the target, if the task does not know its name.
    where : Condition, optional
        Rows that do not fulfil it lack the property, for example metals a gap.
    label : Condition, optional
        Instead of a number in a column: 1 for rows that fulfil it, 0 for those that do not.
    """

    task: str
    column: str | None = None
    where: Condition | None = None
    label: Condition | None = None


class HashSplit(_Strict):
    """Parts determined by each identifier alone; see :func:`zoo.data.splits.hash_split`."""

    test: Fraction
    validation: Fraction
    train: int | None = Field(default=None, ge=2)


class FetchRecipe(_Strict):
    """Source of the table if none is given; see :func:`zoo.data.sources.materials_project.fetch`."""

    database: Literal["materials-project"]
    fields: tuple[str, ...] = Field(min_length=1)


class DataRecipe(_Strict):
    """Which rows, and in which part.

    Parameters
    ----------
    fetch : FetchRecipe, optional
        Database from which the table is fetched, once, if none is given.
    ids : str, optional
        JSON file with the ids of each part, relative to the recipe.
    split : HashSplit, optional
        A rule instead.
    where : list of Condition
        All of which a row must fulfil to be used at all.
    subsets : mapping of name to Condition
        Rows whose errors are reported separately, beside those of all rows.
    source : str
        Description for the card.
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
    """See :class:`zoo.training.fit.FitSettings`."""

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

    def settings(self, device: str) -> FitSettings:
        """Return the settings of the fit on a device, "cpu" or "cuda"."""
        return FitSettings(**{**self.model_dump(exclude={"balance"}), "precision": self._precision(device)})

    def _precision(self, device: str) -> Precision:
        import torch

        if self.precision != "auto":
            return self.precision
        return "bf16-mixed" if device == "cuda" and torch.cuda.is_bf16_supported() else "32-true"


class Recipe(_Strict):
    """A complete description of a pretraining.

    Parameters
    ----------
    name : str
        Name of the backbone.
    task : str
        Name of the property that it is trained on.
    column : str, optional
        Column of the target, if the task does not know its name.
    seed : int
        Of the initial weights and the order of batches.
    others : list of TargetRecipe
        Properties that are trained on at the same time, with one shared body and a head each.
    start : list of str
        Backbones from which the network starts, side by side in its body: names, ``hf://…``, or folders relative to
        the recipe; see :mod:`zoo.jobs.pretrain.start`. From scratch, if empty.
    """

    name: Name
    task: str
    column: str | None = None
    seed: int = Field(ge=0)
    data: DataRecipe
    others: tuple[TargetRecipe, ...] = Field(default=(), max_length=15)
    start: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    network: ArchitectureConfig
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
        """Unit of the task."""
        return plugins.task(self.task).unit


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    InputError
        If the file is missing or not TOML, or has an unknown, missing or impossible key; names it.
    """
    recipe, raw = toml.read(path, Recipe)
    return recipe.model_copy(update={"path": path, "digest": hashlib.sha256(raw).hexdigest()})
