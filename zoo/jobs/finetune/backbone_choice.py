"""``--backbone all``: keep the backbone that fine-tunes best, judged on validation rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.progress import progress
from zoo.analysis.metrics import absolute_errors
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.data.splits import Split
    from zoo.jobs.finetune.start import Start
    from zoo.jobs.methods import Dataset, Outcome

MIN_ROWS = 10
"""Fewest training rows, and validation rows, that a choice may rest on."""


def choice_split(splits: Sequence[Split]) -> Split:
    """Return the first split without the rows that any split tests on, so that no test label influences the choice.

    Its test rows are those of the first split; with a single seed it is that split itself.

    Raises
    ------
    InputError
        If fewer than `MIN_ROWS` training or validation rows are left.
    """
    tested = np.concatenate([split.test for split in splits])
    train, val = (rows[~np.isin(rows, tested)] for rows in (splits[0].train, splits[0].val))
    found = replace(splits[0], train=train, val=val)
    if splits[0].fold and not len(found.train):
        raise InputError("--backbone all: every row is a test row of a fold, and none is left to choose by; name one")
    for what, left in (("validation", found.val), ("training", found.train)):
        if len(left) < MIN_ROWS:
            raise InputError(
                f"--backbone all: only {len(left)} {what} rows are test rows of no seed, and a choice needs "
                f"{MIN_ROWS}; give more data, fewer --seeds, or name a backbone"
            )
    return found


def compare_backbones(
    starts: Sequence[Start],
    fit: Callable[[Start], Outcome],
    dataset: Dataset,
    split: Split,
    *,
    quiet: bool = False,
) -> dict[str, float]:
    """Fine-tune each backbone and return its error on validation rows.

    Parameters
    ----------
    starts : sequence of Start
        One for each backbone.
    fit : callable
        Fine-tunes from a start, on `split`.
    dataset : Dataset
    split : Split
        That of :func:`choice_split`.

    Returns
    -------
    dict of str to float
        Backbone → mean absolute error, of log10 for a task that is trained in log10, else in the task's unit; the
        best first.
    """
    found = {}
    with progress("choosing a backbone", len(starts), "backbones", quiet=quiet) as bar:
        for start in starts:
            predicted = fit(start).predictions[split.val]
            errors = absolute_errors(dataset.targets[split.val], predicted, log10=dataset.transform == "log10")
            found[start.name] = float(errors.mean())
            bar.advance(1, f"{start.name}: {found[start.name]:.4g} on {len(split.val)} validation rows")
    return dict(sorted(found.items(), key=lambda item: item[1]))
