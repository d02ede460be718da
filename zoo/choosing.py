"""Which backbone to start from: the one whose fine-tuning does best on validation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo import methods
from zoo.errors import InputError
from zoo.progress import progress
from zoo.stats import absolute_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo.cells import CellStore
    from zoo.inference import Device
    from zoo.models.cgcnn import CGCNN
    from zoo.sources import Source
    from zoo.splits import Split
    from zoo.training import FitSettings
    from zoo.transfer import Mode

MIN_ROWS = 10
"""Fewest validation rows that a choice may rest on."""


def rows(splits: Sequence[Split]) -> NDArray[np.int64]:
    """Return the validation rows of the first split that none of the splits tests on: no test row ever chooses.

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
    candidates: Sequence[Source],
    problem: methods.Problem,
    split: Split,
    judges: NDArray[np.int64],
    settings: FitSettings,
    blank: Callable[[int], CGCNN],
    cells: CellStore,
    *,
    mode: Mode,
    experts: Sequence[CGCNN] = (),
    device: Device = "auto",
    quiet: bool = False,
) -> dict[str, float]:
    """Fine-tune each backbone on a split and return its error on some rows.

    Parameters
    ----------
    candidates : sequence of Source
    problem : Problem
    split : Split
        Its training rows are trained on.
    judges : array of int
        The rows, of :func:`rows`.
    settings : FitSettings
    blank : callable
        Makes a network with random weights from a seed.
    cells : CellStore
        Keeps each comparison that is done, for a run that is cut off.
    mode : {"mixture", "full", "head", "layerwise"}
    experts : sequence of CGCNN
        Read beside each of them, for a mixture.

    Returns
    -------
    dict of str to float
        Backbone → mean absolute error, of log10 for a task that is learned in log10, else in the task's unit; the
        best first.
    """
    found = {}
    with progress("choosing a backbone", len(candidates), "backbones", quiet=quiet) as bar:
        for position, source in enumerate(candidates):
            cell = f"candidate-{position}"
            outcome = cells.get(cell)
            if outcome is None:
                outcome = methods.fit_network(
                    problem,
                    split,
                    source.network,
                    blank,
                    settings,
                    mode=mode,
                    experts=experts,
                    workdir=cells.workdir(cell),
                    device=device,
                )
                cells.put(cell, outcome)
            errors = absolute_errors(
                problem.targets[judges], outcome.predictions[judges], log10=problem.transform == "log10"
            )
            found[source.name] = float(errors.mean())
            bar.advance(1, f"{source.name}: {found[source.name]:.4g} on {len(judges)} validation rows")
    return dict(sorted(found.items(), key=lambda item: item[1]))
