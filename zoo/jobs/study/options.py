"""The options of a study, shared by the Python API, TOML study files and ``zoo study``."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
)
from pydantic.dataclasses import dataclass

from zoo._utils import engines
from zoo._utils.validation import read_toml, validated
from zoo.analysis.comparisons import MIN_SEEDS
from zoo.data.splits import SPLIT, How
from zoo.data.tables.conditions import Condition
from zoo.data.tables.formats.layout import DecimalSign, Layout
from zoo.data.tables.table import DECIMAL, ID, SHEET, STRUCTURE, TableSource, no_table
from zoo.errors import InputError
from zoo.registry import task_choice
from zoo.registry.task_choice import LOG, TARGET, UNIT, TaskChoice
from zoo.training.settings import BLEND, FAST, Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

FROZEN_PREFIX = "frozen-"
"""Prefix of modes in which a baseline is fitted to the frozen embedding of a backbone."""

T = TypeVar("T")

Distinct = Annotated[tuple[T, ...], AfterValidator(lambda values: tuple(dict.fromkeys(values)))]
"""Tuple from which repeated values are removed."""

_CONFIG = ConfigDict(extra="forbid")


@validated
@dataclass(frozen=True, config=_CONFIG)
class StudyOptions:
    """Options of a study that determine its results.

    Parameters
    ----------
    task : str, Task or None
    data : Path, DataFrame or Table
    sizes, backbones, modes, fast, baselines, scratch, seeds, seed, split, test, target, unit, log, structures, id,
    structure, sheet, decimal, epochs, max_rejected, where, unseen, rows, significance, title
        As described at each field, and by ``zoo study --help``.

    Raises
    ------
    InputError
        If an option is unknown, missing or out of range; the message names it.
    """

    task: Annotated[
        TaskChoice | None, Field(description="Target property; 'zoo plugins list' shows them. Any other: see --target.")
    ] = None
    data: TableSource = Field(default_factory=no_table)
    sizes: Annotated[
        Annotated[Distinct[Annotated[int, Field(ge=2)]], Field(min_length=1)] | None,
        Field(description="Numbers of training rows.  [default: 50,100,200,500, as far as the table allows]"),
    ] = None
    backbones: Annotated[
        Distinct[str] | None,
        Field(description="Names, folders or hf://owner/repo@rev, comma-separated.  [default: the task's own]"),
    ] = None
    modes: Annotated[
        Distinct[str],
        Field(
            description="How backbones are used. blend: fine-tuned, and weighed with classical regressors; mixture, "
            "full, layerwise, head: fine-tuned alone; frozen-ridge and the like: a baseline on the frozen embedding."
        ),
    ] = (BLEND, "full")
    baselines: Annotated[
        Distinct[str],
        Field(description="Baselines: rf, svr, lasso, pls, ridge, mean; for classes rf, svc, logistic, majority."),
    ] = ()
    fast: Annotated[bool, Field(description=FAST)] = False
    scratch: Annotated[bool, Field(description="Whether to train from scratch too, as the reference.")] = True
    seeds: Annotated[int, Field(ge=1, description="Number of repetitions, each with its own split.")] = 10
    seed: Annotated[int, Field(description="The first seed.")] = 0
    split: Annotated[
        How,
        Field(description=SPLIT),
    ] = "random"
    test: Annotated[float, Field(description="Fraction of rows held out for the test error.")] = 0.1
    significance: Annotated[
        float | None,
        Field(gt=0, lt=1, description="Require tests over seeds at this level; needs three seeds.  [default: 0.05]"),
    ] = None
    epochs: Annotated[int | None, Field(ge=1, description="Number of epochs.  [default: tuned]")] = None
    where: Annotated[
        Distinct[Condition],
        Field(description='Use only rows with "COLUMN>NUMBER", "COLUMN<=NUMBER" or "COLUMN==TEXT"; repeatable.'),
    ] = ()
    unseen: Annotated[bool, Field(description="Use only rows that no backbone was trained on.")] = False
    rows: Annotated[
        int | None, Field(ge=1, description="Use only this many rows, chosen by a hash of the identifier.")
    ] = None
    target: Annotated[str | None, Field(description=TARGET)] = None
    unit: Annotated[str | None, Field(description=UNIT)] = None
    log: Annotated[bool | None, Field(description=LOG)] = None
    structures: Annotated[
        Path | None,
        BeforeValidator(lambda path: path or None),
        Field(description="Folder or .zip of structure files named after the table's ids."),
    ] = None
    id: Annotated[str | None, Field(description=ID)] = None
    structure: Annotated[str | None, Field(description=STRUCTURE)] = None
    sheet: Annotated[str | None, Field(description=SHEET)] = None
    decimal: Annotated[DecimalSign | None, Field(description=DECIMAL)] = None
    max_rejected: Annotated[float, Field(description="Stop if a larger fraction of rows is unusable.")] = 0.1
    title: Annotated[str, Field(description="Title of the report.")] = ""

    @property
    def layout(self) -> Layout:
        """What the user says about the layout of tables."""
        return Layout(self.id, self.structure, self.sheet, self.decimal)

    @property
    def choice(self) -> TaskChoice:
        """The task: its name, an object, or one made of the target's column."""
        return task_choice.choice(self.task, self.target, self.unit, self.log)

    def __post_init__(self) -> None:
        _ = self.choice  # checks that there is one
        known = (BLEND, *get_args(Mode))
        for mode in self.modes:
            if mode not in known and not (mode.startswith(FROZEN_PREFIX) and mode != FROZEN_PREFIX):
                raise InputError(f"--modes {mode}: use {', '.join(known)}, {FROZEN_PREFIX}ridge and so on")
        if self.fast and BLEND not in self.modes:
            raise InputError(
                f"--fast leaves the network out of {BLEND}, which is not among --modes {','.join(self.modes)}"
            )
        if not self.modes and self.backbones:
            raise InputError("--modes: at least one, or no --backbones")
        if self.significance is not None and self.seeds < MIN_SEEDS:
            raise InputError(
                f"--significance {self.significance:g} with --seeds {self.seeds}: a paired test over seeds needs at "
                f"least {MIN_SEEDS} of them"
            )
        if self.backbones == () and not (self.scratch or self.baselines):
            raise InputError("there is nothing to compare: no backbone, no baseline, and not from scratch")


def _engine(name: str) -> str:
    return engines.check(name)


@validated
@dataclass(frozen=True, config=_CONFIG)
class StudyRequest:
    """The options of a study together with those for running it.

    Parameters
    ----------
    options : StudyOptions
    engine, workers, strict, out
        As described at each field, and by ``zoo study --help``.

    Raises
    ------
    InputError, DependencyError
        If an option is out of range, or the engine is not installed.
    """

    options: StudyOptions
    engine: Annotated[str, AfterValidator(_engine), Field(description="Where to compute: local, ray or dask.")] = (
        "local"
    )
    workers: Annotated[int | None, Field(ge=1, description="Processes, one thread each.  [default: one per core]")] = (
        None
    )
    strict: Annotated[
        bool, Field(description="Refuse test rows that leak: copies, shared compositions, pretraining.")
    ] = False
    out: Annotated[Path | None, Field(description="Folder of the study.  [default: runs/study-TASK]")] = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> StudyRequest:
        """Create a request from options by name; None selects the default of an option."""
        how = {each.name for each in fields(cls)} - {"options"}
        given = {name: value for name, value in values.items() if value is not None}
        options = StudyOptions(**{name: value for name, value in given.items() if name not in how})
        return cls(options, **{name: value for name, value in given.items() if name in how})


class _Keys(RootModel[dict[str, Any]]):
    """Keys of a study file; the values are checked by the dataclasses above."""


def read_study(path: Path, given: Mapping[str, Any], data_dir: Path | None = None) -> StudyRequest:
    """Read a study file.

    Parameters
    ----------
    path : Path
        Study file; relative paths in it refer to its folder.
    given : dict
        Options that override those in the file.
    data_dir : Path, optional
        Folder to which ``data`` and ``structures`` are relative; by default that of the file.

    Raises
    ------
    InputError
        If the file is missing or not TOML, or has an unknown, missing or invalid key; the message names it.
    DependencyError
        If the selected engine is not installed.
    """
    values = read_toml(path, _Keys)[0].root
    try:
        request = StudyRequest.of({**values, **given})
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix('--')}") from None
    options, moved = request.options, values.keys() - given.keys()
    tables = data_dir or path.parent
    if "data" in moved and isinstance(options.data, Path):
        options = replace(options, data=tables / options.data)
    if "structures" in moved and options.structures:
        options = replace(options, structures=tables / options.structures)
    if "backbones" in moved and options.backbones:
        folders = tuple(str(path.parent / name) if name.startswith(".") else name for name in options.backbones)
        options = replace(options, backbones=folders)
    out = path.parent / request.out if "out" in moved and request.out else request.out
    return replace(request, options=options, out=out)
