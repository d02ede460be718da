"""Calibration on validation rows and coverage on test rows, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.data.splits import Split
from zoo.data.tables.table import read_table
from zoo.jobs import pretrained
from zoo.jobs.finetune.reliability import assess
from zoo.jobs.methods import Outcome, build_dataset
from zoo.models.checkpoint.networks import Member
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_residuals_of_validation_rows_make_the_interval(moduli: Callable[[int], Path]) -> None:
    """Nine validation rows off by factors 10^0.1 … 10^0.9; test rows off by 10^0.45 or 10^0.95, half of each."""
    table = read_table(moduli(40), plugins.task("bulk-modulus"))
    _, dataset = build_dataset(
        table, plugins.task("bulk-modulus"), GraphSettings(), frozenset(range(1, 119)), "zoo", 0.1
    )
    split = Split(0, np.arange(21), np.arange(21, 30), np.arange(30, 40))
    off = np.zeros(40)
    off[split.val] = np.arange(1, 10) / 10
    off[split.test] = [0.45, 0.95] * 5
    member = Member(pretrained.new_network(0), TargetScaler("log10", 2.0, 0.5), 0)
    found = assess(dataset, [split], [Outcome(dataset.targets * 10**off, member=member)], "cpu")
    assert found.calibrations[0] == pytest.approx(np.arange(1, 10) / 10, abs=1e-5)
    # ⌈10 × 0.5⌉ = 5: up to 0.5, which holds half of the test rows; ⌈10 × 0.9⌉ = 9: up to 0.9, the same half.
    assert (found.measured(0.5), found.measured(0.9)) == (0.5, 0.5)
    assert found.half_widths == pytest.approx([0.9], abs=1e-5)
    assert found.measured(0.95) is None  # nine rows are too few for it
    assert found.tested == 10
    described = found.to_dict()
    assert described["calibration_rows"] == [9]
    assert described["far_from_training"] == {"test_rows": found.far, "of": 10, "expected": 1 - found.reference.share}
