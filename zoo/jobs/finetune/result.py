"""The result of a fine-tuning: outcomes, errors and comparisons."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from zoo._utils.python_api import public
from zoo._utils.wording import as_html, counted, format_headline, probability_columns
from zoo.analysis import metrics
from zoo.analysis.comparisons import Comparison, compare
from zoo.errors import InputError
from zoo.jobs.finetune import splitting
from zoo.jobs.predict.joint import read_folders
from zoo.jobs.reports.saved_runs import JointResult, SavedResult
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from zoo.analysis.comparisons import Metric
    from zoo.analysis.figures import Picture
    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.data.tables.table import Table
    from zoo.hub.pull import Pulled
    from zoo.jobs.crossfit.fit import CrossFit
    from zoo.jobs.finetune.options import Options
    from zoo.jobs.finetune.reliability import Reliability
    from zoo.jobs.finetune.start import Start
    from zoo.jobs.methods import Dataset, Outcome
    from zoo.models.checkpoint.networks import Checkpoint
    from zoo.registry.contracts import Task


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a fine-tuning; all files of the run folder are written from it.

    Parameters
    ----------
    options : Options
    task : Task
    table : Table
        The table as read: the records used, in the order of the data set, and all rejections.
    dataset : Dataset
        Graphs and targets of the records.
    splits : list of Split
        One per seed.
    start : Start
        Backbone and experts from which the networks started.
    outcomes : dict
        Outcomes by method, one per seed. The first method is the run's model; the others are compared with it.
    checkpoint : Checkpoint
        The fitted networks of the first method.
    reliability : Reliability
        Coverage of its intervals on the test rows.
    overlap : list of int or None
        Number of test rows per seed whose crystals, by identifier, were in the training set of a pretrained network;
        None if no network has a list of its training crystals.
    leaks : dict of str to list of int
        Number of test rows per seed that a pretrained network was trained on with the same property, by network.
    warned : list of str
        Warnings about duplicate crystals and about test rows seen in pretraining.
    tried : dict of str to float
        Validation errors of all backbones, lowest first, if they were compared; otherwise empty.
    crossfits : list of CrossFit
        One per seed if the model was cross-fitted; otherwise empty.
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
    crossfits: list[CrossFit] = field(default_factory=list)

    @property
    def records(self) -> list[Record]:
        """The rows used."""
        return self.table.records

    @property
    def backbone(self) -> Pulled | None:
        """The backbone and its origin; None for random weights."""
        return self.start.backbone.pulled if self.start.backbone else None

    @property
    def unit(self) -> str:
        """Unit of the target."""
        return self.task.unit

    @property
    def quantity(self) -> str:
        """Name of the target in figures: the task's label, or the column."""
        return self.task.label or self.table.target_column

    @property
    def model(self) -> str:
        """Name of the run's model among the methods."""
        return next(iter(self.outcomes))

    @property
    def approach(self) -> str:
        """Kind of model, as the subject of a sentence: "transfer", "the blend", or the name of a baseline."""
        if not self.crossfits:
            return "transfer"
        return "the blend" if self.options.network_mode else self.options.mode

    @property
    def repeat(self) -> str:
        """Kind of repetition: "seed" or "fold"."""
        return "fold" if self.splits[0].fold else "seed"

    @property
    def repeats(self) -> str:
        """Number of repetitions, for example "3 seeds"."""
        return counted(len(self.splits), self.repeat)

    @property
    def row_counts(self) -> dict[str, int]:
        """Number of rows of the first seed in each part; in a cross-fit all rows train, and none is for validation."""
        first = self.splits[0]
        if self.crossfits:
            return {"train": len(self.crossfits[0].rows), "val": 0, "test": len(first.test)}
        return {"train": len(first.train), "val": len(first.val), "test": len(first.test)}

    @cached_property
    def used(self) -> list[Split]:
        """The splits as the run's model used them; see :func:`zoo.jobs.finetune.splitting.as_cross_fitted`."""
        if not self.crossfits:
            return self.splits
        return [
            splitting.as_cross_fitted(split, each.rows) for split, each in zip(self.splits, self.crossfits, strict=True)
        ]

    @cached_property
    def judged(self) -> list[NDArray[np.int64]]:
        """Rows on which the errors are measured, one array per seed; see :func:`zoo.jobs.finetune.splitting.judged`."""
        return [splitting.judged(self.options, split) for split in self.splits]

    @cached_property
    def judged_values(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Targets, and predictions of the run's model, of the rows `judged`, those of all seeds one after another."""
        outcomes = self.outcomes[self.model]
        predictions = [outcome.predictions[rows] for rows, outcome in zip(self.judged, outcomes, strict=True)]
        return self.dataset.targets[np.concatenate(self.judged)], np.concatenate(predictions)

    @property
    def basis(self) -> Literal["on test rows", "out of fold", "on validation rows"]:
        """What the errors are measured on, in words that complete "errors …"."""
        if len(self.splits[0].test):
            return "on test rows"
        return "out of fold" if self.crossfits else "on validation rows"

    @property
    def judged_rows(self) -> str:
        """Number of rows on which the errors of the first seed are measured, for example "60 rows, out of fold"."""
        count = len(self.judged[0])
        return f"{count} rows, out of fold" if self.basis == "out of fold" else f"{count} {self.basis[3:]}"

    @property
    def headline(self) -> str:
        """Name of the task's error metric, by which methods are compared; for log10 tasks, the error of log10."""
        return f"{self.task.metric}_log10" if self.task.transform == "log10" else self.task.metric

    @cached_property
    def errors(self) -> dict[str, list[dict[str, float]]]:
        """Errors by method, one dict per seed, on the rows `judged`; see :func:`zoo.analysis.metrics.errors`."""
        targets, log10 = self.dataset.targets, self.task.transform == "log10"
        return {
            method: [
                metrics.errors(targets[rows], outcome.predictions[rows], log10=log10)
                for rows, outcome in zip(self.judged, outcomes, strict=True)
            ]
            for method, outcomes in self.outcomes.items()
        }

    @cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """MAE comparisons with training from scratch, in the task's unit, by method; empty without a scratch fit."""
        return self._compare(log10=False)

    @cached_property
    def log_comparisons(self) -> dict[str, Comparison]:
        """Comparisons of the MAE of log10, for tasks trained in log10; otherwise empty."""
        return self._compare(log10=True) if self.task.transform == "log10" else {}

    @cached_property
    def headline_comparisons(self) -> dict[str, Comparison]:
        """Comparisons of the task's error metric; verdicts are based on these."""
        return self._compare(log10=self.task.transform == "log10", metric=self.task.metric)

    def _compare(self, *, log10: bool, metric: Metric = "mae") -> dict[str, Comparison]:
        if FROM_SCRATCH not in self.outcomes:
            return {}
        targets = self.dataset.targets
        absolute = {
            method: [
                metrics.row_errors(targets[rows], outcome.predictions[rows], log10=log10)
                for rows, outcome in zip(self.judged, outcomes, strict=True)
            ]
            for method, outcomes in self.outcomes.items()
        }
        reference = absolute.pop(FROM_SCRATCH)
        return {
            method: compare(rows, reference, metric=metric, over=f"{self.repeat}s") for method, rows in absolute.items()
        }

    def __repr__(self) -> str:
        error = format_headline(self.headline, self.summary()[self.model], self.task.unit)
        return f"<Result: {self.table.target_column} by {self.model}, {error} on {self.judged_rows}, {self.repeats}>"

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return the mean and standard deviation over seeds, by method and error.

        The errors are those of :func:`zoo.analysis.metrics.errors`. For tasks in log10, ``mae_log10`` and ``factor``
        come first; the factor is the typical ratio between prediction and target (1.21: off by 21 %).
        """
        return {method: metrics.summary(rows) for method, rows in self.errors.items()}

    def frame(self) -> pd.DataFrame:
        """Return the predictions of all methods for all rows.

        Returns
        -------
        DataFrame
            Columns ``method`` and those of ``predictions.csv``; the run's model comes first.
        """
        import pandas as pd

        from zoo.jobs.finetune.folder import prediction_columns, predictions

        rows = [[method, *row] for method in self.outcomes for row in predictions(self, [method])]
        found = pd.DataFrame(rows, columns=["method", *prediction_columns(self)])
        return found.astype(dict.fromkeys(probability_columns(self.task.classes) or ["prediction"], "float64"))

    def parity(self) -> Picture:
        """Plot the predictions against the targets, on the rows on which the errors are measured.

        Returns
        -------
        Picture
            ``result.parity().write("parity.pdf", width=3.35)`` writes it for a publication.

        Raises
        ------
        InputError
            If the task is a classification.
        """
        from zoo.analysis.figures import parity

        if self.task.classes:
            raise InputError(f"{self.task.name} has classes, and a parity plot shows numbers; see the run's pictures")
        return parity(
            *self.judged_values,
            quantity=self.quantity,
            unit=self.unit,
            log=self.task.transform == "log10",
            method=self.model,
            basis=self.basis,
        )

    def _repr_html_(self) -> str:
        """Return the table of errors and the verdict, for notebooks."""
        from zoo.jobs.reports.comparison_table import comparison_rows, intervals, verdict

        title = f"{self.table.target_column} by {self.model}: errors {self.basis}, {self.repeats}"
        return as_html(title, None, *comparison_rows(self), [verdict(self), intervals(self)])

    @staticmethod
    @public("Result.load")
    def load(folder: str | Path) -> SavedResult | JointResult:
        """Read the result of a run from its folder: a :class:`SavedResult`, or a `JointResult` of several targets.

        Raises
        ------
        InputError
            If the folder is not a complete run.

        Examples
        --------
        >>> import zoo
        >>> zoo.Result.load("examples")
        Traceback (most recent call last):
        zoo.errors.InputError: examples is not the folder of a run: metrics.json is missing
        """
        return SavedResult.read(folder) if read_folders(Path(folder)) is None else JointResult.load(folder)
