"""What a study is asked to do: methods, sizes and seeds, and the cells that these make."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from zoo.analysis.comparisons import MIN_SEEDS
from zoo.errors import InputError
from zoo.training.transfer import FROM_SCRATCH, Mode

if TYPE_CHECKING:
    from zoo.data.splits import How
    from zoo.jobs.pretrain.recipe import Condition

MethodKind = Literal["scratch", "transfer", "classical"]

SIZES = (50, 100, 200, 500)
"""Numbers of training rows that are compared, as far as the table has so many."""

FROZEN = "frozen-"
"""Begin of a mode in which a backbone only makes vectors; the rest is the baseline that is fitted to them."""


@dataclass(frozen=True)
class StudyOptions:
    """What is compared; see ``zoo study --help``.

    Parameters
    ----------
    task : str
    data : Path
    sizes : tuple of int, optional
        Numbers of training rows; those of `SIZES` that the table allows, if not given.
    backbones : tuple of str, optional
        The task's recommended one, if not given; none, if empty.
    modes : tuple of str
        How each backbone is used: fine-tuned (``mixture``, ``full``, ``layerwise``, ``head``), or as a frozen
        embedding that a baseline is fitted to (``frozen-ridge``, ``frozen-rf``, ``frozen-`` and any other baseline).
    baselines : tuple of str
    scratch : bool
        Also train from scratch: what everything is compared with.
    seeds, seed : int
        Number of repetitions, and the first.
    split : {"random", "composition", "chemsys"}
    test : float
        Fraction of the rows that is tested on.
    significance : float, optional
        Level of the paired tests over seeds, for who insists on one; it takes three seeds.
    epochs : int or None
        Instead of the tuned number.
    where : tuple of Condition
        All of which a row must fulfil to be used at all.
    unseen : bool
        Use only rows that none of the backbones was trained on.
    rows : int, optional
        Use only so many rows, those whose identifiers have the smallest SHA-256.
    target, structures, max_rejected
        As in :class:`zoo.jobs.finetune.options.Options`.
    title : str
        For the report.
    """

    task: str
    data: Path
    sizes: tuple[int, ...] | None = None
    backbones: tuple[str, ...] | None = None
    modes: tuple[str, ...] = ("mixture", "full")
    baselines: tuple[str, ...] = ()
    scratch: bool = True
    seeds: int = 10
    seed: int = 0
    split: How = "random"
    test: float = 0.1
    significance: float | None = None
    epochs: int | None = None
    where: tuple[Condition, ...] = ()
    unseen: bool = False
    rows: int | None = None
    target: str | None = None
    structures: Path | None = None
    max_rejected: float = 0.1
    title: str = ""

    def __post_init__(self) -> None:
        # A notebook gives paths as text, and lists.
        object.__setattr__(self, "data", Path(self.data))
        object.__setattr__(self, "structures", Path(self.structures) if self.structures else None)
        for name in ("sizes", "backbones", "modes", "baselines", "where"):
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else tuple(dict.fromkeys(value)))
        if self.sizes is not None and (not self.sizes or min(self.sizes) < 2):
            raise InputError("--sizes: at least one number of training rows, each two or more")
        known = get_args(Mode)
        for mode in self.modes:
            if mode not in known and not (mode.startswith(FROZEN) and mode != FROZEN):
                raise InputError(f"--modes {mode}: there is {', '.join(known)}, {FROZEN}ridge and {FROZEN}rf")
        if not self.modes and self.backbones:
            raise InputError("--modes: at least one, or no --backbones")
        if self.seeds < 1:
            raise InputError(f"--seeds {self.seeds}: at least one seed is needed")
        if self.epochs is not None and self.epochs < 1:
            raise InputError(f"--epochs {self.epochs}: at least one epoch is needed")
        if self.significance is not None and not 0 < self.significance < 1:
            raise InputError(f"--significance {self.significance:g} is no level between 0 and 1")
        if self.significance is not None and self.seeds < MIN_SEEDS:
            raise InputError(
                f"--significance {self.significance:g} with --seeds {self.seeds}: a paired test over seeds needs at "
                f"least {MIN_SEEDS} of them"
            )
        if self.backbones == () and not (self.scratch or self.baselines):
            raise InputError("there is nothing to compare: no backbone, no baseline, and not from scratch")


@dataclass(frozen=True)
class Method:
    """One of the methods compared.

    Parameters
    ----------
    name : str
        As it is shown: ``"from scratch"``, ``"dEf-10k"``, ``"dEf-10k, head"``, ``"dEf-10k, frozen + ridge"``, ``"rf"``.
    backbone : str or None
    mode : {"mixture", "full", "head", "layerwise"}
        How the backbone is fine-tuned, if there is no baseline.
    baseline : str or None
        Fitted to the frozen backbone's vectors, or to those of its own featurizer if there is no backbone.
    """

    name: str
    backbone: str | None = None
    mode: Mode = "full"
    baseline: str | None = None

    @property
    def kind(self) -> MethodKind:
        """What it is compared as; a baseline that is fitted to a frozen backbone's vectors is a transfer."""
        return "transfer" if self.backbone else "classical" if self.baseline else "scratch"


@dataclass(frozen=True)
class Cell:
    """One method on one size and seed."""

    method: Method
    size: int
    seed: int

    @property
    def label(self) -> str:
        """What it is called in messages: ``"dEf-10k, head, 50 rows, seed 3"``."""
        return f"{self.method.name}, {self.size} rows, seed {self.seed}"

    @property
    def file(self) -> str:
        """Name of the file of its result."""
        slug = re.sub(r"[^A-Za-z0-9.+-]+", "-", self.method.name).strip("-")
        unique = hashlib.sha256(self.method.name.encode()).hexdigest()[:6]
        return f"{slug}-{unique}-n{self.size}-seed{self.seed}.json"


def plan(options: StudyOptions) -> list[Method]:
    """Return the methods, the reference first."""
    found = [Method(FROM_SCRATCH)] if options.scratch else []
    for backbone in options.backbones or ():
        for mode in options.modes:
            if mode.startswith(FROZEN):
                baseline = mode.removeprefix(FROZEN)
                found.append(Method(f"{backbone}, frozen + {baseline}", backbone, baseline=baseline))
            else:
                name = backbone if mode == "full" else f"{backbone}, {mode}"
                found.append(Method(name, backbone, cast("Mode", mode)))
    return found + [Method(name, baseline=name) for name in options.baselines]
