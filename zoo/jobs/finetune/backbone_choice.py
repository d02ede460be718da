"""``--backbone all``: fine-tune every backbone and keep the one with the lowest validation error."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zoo._utils.progress import progress
from zoo.analysis.metrics import row_errors
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.data.splits import Split
    from zoo.jobs.finetune.start import Start
    from zoo.jobs.methods import Dataset, Outcome

MIN_ROWS = 10
"""Minimum number of training rows, and of validation rows, for choosing a backbone."""


def choice_split(splits: Sequence[Split]) -> Split:
    """Return the first split without the test rows of any split, so that no test label influences the choice.

    The test rows are those of the first split. With a single seed, this is the first split unchanged.

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
    """Fine-tune each backbone and return its validation error.

    Parameters
    ----------
    starts : sequence of Start
        One per backbone.
    fit : callable
        Fine-tunes from a given start on `split`.
    dataset : Dataset
    split : Split
        From :func:`choice_split`.

    Returns
    -------
    dict of str to float
        Mean absolute error by backbone, lowest first: of log10 for tasks trained in log10, otherwise in the task's
        unit.
    """
    found = {}
    with progress("choosing a backbone", len(starts), "backbones", quiet=quiet) as bar:
        for start in starts:
            predicted = fit(start).predictions[split.val]
            errors = row_errors(dataset.targets[split.val], predicted, log10=dataset.transform == "log10")
            found[start.name] = float(errors.mean())
            bar.advance(1, f"{start.name}: {found[start.name]:.4g} on {len(split.val)} validation rows")
    return dict(sorted(found.items(), key=lambda item: item[1]))
