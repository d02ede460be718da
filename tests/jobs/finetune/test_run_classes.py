"""A classification from the table to predictions: metals and non-metals, whose class nobody doubts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from support.metals import structures, write_table

import zoo

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.finetune.result import Result

CLASSES = ["non-metal", "metal"]
PROBABILITIES = [f"probability_{label}" for label in CLASSES]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("metals") / "metals.csv")


@pytest.fixture(scope="module")
def blend(table: Path, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("run") / "blend"
    request = zoo.Options("metallicity", table, backbone=str(backbone), epochs=1, test=0.2)
    return zoo.finetune(request, folder, quiet=True), folder


def test_errors_are_those_of_the_written_predictions(blend: tuple[Result, Path]) -> None:
    result, folder = blend
    found = pd.read_csv(folder / "predictions.csv").query("split == 'test'")
    assert list(found.columns) == ["id", "split", "target", "prediction", *PROBABILITIES, "seed", "formula"]
    truth, p = (found.target == "metal").to_numpy(), found[PROBABILITIES].to_numpy()
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    errors = result.summary()[result.model]
    assert list(errors) == ["log_loss", "accuracy", "balanced_accuracy", "roc_auc"]
    assert errors["log_loss"]["mean"] == pytest.approx(log_loss(truth, p), rel=1e-4)
    guessed = found.prediction == "metal"
    assert errors["balanced_accuracy"]["mean"] == pytest.approx(balanced_accuracy_score(truth, guessed))
    assert errors["roc_auc"]["mean"] == pytest.approx(roc_auc_score(truth, p[:, 1]))
    assert errors["accuracy"]["mean"] >= 0.8  # s-p metals and ionic crystals: any method tells them apart
    chance = result.summary()["majority"]
    assert chance["log_loss"]["mean"] == pytest.approx(np.log(2), abs=0.01)
    assert chance["balanced_accuracy"]["mean"] == 0.5
    assert errors["log_loss"]["mean"] < chance["log_loss"]["mean"]


def test_parts_and_folds_have_their_share_of_metals(blend: tuple[Result, Path]) -> None:
    result, _ = blend
    targets, split = result.dataset.targets, result.splits[0]
    assert targets[split.test].sum() in (5, 6)  # of 26 in 52, a fifth
    for fold in result.crossfits[0].folds:
        assert abs(targets[fold].mean() - 0.5) <= 0.5 / len(fold) + 1e-9


def test_probabilities_out_of_fold_are_calibrated(blend: tuple[Result, Path]) -> None:
    result, folder = blend
    found = pd.read_csv(folder / "out_of_fold.csv")
    assert list(found.columns) == ["id", "formula", "target", "prediction", *PROBABILITIES, "log_loss", "rank"]
    losses = -np.log([row[f"probability_{row.target}"] for _, row in found.iterrows()])
    np.testing.assert_allclose(found.log_loss, losses, rtol=1e-4, atol=1e-6)
    assert found.sort_values("rank").log_loss.is_monotonic_decreasing
    # As many rows, all predicted correctly, allow no more certainty than (m + 1) / (m + 2) on average.
    if (found.prediction == found.target).all():
        assert found[PROBABILITIES].max(axis=1).mean() < 0.99
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["headline"] == "log_loss"
    assert np.sum(metrics["confusion"]) == len(result.splits[0].test)
    temperature = metrics["intervals"]["temperature"]
    assert temperature == [member.temperature for member in result.checkpoint.members[:1]]


def test_the_saved_model_predicts_as_the_run_did(blend: tuple[Result, Path]) -> None:
    result, folder = blend
    model = zoo.load(folder)
    assert model.classes == tuple(CLASSES)
    known = {f"bulk {name}": structure for name, (structure, _) in structures().items()}
    tested = [result.records[row].id for row in result.splits[0].test]
    found = model.predict([known[name] for name in tested])
    expected = result.outcomes[result.model][0].predictions[result.splits[0].test]
    np.testing.assert_allclose(found[PROBABILITIES], expected, atol=1e-5)
    assert found.prediction.tolist() == [CLASSES[each] for each in expected.argmax(axis=1)]
    with pytest.raises(zoo.ZooError, match="predicts classes: each has a probability, and there is no interval"):
        model.predict([known[tested[0]]], interval=0.9)


def test_the_card_tells_classes_and_their_errors(blend: tuple[Result, Path]) -> None:
    _, folder = blend
    card = (folder / "README.md").read_text()
    assert "one of `non-metal` and `metal`" in card
    assert "| true class | non-metal | metal |" in card
    assert "| method | log-loss | accuracy | balanced accuracy | ROC-AUC |" in card
    assert {path.name for path in folder.glob("*.png")} == {"confusion.png", "reliability.png"}
    assert "interval" not in card.replace("Intervals", "interval").lower() or "no interval" in card


@pytest.mark.parametrize("mode", ["full", "mixture"])
def test_a_network_alone(mode: str, table: Path, backbone: Path, tmp_path: Path) -> None:
    request = zoo.Options(
        "metallicity", table, backbone=str(backbone), mode=mode, epochs=2, compare_scratch=mode == "full"
    )
    result = zoo.finetune(request, tmp_path / "run", quiet=True)
    assert result.checkpoint.config.architecture.outputs == 2
    member = result.checkpoint.members[0]
    assert member.temperature != 1
    structure, _ = structures()["NaCl"]
    found = zoo.load(tmp_path / "run").predict(structure)
    row = next(row for row, record in enumerate(result.records) if record.id == "bulk NaCl")
    np.testing.assert_allclose(found[PROBABILITIES], [result.outcomes[result.model][0].predictions[row]], atol=1e-5)
    if mode == "full":
        assert "log-loss" in (tmp_path / "run" / "README.md").read_text().split("## Predicted classes")[0]


@pytest.mark.parametrize("mode", ["svc", "logistic"])
def test_a_baseline_as_the_model(mode: str, table: Path, backbone: Path, tmp_path: Path) -> None:
    request = zoo.Options("metallicity", table, backbone=str(backbone), mode=mode, test=0.2)
    result = zoo.finetune(request, tmp_path / "run", quiet=True)
    tested = result.splits[0].test
    known = {f"bulk {name}": structure for name, (structure, _) in structures().items()}
    found = zoo.load(tmp_path / "run").predict([known[result.records[row].id] for row in tested])
    expected = result.outcomes[result.model][0].predictions[tested]
    np.testing.assert_allclose(found[PROBABILITIES], expected, atol=1e-6)
    assert result.summary()[result.model]["accuracy"]["mean"] >= 0.9


def test_what_cannot_be_learned_is_said(table: Path, backbone: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table)
    only, few = tmp_path / "only.csv", tmp_path / "few.csv"
    rows[rows.is_metal == "metal"].to_csv(only, index=False)
    with pytest.raises(zoo.ZooError, match="26 usable rows, all of the class 'metal': there is nothing to learn"):
        zoo.finetune(zoo.Options("metallicity", only, backbone=str(backbone)), tmp_path / "run")
    many = zoo.Task("many", "is_metal", kind="classification", classes=(*"abcdefghijklm", "metal", "non-metal"))
    rows.iloc[[0, 1, 2, 30, 31, 32, 33, 34, 35, 36, 37, 38]].to_csv(few, index=False)
    with pytest.raises(zoo.ZooError, match="12 usable rows for 15 classes; give several rows of each class"):
        zoo.finetune(zoo.Options(many, few, backbone=str(backbone)), tmp_path / "run")
    with pytest.raises(
        zoo.ZooError, match="the baseline svr serves no classification; those that do: logistic, majority, rf, svc"
    ):
        zoo.finetune(zoo.Options("metallicity", table, backbone=str(backbone), baselines=("svr",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
