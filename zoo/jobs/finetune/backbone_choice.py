"""Which backbone to start from: the one whose fine-tuning does best on validation rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.progress import progress
from zoo.analysis.metrics import absolute_errors
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo.data.splits import Split
    from zoo.jobs import methods
    from zoo.jobs.finetune.start import Start

MIN_ROWS = 10
"""Fewest training rows, and validation rows, that a choice may rest on."""


def choosing_split(splits: Sequence[Split]) -> Split:
    """Return the first split without the rows that any of the splits tests on, so that no test label helps to choose.

    The test rows are those of the first split; with a single seed it is that split itself.

    Raises
    ------
    InputError
        If fewer than `MIN_ROWS` rows to train on, or to judge by, are left.
    """
    tested = np.concatenate([split.test for split in splits])
    train, val = (rows[~np.isin(rows, tested)] for rows in (splits[0].train, splits[0].val))
    found = replace(splits[0], train=train, val=val)
    for what, left in (("validation", found.val), ("training", found.train)):
        if len(left) < MIN_ROWS:
            raise InputError(
                f"--backbone all: only {len(left)} {what} rows are tested on by no seed, and a choice needs "
                f"{MIN_ROWS}; give more data, fewer --seeds, or name a backbone"
            )
    return found


def compare_backbones(
    starts: Sequence[Start],
    fit: Callable[[Start], methods.Outcome],
    problem: methods.Problem,
    judges: NDArray[np.int64],
    *,
    quiet: bool = False,
) -> dict[str, float]:
    """Fine-tune each backbone and return its error on some rows.

    Parameters
    ----------
    starts : sequence of Start
        One for each backbone.
    fit : callable
        Fine-tunes from a start.
    problem : Problem
    judges : array of int
        The rows: the validation rows of :func:`choosing_split`.

    Returns
    -------
    dict of str to float
        Backbone → mean absolute error, of log10 for a task that is learned in log10, else in the task's unit; the
        best first.
    """
    found = {}
    with progress("choosing a backbone", len(starts), "backbones", quiet=quiet) as bar:
        for start in starts:
            predicted = fit(start).predictions[judges]
            errors = absolute_errors(problem.targets[judges], predicted, log10=problem.transform == "log10")
            found[start.name] = float(errors.mean())
            bar.advance(1, f"{start.name}: {found[start.name]:.4g} on {len(judges)} validation rows")
    return dict(sorted(found.items(), key=lambda item: item[1]))
