"""Cells: their errors, and what is kept of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from support import tinystudy

from zoo.errors import InputError
from zoo.jobs.fit_store import FitStore
from zoo.jobs.study import cells
from zoo.jobs.study.options import StudyOptions
from zoo.jobs.study.plan import Cell, Method
from zoo.jobs.study.run import run_study
from zoo.registry.contracts import Task

if TYPE_CHECKING:
    from pathlib import Path

CELL = Cell(Method("mean", baseline="mean"), 20, 0)


def finished(predictions: list[float]) -> dict[str, object]:
    found = cells.errors(np.array([1.0, 2.0, 6.0]), np.array(predictions), "identity")
    return {**found, "seconds": 0.5, "predictions": predictions}


def test_errors_by_hand() -> None:
    """Targets 1, 2, 6 have mean 3 and mean absolute deviation 2; errors 1, 1, 3 have mean 5/3."""
    found = cells.errors(np.array([1.0, 2.0, 6.0]), np.array([2.0, 3.0, 3.0]), "identity")
    assert found["mae"] == pytest.approx(5 / 3)
    assert found["mae_over_mad"] == pytest.approx(5 / 6)
    assert found["test_rows"] == 3
    assert math.isnan(cells.errors(np.ones(3), np.ones(3), "identity")["mae_over_mad"])
    assert "mae_log10" in cells.errors(np.ones(3), np.ones(3), "log10")


def test_a_cell_comes_back_as_it_was_written(tmp_path: Path) -> None:
    store = FitStore(tmp_path, resume=True)
    assert cells.read(store, CELL, 3) is None
    written = {**finished([2.0, 3.0, 3.0]), "r2": float("nan")}
    store.put_json(CELL.key, written)
    found = cells.read(store, CELL, 3)
    assert found is not None
    assert math.isnan(found.pop("r2"))
    del written["r2"]
    assert found == written


@pytest.mark.parametrize("missing", ["predictions", "mae", "seconds"])
def test_a_cell_that_lacks_something_is_computed_again(
    missing: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="zoo")
    store = FitStore(tmp_path, resume=True)
    store.put_json(CELL.key, {key: value for key, value in finished([2.0, 3.0, 3.0]).items() if key != missing})
    assert cells.read(store, CELL, 3) is None
    assert "is damaged and is computed again" in caplog.text


def test_a_cell_of_other_test_rows_is_computed_again(tmp_path: Path) -> None:
    store = FitStore(tmp_path, resume=True)
    store.put_json(CELL.key, finished([2.0, 3.0, 3.0]))
    assert cells.read(store, CELL, 4) is None


def test_a_blend_predicts_within_the_valid_range_of_its_task(tmp_path: Path) -> None:
    """As one that is fine-tuned does: half of the rows have the lowest value of the range."""
    frame = pd.read_csv(tinystudy.write_table(tmp_path))
    lowest = float(frame.K_VRH.median())
    frame["K_VRH"] = frame.K_VRH.clip(lower=lowest)
    task = Task("stiff", "K_VRH", "GPa", transform="log10", valid=(lowest, 600.0))
    options = StudyOptions(
        task, frame, sizes=(60,), backbones=("dEf-10k",), modes=("blend",), fast=True, seeds=1, scratch=False
    )
    done = run_study(options, tmp_path / "out", workers=1, report=False, quiet=True)
    assert done.predictions["dEf-10k, blend, fast", 60][0].min() == lowest


def test_a_blend_is_a_method_of_a_study(tmp_path: Path) -> None:
    table = tinystudy.write_table(tmp_path)
    options = tinystudy.options(table, modes=("blend",), sizes=(20,), seeds=1, baselines=("mean",), scratch=False)
    done = run_study(options, tmp_path / "out", workers=1, report=False, quiet=True)
    assert not done.failed
    row = done.results.set_index("method").loc["dEf-10k, blend"]
    assert row.mae < done.results.set_index("method").loc["mean"].mae
    assert 0.0 <= row.coverage <= 1.0
    weights = done.parameters["dEf-10k, blend", 20, 0]
    assert sum(map(float, weights.values())) == pytest.approx(1, abs=0.01)
    assert "svr on weighted magpie-structure" in weights
    fast = run_study(replace(options, fast=True), tmp_path / "out", workers=1, report=False, quiet=True)
    assert list(fast.results.method) == ["dEf-10k, blend, fast", "mean"]
    members = fast.parameters["dEf-10k, blend, fast", 20, 0]
    assert not any("fine-tuned" in name for name in members)
    with pytest.raises(InputError, match="fast=True leaves the network out of blend, which is not among modes full"):
        replace(options, fast=True, modes=("full",))
