"""What a study is asked to do: methods, sizes and seeds, and the cells that these make."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from zoo.errors import InputError
from zoo.transfer import Mode

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.splits import How

SCRATCH = "from scratch"
"""Name of the method that all others are compared with."""


@dataclass(frozen=True)
class StudyOptions:
    """What is compared; see ``zoo study --help``.

    Parameters
    ----------
    task : str
    data : Path
    sizes : tuple of int
        Numbers of training rows.
    backbones : tuple of str
    modes : tuple of str
        In which each backbone is fine-tuned.
    baselines : tuple of str
    scratch : bool
        Also train from scratch: what everything is compared with.
    seeds, seed : int
        Number of repetitions, and the first.
    split : {"random", "composition", "chemsys"}
    test : float
        Fraction of the rows that is tested on.
    epochs : int or None
        Instead of the tuned number.
    target, structures, max_rejected
        As in :class:`zoo.options.Options`.
    """

    task: str
    data: Path
    sizes: tuple[int, ...]
    backbones: tuple[str, ...] = ("dEf-10k",)
    modes: tuple[Mode, ...] = ("full",)
    baselines: tuple[str, ...] = ()
    scratch: bool = True
    seeds: int = 10
    seed: int = 0
    split: How = "random"
    test: float = 0.1
    epochs: int | None = None
    target: str | None = None
    structures: Path | None = None
    max_rejected: float = 0.1

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 2:
            raise InputError("--sizes: at least one number of training rows, each two or more")
        wrong = [mode for mode in self.modes if mode not in get_args(Mode)]
        if wrong:
            raise InputError(f"--modes {wrong[0]}: there is full, layerwise and head")
        if self.seeds < 1:
            raise InputError(f"--seeds {self.seeds}: at least one seed is needed")
        if not (self.scratch or self.backbones or self.baselines):
            raise InputError("there is nothing to compare: no backbone, no baseline, and not from scratch")


@dataclass(frozen=True)
class Method:
    """One of the methods compared.

    Parameters
    ----------
    name : str
        As it is shown: ``"from scratch"``, ``"dEf-10k"``, ``"dEf-10k, head"``, ``"rf"``.
    backbone, mode, baseline
        What it is; all None from scratch.
    """

    name: str
    backbone: str | None = None
    mode: Mode = "full"
    baseline: str | None = None


@dataclass(frozen=True)
class Cell:
    """One method on one size and seed."""

    method: Method
    size: int
    seed: int

    @property
    def file(self) -> str:
        """Name of the file of its result."""
        slug = re.sub(r"[^A-Za-z0-9.+-]+", "-", self.method.name).strip("-")
        unique = hashlib.sha256(self.method.name.encode()).hexdigest()[:6]
        return f"{slug}-{unique}-n{self.size}-seed{self.seed}.json"


def plan(options: StudyOptions) -> list[Method]:
    """Return the methods, the reference first."""
    found = [Method(SCRATCH)] if options.scratch else []
    for backbone in options.backbones:
        found += [
            Method(backbone if mode == "full" else f"{backbone}, {mode}", backbone, mode) for mode in options.modes
        ]
    return found + [Method(name, baseline=name) for name in options.baselines]
