"""Results of runs as their folders tell them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zoo.errors import InputError
from zoo.jobs.finetune.folder import metrics
from zoo.jobs.finetune.result import Result
from zoo.jobs.reports.comparison_table import comparison_rows
from zoo.jobs.reports.saved_runs import SavedResult
from zoo.models.checkpoint.networks import to_json

if TYPE_CHECKING:
    from pathlib import Path


def test_a_result_is_read_back_from_its_folder(run: tuple[Result, Path]) -> None:
    result, out = run
    found = Result.load(out)
    assert (found.model, found.target, found.unit, found.headline) == (result.model, "K_VRH", "GPa", "mae_log10")
    assert list(found.summary()) == list(result.summary())
    for method, errors in result.summary().items():
        for name, error in errors.items():
            assert found.summary()[method][name] == pytest.approx(error, nan_ok=True)
            for ours, theirs in zip(found.errors[method], result.errors[method], strict=True):
                assert ours[name] == pytest.approx(theirs[name], nan_ok=True)
    assert found.headline_comparisons == result.headline_comparisons
    assert repr(found).startswith(f"<Result of {out}: K_VRH by tiny (full), MAE log10 ")


@pytest.mark.parametrize("transform", ["identity", "log10"])
def test_comparisons_of_the_root_mean_square_error_are_read_back(run: tuple[Result, Path], transform: str) -> None:
    result, out = run
    task = replace(result.task, metric="rmse", transform=transform)
    squared = replace(result, task=task)
    found = SavedResult(out, json.loads(to_json(metrics(squared))))
    assert found.headline == squared.headline == ("rmse_log10" if transform == "log10" else "rmse")
    assert found.headline_comparisons == squared.headline_comparisons != result.headline_comparisons
    assert comparison_rows(found) == comparison_rows(squared)


@pytest.mark.parametrize("content", [None, "no json", "[]", '{"model": "x"}'])
def test_a_folder_that_is_no_run_is_named(content: str | None, tmp_path: Path) -> None:
    if content:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        Result.load(tmp_path)
