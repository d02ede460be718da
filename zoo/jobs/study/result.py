"""A finished study, with all data for its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from zoo._utils.wording import as_html
from zoo.analysis import metrics
from zoo.jobs.study.analysis import ALPHA, Analysis
from zoo.jobs.study.plan import plan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from zoo.analysis.leaks import Leaks
    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.data.tables.table import Table
    from zoo.hub.pull import Pulled
    from zoo.jobs.study.options import StudyOptions
    from zoo.jobs.study.plan import Method
    from zoo.registry.contracts import Task


@dataclass(frozen=True)
class FailedCell:
    """A failed cell, with the reason."""

    method: str
    size: int
    seed: int
    reason: str


@dataclass(frozen=True, eq=False)
class Study:
    """A finished study.

    Parameters
    ----------
    options : StudyOptions
        With default sizes and backbones filled in.
    task : Task
    folder : Path
        Folder of the study.
    table : Table
        The table as read; `table.rejected` contains the unused rows, with reasons.
    records : list of n Record
        The rows used. All row indices below refer to this list.
    targets : array of shape (n,), float64
        Targets in the task's unit.
    splits : dict of (size, seed) to Split
        For a given seed, all sizes have the same test rows.
    backbones : dict of str to Pulled
        The compared backbones, with their cards.
    results : DataFrame
        One row per cell: method, size, seed, status ("ok" or "failed"), reason, mae, rmse, r2, (mae_log10),
        mae_over_mad, test_rows (number of test rows), coverage (fraction of test rows inside 90 % split-conformal
        intervals), half_width (of these intervals; in log10 for tasks trained in log10), seconds, best_epoch. Numbers
        are NaN for failed cells.
    predictions : dict of (method, size) to dict of seed to array
        Predictions for the test rows, ``splits[size, seed].test``, in the task's unit. Failed cells are omitted.
    failed : list of FailedCell
    parameters : dict of (method, size, seed) to dict
        Hyperparameters selected by the inner cross-validation.
    settings : dict
        All settings that affect the cells, as in ``study.json``: digests, fit settings, split.
    leaks : Leaks or None
        Overlap between test rows and training rows, including those of the backbones.
    others : dict of str to Pulled
        Experts in mixtures that are not among the compared backbones.
    """

    options: StudyOptions
    task: Task
    folder: Path
    table: Table
    records: list[Record]
    targets: NDArray[np.float64]
    splits: dict[tuple[int, int], Split]
    backbones: dict[str, Pulled]
    results: pd.DataFrame
    predictions: dict[tuple[str, int], dict[int, NDArray[np.float64]]]
    failed: list[FailedCell] = field(default_factory=list)
    parameters: dict[tuple[str, int, int], dict[str, str]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    leaks: Leaks | None = None
    others: dict[str, Pulled] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = self.analysis.sizes
        found = self.analysis.sentence(sizes[-1]) if sizes else "no cell was finished"
        return f"<Study of {self.table.target_column}: {found}>"

    def _repr_html_(self) -> str:
        """Return the table of errors and the conclusions, for notebooks."""
        from zoo.jobs.reports.comparison_table import study_rows, study_verdicts

        if not self.analysis.sizes:
            return as_html(f"Study of {self.table.target_column}", notes=["No cell was finished."])
        return as_html(f"Study of {self.table.target_column}", None, *study_rows(self), study_verdicts(self))

    @property
    def methods(self) -> list[Method]:
        """The compared methods, starting with the reference."""
        return plan(self.options)

    def test_rows(self, seed: int) -> NDArray[np.int64]:
        """Return the indices of the test rows for a seed, which are the same for all methods and sizes."""
        return next(split.test for (_, each), split in self.splits.items() if each == seed)

    @cached_property
    def errors(self) -> dict[tuple[str, int], dict[int, NDArray[np.float64]]]:
        """Absolute test errors by method and size, then seed; in log10 for tasks trained in log10; or log-losses."""
        return {
            key: {
                seed: metrics.row_errors(self.targets[self.test_rows(seed)], predicted, log10=self.analysis.log)
                for seed, predicted in by_seed.items()
            }
            for key, by_seed in self.predictions.items()
        }

    @cached_property
    def analysis(self) -> Analysis:
        """Comparisons of the errors, and one-sentence conclusions."""
        finished = self.results[self.results["status"] == "ok"]
        kinds = {method.name: method.kind for method in self.methods}
        return Analysis(finished, kinds, self.task.transform, self.options.significance or ALPHA)
