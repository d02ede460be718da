"""Which backbone to start from: the one whose fine-tuning does best on validation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import InputError
from zoo.progress import progress
from zoo.stats import absolute_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo import methods
    from zoo.splits import Split
    from zoo.starting import Start

MIN_ROWS = 10
"""Fewest validation rows that a choice may rest on."""


def rows(splits: Sequence[Split]) -> NDArray[np.int64]:
    """Return the validation rows of the first split that none of the splits tests on: no test row is a judge.

    Raises
    ------
    InputError
        If they are fewer than `MIN_ROWS`.
    """
    found = np.setdiff1d(splits[0].val, np.concatenate([split.test for split in splits]))
    if len(found) < MIN_ROWS:
        raise InputError(
            f"--backbone all: only {len(found)} validation rows are tested on by no seed, and a choice needs "
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
        The rows, of :func:`rows`.

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
