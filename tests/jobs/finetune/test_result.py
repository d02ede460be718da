"""Errors and comparisons of a run are those of its predictions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.finetune.result import Result


def test_every_method_saw_the_same_rows(run: tuple[Result, Path]) -> None:
    result, out = run
    others = pd.read_csv(out / "comparison.csv")
    model = pd.read_csv(out / "predictions.csv")
    assert set(others.method) == {FROM_SCRATCH, "mean"}
    for _, rows in others.groupby("method"):
        assert rows[["id", "split", "seed"]].to_numpy().tolist() == model[["id", "split", "seed"]].to_numpy().tolist()
    train = model[(model.seed == 0) & (model.split == "train")]
    mean = others[(others.method == "mean") & (others.seed == 0)].prediction
    # In log10, as the task says, and of training rows alone.
    assert mean.to_numpy() == pytest.approx(np.full(len(mean), 10 ** np.log10(train.target).mean()), rel=1e-4)
    assert set(result.comparisons) == set(result.log_comparisons) == {result.model, "mean"}
    ours, scratch = ([row["mae_log10"] for row in result.errors[method]] for method in (result.model, FROM_SCRATCH))
    assert result.log_comparisons[result.model].gain == pytest.approx(1 - sum(ours) / sum(scratch))


def test_a_result_is_shown_in_a_line(run: tuple[Result, Path]) -> None:
    found = run[0]
    assert repr(found).startswith("<Result: K_VRH by tiny (full), MAE ")
    assert re.search(r" MAE log10 [\d.]+ .*\(off by [\d.]+×\) on 6 test rows, 2 seeds>$", repr(found))
    assert (found.model, found.repeat, found.repeats) == ("tiny (full)", "seed", "2 seeds")
    assert found.records == found.table.records
