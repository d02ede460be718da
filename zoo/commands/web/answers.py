"""The JSON that the server takes and sends."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from zoo._utils.wording import probability_columns
from zoo.data.crystal import MAX_ATOMS

if TYPE_CHECKING:
    from collections.abc import Sequence

Vector = Annotated[list[float], Field(min_length=3, max_length=3)]

Relation = Literal["the same crystal", "nearly the same crystal", "another structure"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="null")


class Limits(_Part):
    """What a request may hold."""

    bytes: int = Field(description="Size of all files together, as sent.")
    files: int
    crystals: int
    atoms: int = Field(description="Atoms in the cell of a crystal.")
    all_atoms: int = Field(description="Atoms in the cells of all crystals together.")


class ServedModel(_Part):
    """A model and what it predicts."""

    name: str
    target: str = Field(description="Name of the property in the model's table.")
    label: str = Field(description="Name of the property for people.")
    unit: str
    classes: list[str] = Field(description="Labels of the classes; empty if the property is a number.")
    level: float | None = Field(description="Probability that an interval holds the value; null without intervals.")
    measures_distance: bool = Field(description="Whether it notes crystals that are far from its training set.")
    reads_crystal: bool = Field(
        description="Whether it also reads features of the whole crystal, to which all atoms contribute the same."
    )


class Service(_Part):
    """What is served, and within which limits."""

    version: str
    models: list[ServedModel]
    limits: Limits
    known: bool = Field(description="Whether there is a list of training crystals to compare with.")


class Structure(_Part):
    """A crystal of n atoms."""

    lattice: Annotated[list[Vector], Field(min_length=3, max_length=3, description="Cell vectors as rows, in Å.")]
    symbols: Annotated[list[str], Field(min_length=1, max_length=MAX_ATOMS, description="Element of each atom.")]
    positions: Annotated[list[Vector], Field(min_length=1, max_length=MAX_ATOMS, description="Fractional coordinates.")]


class Prediction(_Part):
    """What one model predicts for a crystal."""

    model: str
    prediction: float | str | None = Field(description="A number in `unit`, or a class; null with `error`.")
    unit: str
    spread: float | None = Field(description="Standard deviation over the members of the model; not an error bar.")
    lower: float | None = Field(default=None, description="Lower end of the interval.")
    upper: float | None = Field(default=None, description="Upper end of the interval.")
    probabilities: dict[str, float] = Field(default_factory=dict, description="Probability of each class.")
    note: str = Field(
        default="", description="Elements that the training set lacks, and whether the crystal is far from it."
    )
    error: str = Field(default="", description="Why there is no prediction.")


class KnownCrystal(_Part):
    """A training crystal of the same composition."""

    id: str
    relation: Relation
    volume: float = Field(description="Its volume per atom divided by that of the crystal that was sent.")


class PredictedCrystal(_Part):
    """A crystal with its predictions."""

    id: str
    file: str
    formula: str = Field(description="Reduced formula, such as SrTiO3.")
    atoms: int = Field(description="Number of atoms in the cell.")
    structure: Structure
    predictions: list[Prediction] = Field(description="One for each model, in the order of /api/models.")
    known: list[KnownCrystal] = Field(description="The nearest training crystals of the same composition.")


class Rejected(_Part):
    """A file, or a crystal in it, that cannot be used."""

    file: str
    id: str
    reason: str


class Predictions(_Part):
    """The answer to files."""

    crystals: list[PredictedCrystal]
    rejected: list[Rejected]
    csv: str = Field(description="The table of predictions as CSV, with the columns of `zoo predict`.")


class Contribution(_Part):
    """What one model reads from each atom."""

    model: str
    unit: str
    values: list[float] = Field(
        description="For each atom, in the order sent; on average near the prediction. Empty with `error`."
    )
    error: str = ""


class Contributions(_Part):
    """The answer to a crystal."""

    contributions: list[Contribution]


class Failure(_Part):
    """The answer to a request that cannot be met."""

    error: str
    rejected: list[Rejected] = Field(default_factory=list)


def table(crystals: Sequence[PredictedCrystal], models: Sequence[ServedModel]) -> str:
    """Return predictions as CSV with the columns of ``zoo predict``; those of several models end in their names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ["id"]
    for model in models:
        end = f"_{model.name}" if len(models) > 1 else ""
        header += [f"{name}{end}" for name in _columns(model)]
    writer.writerow([*header, "formula", "atoms", "file"])
    for crystal in crystals:
        cells = [crystal.id]
        for model, found in zip(models, crystal.predictions, strict=True):
            cells += _cells(model, found)
        writer.writerow([*cells, crystal.formula, crystal.atoms, crystal.file])
    return text.getvalue()


def _columns(model: ServedModel) -> list[str]:
    interval = ["lower", "upper"] if model.level else []
    return ["prediction", "unit", *probability_columns(model.classes), "spread", *interval, "note"]


def _cells(model: ServedModel, found: Prediction) -> list[str]:
    values: list[float | str | None] = [found.prediction, found.unit]
    values += [found.probabilities.get(label) for label in model.classes]
    values += [found.spread, *([found.lower, found.upper] if model.level else [])]
    note = f"not predicted: {found.error}" if found.error else found.note
    return ["" if each is None else each if isinstance(each, str) else f"{each:.6g}" for each in [*values, note]]
