"""The result of a fine-tuning: outcomes, their errors, and how they compare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zoo.analysis import metrics
from zoo.analysis.comparisons import compare
from zoo.training.transfer import FROM_SCRATCH

if TYPE_CHECKING:
    from zoo.analysis.comparisons import Comparison
    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.data.tables.table import Table
    from zoo.hub.pull import Pulled
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.finetune.start import Start
    from zoo.jobs.methods import Dataset, Outcome
    from zoo.jobs.reliability import Reliability
    from zoo.models.checkpoint.networks import Checkpoint
    from zoo.registry.contracts import Task


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a fine-tuning, from which its folder is written.

    Parameters
    ----------
    options : Options
    task : Task
    table : Table
        The table as read: the records that were used, in the order of the data set, and all rejections.
    dataset : Dataset
        Graphs and targets of the records.
    splits : list of Split
        One per seed.
    start : Start
        What the networks started from.
    outcomes : dict
        Method → one outcome per seed. The first method is the run's model, to which the others are compared.
    checkpoint : Checkpoint
        The fitted networks of the first method.
    reliability : Reliability
        How often its intervals held on test rows.
    overlap : list of int or None
        Number of test rows, per seed, whose crystals a pretrained network was trained on, by their identifiers; None
        where none has a list of them.
    leaks : dict of str to list of int
        The networks that were trained on this very property of some test rows, with their number per seed.
    warned : list of str
        Warnings about rows that are copies of one another, or that were seen in pretraining.
    tried : dict of str to float
        Where all backbones were compared: each one's error on validation rows, the best first.
    """

    options: Options
    task: Task
    table: Table
    dataset: Dataset
    splits: list[Split]
    start: Start
    outcomes: dict[str, list[Outcome]]
    checkpoint: Checkpoint
    reliability: Reliability
    overlap: list[int] | None
    leaks: dict[str, list[int]]
    warned: list[str]
    tried: dict[str, float]

    @property
    def records(self) -> list[Record]:
        """The rows that were used."""
        return self.table.records

    @property
    def backbone(self) -> Pulled | None:
        """The backbone, and where it came from; None for random weights."""
        return self.start.backbone.pulled if self.start.backbone else None

    @property
    def model(self) -> str:
        """Name of the method that is the run's model."""
        return next(iter(self.outcomes))

    @cached_property
    def errors(self) -> dict[str, list[dict[str, float]]]:
        """Method → errors on the test rows, one dict per seed; see :func:`zoo.analysis.metrics.errors`."""
        targets, log10 = self.dataset.targets, self.task.transform == "log10"
        return {
            method: [
                metrics.errors(targets[split.test], outcome.predictions[split.test], log10=log10)
                for split, outcome in zip(self.splits, outcomes, strict=True)
            ]
            for method, outcomes in self.outcomes.items()
        }

    @cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """Method → comparison with the network from scratch, in the task's unit; empty if there is none."""
        return self._compare(log10=False)

    @cached_property
    def log_comparisons(self) -> dict[str, Comparison]:
        """The same of errors in log10, for a task that is trained in log10."""
        return self._compare(log10=True) if self.task.transform == "log10" else {}

    def _compare(self, *, log10: bool) -> dict[str, Comparison]:
        if FROM_SCRATCH not in self.outcomes:
            return {}
        targets = self.dataset.targets
        absolute = {
            method: [
                metrics.absolute_errors(targets[split.test], outcome.predictions[split.test], log10=log10)
                for split, outcome in zip(self.splits, outcomes, strict=True)
            ]
            for method, outcomes in self.outcomes.items()
        }
        reference = absolute.pop(FROM_SCRATCH)
        return {method: compare(rows, reference) for method, rows in absolute.items()}

    def __repr__(self) -> str:
        unit, mae = self.task.unit, self.summary()[self.model]["mae"]
        shown = f"{mae['mean']:.4g}" + (f" ± {mae['std']:.2g}" if len(self.splits) > 1 else "")
        return (
            f"<Result: {self.table.target_column} by {self.model}, MAE {shown} {unit}".rstrip()
            + f" on {len(self.splits[0].test)} test rows, {len(self.splits)} seed(s)>"
        )

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return method → error → mean and standard deviation over seeds."""
        return {method: metrics.summary(rows) for method, rows in self.errors.items()}
