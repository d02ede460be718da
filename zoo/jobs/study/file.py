"""Studies as TOML files: the options of ``zoo study``, under the same names."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from zoo._utils import engines, toml
from zoo.errors import InputError
from zoo.jobs.pretrain.recipe import Condition
from zoo.jobs.study.plan import StudyOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHERE = re.compile(r"(?P<column>.+?)\s*(?P<sign>>|<=|==)\s*(?P<value>.+)")
_BOUNDS = {">": "above", "<=": "at_most", "==": "equals"}


class _File(BaseModel):
    """The keys that a study's file may have; what is not given is left to the command's defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    data: Path
    title: str | None = None
    sizes: tuple[int, ...] | None = None
    backbones: tuple[str, ...] | None = None
    modes: tuple[str, ...] | None = None
    baselines: tuple[str, ...] | None = None
    scratch: bool | None = None
    seeds: int | None = None
    seed: int | None = None
    split: Literal["random", "composition", "chemsys"] | None = None
    test: float | None = None
    significance: float | None = None
    epochs: int | None = None
    where: tuple[Condition, ...] | None = None
    unseen: bool | None = None
    rows: int | None = None
    target: str | None = None
    structures: Path | None = None
    max_rejected: float | None = None
    engine: str | None = None
    workers: int | None = None
    strict: bool | None = None
    out: Path | None = None


@dataclass(frozen=True)
class Request:
    """A study, and how it is to be run.

    Parameters
    ----------
    options : StudyOptions
    engine : str
    workers : int or None
    strict : bool
    out : Path or None
    """

    options: StudyOptions
    engine: str = "local"
    workers: int | None = None
    strict: bool = False
    out: Path | None = None


def read_study(path: Path, given: Mapping[str, Any], data_dir: Path | None = None) -> Request:
    """Read a study's file.

    Parameters
    ----------
    path : Path
        Relative paths in it are relative to its folder.
    given : dict
        Options that take precedence over the file's.
    data_dir : Path, optional
        Folder that ``data`` and ``structures`` are relative to, instead of the file's.

    Raises
    ------
    InputError
        If the file is missing, no TOML, or has an unknown, missing or impossible key; names it.
    DependencyError
        If its engine is not installed.
    """
    read, _ = toml.read(path, _File)
    values: dict[str, Any] = {name: getattr(read, name) for name in read.model_fields_set}
    for name, folder in (("data", data_dir or path.parent), ("structures", data_dir or path.parent)):
        if values.get(name):
            values[name] = folder / values[name]
    if values.get("backbones"):
        values["backbones"] = tuple(str(path.parent / x) if x.startswith(".") else x for x in values["backbones"])
    if "out" in values:
        values["out"] = path.parent / values["out"]
    return request({**values, **given})


def request(values: Mapping[str, Any]) -> Request:
    """Make a request of options by name."""
    of_study = {field.name for field in fields(StudyOptions)}
    known = {name: value for name, value in values.items() if value is not None}
    options = StudyOptions(**{name: value for name, value in known.items() if name in of_study})
    asked = Request(options, **{name: value for name, value in known.items() if name not in of_study})
    engines.check(asked.engine, asked.workers)
    return asked


def parse_condition(text: str) -> Condition:
    """Read ``COLUMN>NUMBER``, ``COLUMN<=NUMBER`` or ``COLUMN==TEXT``.

    >>> parse_condition("band_gap > 0")
    Condition(column='band_gap', above=0.0, at_most=None, equals=None)
    """
    match = _WHERE.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        value: float | str = match["value"] if match["sign"] == "==" else float(match["value"])
    except ValueError:
        raise InputError(
            f"--where {text!r}: write COLUMN>NUMBER, COLUMN<=NUMBER or COLUMN==TEXT, in quotation marks"
        ) from None
    return Condition.model_validate({"column": match["column"], _BOUNDS[match["sign"]]: value})
