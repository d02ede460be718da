"""The files that cover all targets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.reports.saved_runs import JointResult


def test_files_of_a_run(run: tuple[JointResult, Path], frame: pd.DataFrame) -> None:
    result, out = run
    assert {path.name for path in out.iterdir()} == {
        *("K_VRH", "G_VRH", "README.md", "metrics.json", "predictions.csv", "rejected.csv", "splits.json"),
        "targets.json",
    }
    assert not out.with_name("moduli.partial").exists()
    assert json.loads((out / "metrics.json").read_text()) == result.metrics
    text = (out / "README.md").read_text()
    assert "2 targets learned from 59 rows of `moduli.csv`" in text
    assert "tiny, one network with a head for each" in text
    assert "`zoo predict moduli new/` predicts all targets" in text
    card = (out / "G_VRH" / "README.md").read_text()
    assert "The fine-tuned network learned it together with K_VRH" in card
    assert "0 rejected, 11 without a value (`rejected.csv`)" in card


def test_predictions_of_all_targets_stand_in_one_row(run: tuple[JointResult, Path], frame: pd.DataFrame) -> None:
    _, out = run
    found = pd.read_csv(out / "predictions.csv")
    assert list(found.columns) == [
        *("id", "split", "seed", "formula", "target_K_VRH", "prediction_K_VRH", "unit_K_VRH"),
        *("target_G_VRH", "prediction_G_VRH", "unit_G_VRH"),
    ]
    assert sorted(found.id) == sorted(frame.material_id.drop(5))
    assert list(found.split) == sorted(found.split, key=["train", "validation", "test"].index)
    for target in ("K_VRH", "G_VRH"):
        pd.testing.assert_series_equal(
            found.set_index("id")[f"target_{target}"].sort_index(),
            frame.drop(5).set_index("material_id")[target].sort_index(),
            check_names=False,
        )
    rejected = pd.read_csv(out / "rejected.csv")
    assert rejected[["row", "reason"]].to_numpy().tolist() == [[6, "no value of any target"]]
