"""The files of a run say the same, and what was computed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from support.runfiles import RUN_FILES

from zoo.hub import pull
from zoo.jobs import lineage
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.reports.saved_runs import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.jobs.finetune.result import Result


def test_the_folder_is_complete(run: tuple[Result, Path]) -> None:
    _, out = run
    assert {path.name for path in out.iterdir()} == RUN_FILES | {"comparison.csv"}
    assert [path.name for path in out.parent.iterdir()] == ["run"]


def test_predictions_metrics_and_splits_agree(run: tuple[Result, Path]) -> None:
    result, out = run
    metrics = json.loads((out / "metrics.json").read_text())
    splits = json.loads((out / "splits.json").read_text())
    predictions = pd.read_csv(out / "predictions.csv")
    assert list(predictions.columns) == ["id", "split", "target", "prediction", "unit", "seed", "formula"]
    assert set(predictions.unit) == {"GPa"}
    for seed, each in zip((0, 1), metrics["methods"][result.model]["per_seed"], strict=True):
        test = predictions[(predictions.seed == seed) & (predictions.split == "test")]
        assert set(test.id) == set(splits[str(seed)]["test"])
        assert np.abs(test.prediction - test.target).mean() == pytest.approx(each["mae"], rel=1e-4)
        parts = [set(splits[str(seed)][part]) for part in ("train", "validation", "test")]
        assert sum(len(part) for part in parts) == len(set.union(*parts)) == 58
    assert metrics["rows"] == {"used": 58, "rejected": 2, "train": 40, "validation": 12, "test": 6}


def test_the_rows_of_a_cross_fit_train_and_no_others(moduli: Callable[[int], Path], tmp_path: Path) -> None:
    for n_train in (None, 30):
        out = tmp_path / f"run-{n_train}"
        options = Options("bulk-modulus", moduli(60), mode="mean", n_train=n_train, baselines=("ridge",))
        finetune(options, out, quiet=True)
        splits = json.loads((out / "splits.json").read_text())["0"]
        predictions, held = pd.read_csv(out / "predictions.csv"), pd.read_csv(out / "out_of_fold.csv")
        assert set(splits["train"]) == set(held.id) == set(predictions.id[predictions.split == "out_of_fold"])
        assert len(held) == (n_train or 54)
        assert set(splits["validation"]) == set(predictions.id[predictions.split == "validation"])
        assert len(splits["validation"]) == (6 if n_train else 0)
        assert lineage.training_ids(pull.pull(out)) >= set(held.id)
        compared = pd.read_csv(out / "comparison.csv")
        assert compared.split.value_counts().to_dict() == {"train": n_train or 48, "validation": 6, "test": 6}


def test_rejected_rows_are_reported_with_their_reasons(run: tuple[Result, Path]) -> None:
    rejected = pd.read_csv(run[1] / "rejected.csv")
    assert rejected.row.tolist() == [4, 8]
    assert "physical range" in rejected.reason[0]


def test_texts_that_look_like_nothing_are_read_as_texts(tmp_path: Path) -> None:
    path = tmp_path / "out_of_fold.csv"
    path.write_text("id,formula,target,prediction,probability_1,rank\nNA,NaN,1,None,0.25,2\n01,NaCl,None,1,,1\n")
    rows = read_rows(path, classes=True)
    assert rows[["id", "formula", "target", "prediction"]].to_numpy().tolist() == [
        ["NA", "NaN", "1", "None"],
        ["01", "NaCl", "None", "1"],
    ]
    assert rows["probability_1"].isna().tolist() == [False, True]
    assert rows["rank"].tolist() == [2, 1]
    path.write_text("id,target,prediction,unit\n007,1.5,1.25,\n")
    assert read_rows(path, classes=False).to_numpy().tolist() == [["007", 1.5, 1.25, ""]]
