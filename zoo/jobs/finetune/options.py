"""What a fine-tuning is asked to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from zoo.errors import InputError
from zoo.jobs.methods import SCRATCH, TRANSFER, sized
from zoo.models.checkpoint.schema import MAX_MEMBERS
from zoo.registry import backbones as registry
from zoo.registry import plugins
from zoo.training.fit import Precision
from zoo.training.transfer import Mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.data.splits import How
    from zoo.registry.contracts import Task
    from zoo.training.fit import FitSettings

DEFAULT_BACKBONE = "multi-113k"
"""Of a task that recommends none: what did best on the most properties (docs/transfer.md)."""


@dataclass(frozen=True)
class Options:
    """What a fine-tuning is asked to do; see ``zoo finetune --help``.

    Parameters
    ----------
    task : str
        Name of the target property.
    data : Path
        Table of crystals and targets.
    backbone : str or None
        Name, folder or ``hf://owner/repo@revision``; "auto" takes the task's recommended one; "all" compares every
        one on validation rows and keeps the best; None trains from scratch.
    mode : {"mixture", "full", "head", "layerwise"}
        What is trained; see :mod:`zoo.training.transfer`.
    seeds, seed : int
        Number of repetitions, each with its own split and initial weights, and the first seed.
    split : {"random", "composition", "chemsys"}
        What may not straddle training and test rows.
    test, val : float
        Fractions of all rows.
    n_train : int or None
        Use only so many training rows.
    baselines : tuple of str
        Classical methods to compare with.
    compare_scratch : bool
        Also train the same network from scratch on the same splits.
    epochs, batch_size, learning_rate, patience, precision
        Override the tuned defaults; see :class:`zoo.training.fit.FitSettings`.
    target : str or None
        Column of the target, if the task's own names do not fit.
    structures : Path or None
        Folder of structure files for tables that hold ids alone.
    max_rejected : float
        Largest fraction of unusable rows that is put up with.
    """

    task: str
    data: Path
    backbone: str | None = "auto"
    mode: Mode = "mixture"
    seeds: int = 1
    seed: int = 0
    split: How = "random"
    test: float = 0.1
    val: float = 0.1
    n_train: int | None = None
    baselines: tuple[str, ...] = ()
    compare_scratch: bool = False
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    precision: Precision | None = None
    target: str | None = None
    structures: Path | None = None
    max_rejected: float = 0.1

    def __post_init__(self) -> None:
        # A notebook gives paths as text, names as paths, and whatever comes to hand; nobody checks types before.
        try:
            object.__setattr__(self, "data", Path(self.data))
            object.__setattr__(self, "structures", Path(self.structures) if self.structures else None)
        except TypeError as error:
            raise InputError(f"data and structures are paths of files: {error}") from None
        backbone: object = self.backbone
        if isinstance(backbone, Path):
            object.__setattr__(self, "backbone", str(backbone))
        if isinstance(self.backbone, str) and self.backbone.lower() == "none":  # as at the shell
            object.__setattr__(self, "backbone", None)
        self._check_types()
        if not 1 <= self.seeds <= MAX_MEMBERS:
            raise InputError(f"--seeds {self.seeds}: from 1 to {MAX_MEMBERS}, all of which the model keeps")
        if self.epochs is not None and self.epochs < 1:
            raise InputError(f"--epochs {self.epochs}: at least one epoch is needed")
        for name in ("learning_rate", "patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"--{name.replace('_', '-')} {value:g}: must be more than 0")
        if self.batch_size is not None and self.batch_size < 2:  # one value has no variance to normalise by
            raise InputError(f"--batch-size {self.batch_size}: at least two crystals a step are needed")
        for name, kind in (("mode", Mode), ("precision", Precision)):
            value = getattr(self, name)
            if value is not None and value not in get_args(kind):
                raise InputError(f"--{name} {value}: there is {', '.join(get_args(kind))}")

    def _check_types(self) -> None:
        kinds: dict[str, tuple[type, tuple[str, ...]]] = {
            "a whole number": (Integral, ("seeds", "seed", "n_train", "epochs", "batch_size", "patience")),
            "a number": (Real, ("test", "val", "learning_rate", "max_rejected")),
            "text": (str, ("task", "backbone", "mode", "split", "target", "precision")),
            "True or False": (bool, ("compare_scratch",)),
            "a tuple of names": (tuple, ("baselines",)),
        }
        optional = {"backbone", *(each.name for each in fields(self) if each.default is None)}
        for words, (kind, names) in kinds.items():
            for name in names:
                value = getattr(self, name)
                if value is None and name in optional:
                    continue
                if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
                    raise InputError(f"{name}={value!r}: must be {words}")
        if not all(isinstance(name, str) for name in self.baselines):
            raise InputError(f"baselines={self.baselines!r}: must be a tuple of names")

    def chosen_backbone(self, task: Task) -> str | None:
        """Return the backbone's name with "auto" resolved; None for random weights."""
        return recommended(self.task, task) if self.backbone == "auto" else self.backbone

    def fit_settings(self, rows: int, *, from_scratch: bool) -> FitSettings:
        """Return the tuned fit settings for so many training rows, with the user's overrides."""
        settings = sized(SCRATCH if from_scratch else TRANSFER, rows)
        chosen = {
            name: getattr(self, name) for name in ("epochs", "batch_size", "learning_rate", "patience", "precision")
        }
        return replace(settings, **{name: value for name, value in chosen.items() if value is not None})

    def fingerprint(self, data: Mapping[str, str], backbones: Sequence[str], rows: int) -> dict[str, Any]:
        """Return everything that a finished cell depends on; the seeds and the comparisons may change.

        Parameters
        ----------
        data : mapping of str to str
            What identifies the rows that were read, in their order.
        backbones : sequence of str
            Digests.
        rows : int
            Training rows.
        """
        settings = asdict(self)
        for name in ("seeds", "baselines", "compare_scratch", "data", "structures", "max_rejected"):
            del settings[name]
        return {
            **settings,
            **data,
            "backbones_sha256": list(backbones),
            "fit": [asdict(self.fit_settings(rows, from_scratch=flag)) for flag in (False, True)],
        }


def recommended(name: str, task: Task) -> str:
    """Return the backbone that a task, of the name that was asked for, recommends, or the one that is taken instead."""
    backbone = task.recommended_backbone or DEFAULT_BACKBONE
    return registry.preferred(backbone, plugins.find("task", name).distribution)


def default_out(options: Options, *, resume: bool = False) -> Path:
    """Return ``runs/TASK-BACKBONE`` with the first number that is free; with `resume`, the latest unfinished one."""
    backbone = options.chosen_backbone(plugins.task(options.task))
    source = Path(backbone or "scratch").name.split("@")[0]
    stem = Path("runs") / f"{options.task.split(':')[-1]}-{source.split(':')[-1]}"
    names = [stem, *(stem.with_name(f"{stem.name}-{number}") for number in range(2, 10_000))]
    free = next(name for name in names if not name.exists())
    if resume:
        unfinished = [name for name in names[:100] if name.with_name(name.name + ".partial").exists()]
        return unfinished[-1] if unfinished else free
    return next(name for name in names if not (name.exists() or name.with_name(name.name + ".partial").exists()))
