"""A finished study, with everything its report needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

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
    """A cell without a result, and the reason."""

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
        Folder of its files.
    table : Table
        The table as read; `table.rejected` has the rows that were not used, each with its reason.
    records : list of n Record
        The rows that were used. All row indices below refer to it.
    targets : array of shape (n,), float64
        In the task's unit.
    splits : dict of (size, seed) to Split
        Within a seed, every size has the same test rows.
    backbones : dict of str to Pulled
        The backbones that were compared, with their cards.
    results : DataFrame
        One row per cell: method, size, seed, status ("ok" or "failed"), reason, mae, rmse, r2, (mae_log10),
        mae_over_mad, test_rows (their number), coverage (share of them inside 90 % split-conformal intervals),
        half_width (of these intervals; in log10 for a task learned in log10), seconds, best_epoch. Numbers of failed
        cells are NaN.
    predictions : dict of (method, size) to dict of seed to array
        Predictions for the test rows of the seed, ``splits[size, seed].test``, in the task's unit. Failed cells are
        missing.
    failed : list of FailedCell
    parameters : dict of (method, size, seed) to dict
        Hyper-parameters chosen by the inner cross-validation.
    settings : dict
        Everything that the cells depend on, as in ``study.json``: digests, settings of the fit, split.
    leaks : Leaks or None
        What test rows share with the rows trained on.
    others : dict of str to Pulled
        Experts of mixtures that are not compared themselves.
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

    @property
    def methods(self) -> list[Method]:
        """The methods that were compared, the reference first."""
        return plan(self.options)

    def test_rows(self, seed: int) -> NDArray[np.int64]:
        """Return the indices of the test rows of a seed, the same for every method and size."""
        return next(split.test for (_, each), split in self.splits.items() if each == seed)

    @cached_property
    def errors(self) -> dict[tuple[str, int], dict[int, NDArray[np.float64]]]:
        """Absolute errors on test rows by method and size, then seed; in log10 for a task learned in log10."""
        return {
            key: {
                seed: metrics.absolute_errors(self.targets[self.test_rows(seed)], predicted, log10=self.analysis.log)
                for seed, predicted in by_seed.items()
            }
            for key, by_seed in self.predictions.items()
        }

    @cached_property
    def analysis(self) -> Analysis:
        """Comparisons of the cells' errors, and the answer in a sentence."""
        finished = self.results[self.results["status"] == "ok"]
        kinds = {method.name: method.kind for method in self.methods}
        return Analysis(finished, kinds, self.task.transform, self.options.significance or ALPHA)
