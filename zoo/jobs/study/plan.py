"""The plan of a study: its methods and the cells (method, size, seed) to compute."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.jobs.study.options import FROZEN_PREFIX
from zoo.training.settings import BLEND, FROM_SCRATCH

if TYPE_CHECKING:
    from zoo.jobs.study.options import StudyOptions

MethodKind = Literal["scratch", "transfer", "classical"]


@dataclass(frozen=True)
class Method:
    """A method of a study.

    Parameters
    ----------
    name : str
        Name in tables and figures: ``"from scratch"``, ``"dEf-10k"``, ``"dEf-10k, head"``,
        ``"dEf-10k, frozen + ridge"``, ``"rf"``.
    backbone : str or None
    mode : {"blend", "mixture", "full", "head", "layerwise"}
        Fine-tuning mode of the backbone; not used with a baseline.
    baseline : str or None
        Baseline, fitted to the frozen embedding of the backbone or, without a backbone, to the vectors of the
        baseline's own featurizer.
    fast : bool
        Whether the fine-tuned network is left out of a blend.
    """

    name: str
    backbone: str | None = None
    mode: str = "full"
    baseline: str | None = None
    fast: bool = False

    @property
    def kind(self) -> MethodKind:
        """Group of the method; a baseline fitted to a frozen embedding counts as transfer."""
        return "transfer" if self.backbone else "classical" if self.baseline else "scratch"


@dataclass(frozen=True)
class Cell:
    """One method at one training-set size and seed."""

    method: Method
    size: int
    seed: int

    @property
    def label(self) -> str:
        """Name in messages: ``"dEf-10k, head, 50 rows, seed 3"``."""
        return f"{self.method.name}, {self.size} rows, seed {self.seed}"

    @property
    def key(self) -> str:
        """File name without extension; readable, and unique even for names that differ only in special characters."""
        slug = re.sub(r"[^A-Za-z0-9.+-]+", "-", self.method.name).strip("-")
        unique = hashlib.sha256(self.method.name.encode()).hexdigest()[:6]
        return f"{slug}-{unique}-n{self.size}-seed{self.seed}"


def plan(options: StudyOptions) -> list[Method]:
    """Return the methods of a study, starting with the reference."""
    found = [Method(FROM_SCRATCH)] if options.scratch else []
    for backbone in options.backbones or ():
        for mode in options.modes:
            if mode.startswith(FROZEN_PREFIX):
                baseline = mode.removeprefix(FROZEN_PREFIX)
                found.append(Method(f"{backbone}, frozen + {baseline}", backbone, baseline=baseline))
            else:
                fast = options.fast and mode == BLEND
                name = backbone if mode == "full" else f"{backbone}, {mode}{', fast' if fast else ''}"
                found.append(Method(name, backbone, mode, fast=fast))
    return found + [Method(name, baseline=name) for name in options.baselines]
