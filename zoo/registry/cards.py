"""Model cards: Markdown with YAML front matter, checked field by field.

A card describes one backbone to three readers: people (the prose), the Hugging Face Hub (its own fields at the top of
the front matter) and zoo (the block ``zoo:``). The Hub's fields that are not named here are kept unchanged; an unknown
field inside ``zoo:`` is an error, so that a misspelt digest does not go unnoticed.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from zoo._utils.validation import reason
from zoo.errors import CardError
from zoo.registry import front_matter
from zoo.registry.contracts import Transform
from zoo.registry.notebook import card_html

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

LIBRARY = "crystal-zoo"
"""``library_name`` of our models on the Hub."""

REQUIRED_FILES = ("model.safetensors", "config.json")
"""The files that every checkpoint has."""

MAX_BYTES = 1_000_000
"""Size limit of a card in bytes; real ones have a few kilobytes."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Valid names of cards; folders may be named otherwise."""

Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
Alias = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\s/\\:@]+$")]
RepoId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z][a-z]?$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=r"^[^\n]*$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1, le=65_536)]
SizeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class _Strict(BaseModel):
    # Deferred, so that only _Front, against which cards are validated, is compiled: importing takes half as long.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class File(_Strict):
    """One file of a checkpoint: its name, its size in bytes and the SHA-256 that pins it."""

    name: Literal["model.safetensors", "config.json", "README.md"]
    size: Annotated[int, Field(ge=1, le=2**31)]
    sha256: Sha256


def describe_file(path: Path) -> File:
    """Return name, size and SHA-256 of a file of a checkpoint."""
    data = path.read_bytes()
    return File.model_validate({"name": path.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})


def _setting(value: object) -> object:
    if (isinstance(value, str) and len(value) <= 100) or (isinstance(value, int | float) and abs(value) <= 65_536):
        return value
    raise ValueError("must be a word, a truth value, or a number up to 65,536")


class CardArchitecture(BaseModel):
    """The network and its sizes: the network's own settings, and those of heads and frozen experts.

    A card is read without its network, which need not be installed, so only the form of the sizes is checked.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[SizeName, Annotated[Any, AfterValidator(_setting)]]

    network: Line = "cgcnn"
    head: Size
    head_layers: Size
    targets: Size = 1
    experts: Count = 0


class GraphConfig(_Strict):
    """How a crystal becomes a graph: cutoff in Å, neighbours per atom, and the order of equal distances.

    Of cards and checkpoints; see :class:`zoo.data.graphs.neighbors.GraphSettings`.
    """

    cutoff: Annotated[float, Field(gt=0, le=20)]
    neighbors: Annotated[int, Field(ge=1, le=64)]
    ties: Literal["environment", "order"]


class CardRows(_Strict):
    """Number of rows in each part of the pretraining set."""

    train: Count
    val: Count
    test: Count


class Training(_Strict):
    """Training set and training method of a backbone; `ids` and a textual `recipe` are paths relative to the card.

    `labels` says where the targets come from, if there are several kinds of sources.
    """

    source: Line
    labels: Line | None = None
    license: Line
    rows: CardRows | None = None
    ids: str | None = None
    recipe: str | dict[str, Any] | None = None

    @model_validator(mode="after")
    def _paths_stay_inside(self) -> Training:
        for path in (self.ids, self.recipe):
            if isinstance(path, str) and (PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts):
                raise ValueError(f"{path!r} must be a path relative to the card, without '..'")
        return self


class CardResult(_Strict):
    """One measured error: the metric, the rows and their number, and the command that reproduces it.

    `target` is the card's, unless given.
    """

    metric: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    value: Finite
    unit: str
    rows: Line
    n: Annotated[int, Field(ge=1)]
    command: str | None = None
    target: Line | None = None


class Hub(BaseModel):
    """The Hub's own metadata; fields that are not named here are kept unchanged."""

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        defer_build=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    license: str
    library_name: str = LIBRARY
    pipeline_tag: str | None = None
    tags: list[str] = []
    datasets: list[str] = []
    metrics: list[str] = []
    model_index: list[dict[str, Any]] | None = Field(default=None, alias="model-index")


class Backbone(_Strict):
    """The block ``zoo:`` of a card.

    Parameters
    ----------
    name : str
        Name that users type; also the card's file name and the folder of bundled weights.
    aliases : list of str
        Other names.
    title : str
        One line for lists.
    repo_id : str
        ``owner/repo`` on the Hub.
    revision : str or None
        Pinned commit, 40 hexadecimal digits; None until it is published.
    bundled : bool
        Whether the weights are stored beside the card, in ``weights/NAME/``.
    files : list of File
        Files and their digests; empty until the weights exist.
    target, unit, transform : str
        What the backbone predicts, its unit, and the transform applied in training.
    other_targets : list of str
        Other properties that it predicts, if it was trained on several at once.
    architecture, graph : CardArchitecture, GraphConfig
        Sizes of the network and graph settings; None until they are decided.
    elements : list of str
        Elements that occur in the training set.
    training : Training
        Training set and recipe.
    results : list of CardResult
        Measured errors, the headline first.
    command : str or None
        The command that reproduces the weights.
    notes : str
        Anything else that users should know.
    """

    name: Name
    aliases: list[Alias] = []
    title: Line
    repo_id: RepoId
    revision: Commit | None = None
    bundled: bool = False
    files: list[File] = []
    target: Line
    unit: str
    transform: Transform = "identity"
    other_targets: list[Line] = []
    architecture: CardArchitecture | None = None
    graph: GraphConfig | None = None
    elements: list[Symbol] = []
    training: Training
    results: list[CardResult] = []
    command: str | None = None
    notes: str = ""

    @model_validator(mode="after")
    def _weights_are_described(self) -> Backbone:
        present = [file.name for file in self.files]
        if len(set(present)) < len(present):
            raise ValueError("files: a name is listed twice")
        missing = [name for name in REQUIRED_FILES if name not in present]
        if self.files and missing:
            raise ValueError(f"files: {' and '.join(missing)} is missing; a checkpoint has both")
        if not self.files and (self.bundled or self.revision):
            raise ValueError("files: bundled or published weights need their names, sizes and SHA-256")
        blanks = [name for name in ("architecture", "graph", "elements") if not getattr(self, name)]
        if self.files and blanks:
            raise ValueError(f"{blanks[0]}: must be given once the weights exist")
        return self


class _Front(Hub):
    """A whole front matter, so that errors name a field by its path in the file."""

    zoo: Backbone


class Card(Backbone):
    """A backbone's card: the fields of its ``zoo:`` block, the Hub's fields, and the prose.

    Parameters
    ----------
    hub : Hub
        The Hub's own fields.
    body : str
        Prose in Markdown, without the front matter.
    source : str
        File that the card was read from; empty for a card made in memory.
    """

    hub: Hub
    body: str = ""
    source: str = ""

    def __repr__(self) -> str:
        return f"<Card {self.name}: {self.title}>"

    def _repr_html_(self) -> str:
        return card_html(self)

    @classmethod
    def parse(cls, text: str, source: str = "") -> Card:
        """Read a card from text.

        Parameters
        ----------
        text : str
            Markdown that begins with ``---``, YAML, ``---``.
        source : str
            File name, for messages and for :attr:`source`.

        Raises
        ------
        CardError
            Names the file, the first invalid field and the reason, and counts the other problems.
        """
        where = source or "the card"
        data, body = front_matter.read(text, where)
        try:
            checked = _Front.model_validate(data)
        except ValidationError as error:
            raise CardError(f"{where}: {_first_problem(error)}") from error
        block = {name: getattr(checked.zoo, name) for name in Backbone.model_fields}
        known = {name: getattr(checked, name) for name in Hub.model_fields}
        if checked.zoo.results:  # the model index only repeats them
            known["model_index"] = None
        hub = Hub.model_construct(_fields_set=None, **known, **(checked.model_extra or {}))
        return cls.model_construct(**block, hub=hub, body=body, source=source)

    @classmethod
    def read(cls, path: str | Path) -> Card:
        """Read a card from a file; raises `CardError` as :meth:`parse` does, or if it cannot be read."""
        path = Path(path)
        try:
            if path.stat().st_size > MAX_BYTES:
                raise CardError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB, too large for a card")
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise CardError(f"{path}: cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise CardError(f"{path}: not UTF-8 text (byte {error.start})") from error

    def render(self) -> str:
        """Return the card as Markdown; ``Card.parse(card.render())`` gives an equal card back.

        The Hub's ``model-index`` is written from :attr:`results`, so that the two cannot disagree.
        """
        front = self.hub.model_dump(exclude_none=True)
        if self.results:
            from huggingface_hub.repocard_data import eval_results_to_model_index

            front["model-index"] = eval_results_to_model_index(self.name, self.eval_results())
        front = {key: value for key, value in front.items() if value != []}
        front["zoo"] = self.model_dump(include=set(Backbone.model_fields), exclude_none=True)
        return front_matter.write(front, self.body)

    def eval_results(self) -> list[EvalResult]:
        """Return the measured errors in the Hub's own form."""
        from huggingface_hub import EvalResult

        return [
            EvalResult(
                task_type=self.hub.pipeline_tag or "graph-ml",
                task_name=self._quantity(result),
                dataset_type="custom",
                dataset_name=result.rows,
                # The Hub groups results by this; without it, errors on different rows would be merged under one name.
                dataset_config=f"{result.target or self.target}, {result.rows}",
                metric_type=result.metric,
                metric_value=result.value,
                metric_name=f"{result.metric} ({result.unit})" if result.unit else result.metric,
            )
            for result in self.results
        ]

    def _quantity(self, result: CardResult) -> str:
        target, unit = (result.target, result.unit) if result.target else (self.target, self.unit)
        return f"{target} ({unit})" if unit else target

    @property
    def test_mae(self) -> float | None:
        """Mean absolute error on test rows, in :attr:`unit`, or None if it has not been measured."""
        return next((r.value for r in self.results if r.metric == "mae" and r.unit == self.unit and not r.target), None)

    @property
    def published(self) -> bool:
        """Whether the weights are on the Hub at a pinned commit."""
        return self.revision is not None and bool(self.files)

    @property
    def size(self) -> int:
        """Bytes of all files together; 0 if there are none yet."""
        return sum(file.size for file in self.files)

    def row(self, status: str) -> tuple[str, ...]:
        """Return cells for a list: name, target, unit, training rows, test MAE, size, `status`."""
        rows, mae = self.training.rows, self.test_mae
        return (
            self.name,
            self.target + (f" + {len(self.other_targets)}" if self.other_targets else ""),
            self.unit,
            f"{rows.train:,}" if rows else "",
            "" if mae is None else f"{mae:.3g}",
            f"{self.size / 1e6:.2f} MB" if self.size else "",
            status,
        )

    def overview(self, status: str) -> dict[str, Any]:
        """Return all fields but the prose, as JSON values; `status` says where the weights are."""
        block = self.model_dump(mode="json", exclude={"hub", "body", "source"})
        measured = {
            "test_mae": self.test_mae,
            "size": self.size,
            "weights": status,
            "license": self.hub.license,
        }
        return {**block, **measured}


def _first_problem(error: ValidationError) -> str:
    """Return the first invalid field with the reason, and the number of other problems."""
    problems = error.errors(include_url=False)
    first = problems[0]
    field = ".".join(str(part) for part in first["loc"]) or "front matter"
    what = reason(first)
    shown = "" if isinstance(first["input"], dict | list | BaseModel) else f" (it is {str(first['input'])[:60]!r})"
    if first["type"] == "extra_forbidden":
        what, shown = "no such field; look for a spelling mistake", ""
    elif first["type"] == "missing":
        shown = ""
    more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
    return f"{field}: {what}{shown}{more}"
