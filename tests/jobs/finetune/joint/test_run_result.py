"""The result of a run of several targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import zoo
from zoo.errors import CheckpointError, InputError
from zoo.jobs.reports.saved_runs import JointResult

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def test_a_result_is_read_back_from_its_folder(run: tuple[JointResult, Path]) -> None:
    result, out = run
    again = zoo.Result.load(out)
    assert isinstance(again, JointResult)
    assert again.metrics == result.metrics
    assert again.summary() == result.summary()
    assert result.title == "Errors on test rows, 1 seed"
    assert [row[:3] for row in result.rows()[1]] == [["K_VRH", "50", "tiny (full)"], ["G_VRH", "49", "tiny (full)"]]
    assert "K_VRH MAE " in repr(result)
    assert "<table>" in result._repr_html_()


def test_the_frame_has_the_predictions_of_all(run: tuple[JointResult, Path], frame: pd.DataFrame) -> None:
    found = run[0].frame()
    assert list(found.columns[:3]) == ["property", "method", "id"]
    assert found.property.value_counts().to_dict() == {"K_VRH": 50, "G_VRH": 49}


def test_other_folders(run: tuple[JointResult, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not the folder of a run of several targets"):
        JointResult.load(run[1] / "K_VRH")
    (tmp_path / "targets.json").write_text('{"format": 1, "targets": {"K": "../K"}}')
    with pytest.raises(CheckpointError, match=r"'\.\./K' is not the name of a folder"):
        zoo.Result.load(tmp_path)
