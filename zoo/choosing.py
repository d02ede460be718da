"""Which backbone to start from: the one whose fine-tuning does best on validation rows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo import methods, sources
from zoo.errors import InputError
from zoo.progress import progress
from zoo.stats import absolute_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.inference import Device
    from zoo.models.cgcnn import CGCNN
    from zoo.splits import Split
    from zoo.training import FitSettings
    from zoo.transfer import Mode

MIN_ROWS = 10
"""Fewest validation rows that a choice may rest on."""


def compare_backbones(
    names: Sequence[str],
    problem: methods.Problem,
    splits: Sequence[Split],
    settings: FitSettings,
    blank: Callable[[int], CGCNN],
    *,
    mode: Mode,
    experts: Sequence[CGCNN] = (),
    device: Device = "auto",
    quiet: bool = False,
) -> dict[str, float]:
    """Fine-tune each backbone on the first split and return its error on validation rows.

    Rows that any of the splits tests on take no part: no test row ever chooses.

    Parameters
    ----------
    names : sequence of str
    problem : Problem
    splits : sequence of Split
        Of all seeds; the first one's training rows are trained on.
    settings : FitSettings
    blank : callable
        Makes a network with random weights from a seed.
    mode : {"mixture", "full", "head", "layerwise"}
    experts : sequence of CGCNN
        Read beside each of them, for a mixture.

    Returns
    -------
    dict of str to float
        Backbone → mean absolute error, of log10 for a task that is learned in log10, else in the task's unit; the
        best first.

    Raises
    ------
    InputError
        If fewer than `MIN_ROWS` validation rows are left.
    """
    first = splits[0]
    tested = np.unique(np.concatenate([split.test for split in splits]))
    rows = np.setdiff1d(first.val, tested)
    if len(rows) < MIN_ROWS:
        raise InputError(
            f"--backbone all: only {len(rows)} validation rows are tested on by no seed, and a choice needs "
            f"{MIN_ROWS}; give more data, fewer --seeds, or name a backbone"
        )
    found = {}
    with progress("choosing a backbone", len(names), "backbones", quiet=quiet) as bar:
        for name in names:
            source = sources.load(name).network
            with tempfile.TemporaryDirectory() as folder:
                outcome = methods.fit_network(
                    problem,
                    first,
                    source,
                    blank,
                    settings,
                    mode=mode,
                    experts=experts,
                    workdir=Path(folder),
                    device=device,
                )
            errors = absolute_errors(
                problem.targets[rows], outcome.predictions[rows], log10=problem.transform == "log10"
            )
            found[name] = float(errors.mean())
            bar.advance(1, f"{name}: {found[name]:.4g} on {len(rows)} validation rows")
    return dict(sorted(found.items(), key=lambda item: item[1]))
