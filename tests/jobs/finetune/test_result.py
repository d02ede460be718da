"""Errors and comparisons of a run are those of its predictions."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from support.notebook import tables

from zoo.errors import InputError
from zoo.jobs.finetune.result import Result
from zoo.jobs.reports.comparison_table import comparison_rows, verdict
from zoo.registry import plugins
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from pathlib import Path


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


def test_frame_holds_every_prediction_of_every_method(run: tuple[Result, Path]) -> None:
    result, out = run
    frame = result.frame()
    assert list(frame) == ["method", "id", "split", "target", "prediction", "unit", "seed", "formula"]
    assert list(frame.method.unique()) == [result.model, *(name for name in result.outcomes if name != result.model)]
    assert len(frame) == sum(
        len(split.train) + len(split.val) + len(split.test) for split in result.splits for _ in result.outcomes
    )
    pd.testing.assert_frame_equal(Result.load(out).frame(), frame, check_exact=False, rtol=1e-5)
    # The errors of the table are those of the frame.
    tested = frame[(frame.split == "test") & (frame.method == "mean")]
    by_seed = (tested.prediction - tested.target).abs().groupby(tested.seed).mean()
    assert by_seed.to_list() == pytest.approx([row["mae"] for row in result.errors["mean"]], rel=1e-4)


def test_a_notebook_shows_the_comparison(run: tuple[Result, Path]) -> None:
    result, out = run
    shown = result._repr_html_()
    header, rows = comparison_rows(result)
    assert tables(shown) == [[header, *rows]]
    assert verdict(result) in html.unescape(shown)
    kept = Result.load(out)._repr_html_()
    assert tables(kept) == tables(shown)
    assert len(shown) < 5000
    assert "http" not in shown


def test_parity_shows_the_test_rows_with_the_label_of_the_task(run: tuple[Result, Path]) -> None:
    result, _ = run
    picture = result.parity()
    tested = result.frame().query("split == 'test' and method == @result.model")
    assert picture.data.predicted.to_list() == pytest.approx(tested.prediction.to_list(), rel=1e-5)
    assert picture.figure.axes[0].get_xlabel() == r"Bulk modulus K$_{\mathrm{VRH}}$ (GPa), reference"
    classes = replace(result, task=plugins.task("metallicity"))
    with pytest.raises(InputError, match="metallicity has classes"):
        classes.parity()
