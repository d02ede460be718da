"""What a fine-tuning found out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.analysis import metrics

if TYPE_CHECKING:
    from zoo.analysis.comparisons import Comparison
    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.data.tables.table import Table
    from zoo.hub import pull
    from zoo.jobs import methods, reliability
    from zoo.jobs.finetune.options import Options
    from zoo.models.checkpoint import networks
    from zoo.registry.contracts import Task


@dataclass(frozen=True, eq=False)
class Result:
    """Everything that a fine-tuning found out, before it is written down.

    Parameters
    ----------
    options : Options
    task : Task
    table : Table
        The table as read, with all rejections.
    records : list of Record
        The rows that were used.
    splits : list of Split
        One per seed.
    outcomes : dict
        Method → one outcome per seed. The first method is the model; the others are what it is compared with.
    errors : dict
        Method → errors on the test rows, one dict per seed.
    comparisons, log_comparisons : dict
        Method → comparison with the scratch network, where that was asked for: of errors in the task's unit, and, for
        a task in log10, of errors in log10.
    checkpoint : Checkpoint
        The fitted networks of the first method.
    trust : Trust
        How often its intervals held on test rows.
    backbone : Pulled or None
    digests : dict of str to str
        SHA-256 of the weights of every backbone that took part.
    overlap : list of int or None
        Number of test rows, per seed, whose crystals one of them was trained on, by their identifiers; None where
        none has a list of them.
    leaks : dict of str to list of int
        The backbones that were trained on this very property of some test rows, with their number per seed.
    warned : list of str
        What was said about rows that are no strangers to each other, or to what the networks began from.
    tried : dict of str to float
        Where the backbone was chosen among all: each one's error on validation rows, the best first.
    """

    options: Options
    task: Task
    table: Table
    records: list[Record]
    splits: list[Split]
    outcomes: dict[str, list[methods.Outcome]]
    errors: dict[str, list[dict[str, float]]]
    comparisons: dict[str, Comparison]
    log_comparisons: dict[str, Comparison]
    checkpoint: networks.Checkpoint
    trust: reliability.Trust
    backbone: pull.Pulled | None
    digests: dict[str, str] = field(default_factory=dict)
    overlap: list[int] | None = None
    leaks: dict[str, list[int]] = field(default_factory=dict)
    warned: list[str] = field(default_factory=list)
    tried: dict[str, float] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Name of the method that is the run's model."""
        return next(iter(self.outcomes))

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
