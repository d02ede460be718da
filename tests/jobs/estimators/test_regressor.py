"""`CrystalRegressor`: the numbers of ``zoo finetune``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from support.commandline import zoo as command

import zoo
from zoo.errors import InvalidDataError

if TYPE_CHECKING:
    from pathlib import Path


def quick(backbone: Path, **more: object) -> zoo.CrystalRegressor:
    return zoo.CrystalRegressor("bulk-modulus", mode="ridge", backbone=str(backbone), **more)  # type: ignore[arg-type]


def test_estimator_job_and_command_give_equal_numbers(
    moduli_frame: pd.DataFrame, backbone: Path, tmp_path: Path
) -> None:
    """The default mode on sixty rows, two epochs."""
    model = zoo.CrystalRegressor("bulk-modulus", backbone=str(backbone), epochs=2, random_state=3)
    model.fit(moduli_frame.structure, moduli_frame.K_VRH)
    options = zoo.Options(
        "bulk-modulus", moduli_frame.reset_index(drop=True), backbone=str(backbone), epochs=2, seed=3, test=0.0
    )
    zoo.finetune(options, tmp_path / "job", quiet=True)
    moduli_frame.to_csv(tmp_path / "k.csv", index=False)
    arguments = ("--task", "bulk-modulus", "--backbone", backbone, "--epochs", 2, "--seed", 3, "--test", 0)
    command("finetune", *arguments, tmp_path / "k.csv", "--out", tmp_path / "command")
    expected = model.predict(moduli_frame.structure)
    for run in ("job", "command"):
        found = json.loads((tmp_path / run / "metrics.json").read_text())
        assert (
            found["methods"]["tiny (blend)"]["out_of_fold"] == model.metrics_["methods"]["tiny (blend)"]["out_of_fold"]
        )
        assert found["blend"]["weights"] == model.metrics_["blend"]["weights"]
        predicted = zoo.load(tmp_path / run).predict(moduli_frame.structure).prediction
        np.testing.assert_array_equal(predicted, expected)
        pd.testing.assert_frame_equal(
            pd.read_csv(tmp_path / run / "out_of_fold.csv", dtype={"id": str}), model.out_of_fold_
        )


def test_a_quiet_fit_says_nothing(
    moduli_frame: pd.DataFrame, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not even that the backbone has seen some of the crystals, with another property."""
    model = zoo.CrystalRegressor("bulk-modulus", mode="head", backbone="dEf-10k", epochs=1, verbose=0)
    model.fit(moduli_frame.structure[:30], moduli_frame.K_VRH[:30])
    assert [line for line in model.metrics_["warnings"] if line.endswith("no leak of the target")]
    assert caplog.messages == []
    assert capfd.readouterr() == ("", "")


def test_several_seeds_repeat_the_cross_fit(moduli_frame: pd.DataFrame, backbone: Path) -> None:
    model = quick(backbone, seeds=2).fit(moduli_frame.structure[:30], moduli_frame.K_VRH[:30])
    folds = [each["folds"] for each in model.metrics_["blend"]["per_seed"]]
    assert len(model.model_.checkpoint.members) == sum(folds)


def test_intervals_surround_predictions(ridge: zoo.CrystalRegressor, moduli_frame: pd.DataFrame) -> None:
    new = moduli_frame.structure[50:]
    lower, upper = ridge.predict_interval(new, 0.9).T
    assert ((lower < ridge.predict(new)) & (ridge.predict(new) < upper)).all()
    narrow = ridge.predict_interval(new, 0.5)
    assert (narrow[:, 1] - narrow[:, 0] < upper - lower).all()
    with pytest.raises(ValueError, match=r"must be from 0\.5 to below 1"):
        ridge.predict_interval(new, 1.5)


def test_frames_have_the_columns_of_the_command(
    ridge: zoo.CrystalRegressor, moduli_frame: pd.DataFrame, tmp_path: Path
) -> None:
    new = moduli_frame[50:]
    new.to_csv(tmp_path / "new.csv", index=False)
    command(
        "predict", ridge.save(tmp_path / "run"), tmp_path / "new.csv", "--interval", 0.9, "--out", tmp_path / "p.csv"
    )
    theirs, ours = pd.read_csv(tmp_path / "p.csv", keep_default_na=False), ridge.predict_frame(new.structure, 0.9)
    assert list(ours.columns) == [name for name in theirs.columns if name in ours.columns]
    assert ours.id.tolist() == theirs.id.astype(str).tolist()
    np.testing.assert_allclose(ours.prediction, theirs.prediction, rtol=1e-5)
    np.testing.assert_allclose(ours.lower, theirs.lower, rtol=1e-5)
    assert ours.formula.tolist() == theirs.formula.tolist()
    assert ridge.predict_frame(list(new.structure)).id.tolist() == [str(position) for position in range(10)]


def test_a_property_without_a_task(moduli_frame: pd.DataFrame, backbone: Path) -> None:
    structures, y = moduli_frame.structure[:40], moduli_frame.K_VRH[:40]
    model = zoo.CrystalRegressor(unit="GPa", mode="mean", backbone=str(backbone)).fit(structures, y)
    assert (model.task_.target, model.task_.unit, model.task_.transform) == ("K_VRH", "GPa", "identity")
    assert model.predict(structures[:2]) == pytest.approx([y.mean()] * 2, rel=0.05)
    assert set(model.predict_frame(structures[:2]).unit) == {"GPa"}
    learned = clone(model).set_params(transform="log10").fit(structures, y)
    assert learned.predict(structures[:1])[0] == pytest.approx(10 ** np.log10(y).mean(), rel=0.05)
    wide = clone(model).fit(structures, y.to_numpy() ** 3)
    assert (wide.task_.target, wide.task_.transform) == ("target", "log10")
    mine = zoo.Task("mine", target="k", unit="GPa", valid=(0.0, 1000.0))
    assert zoo.CrystalRegressor(mine, mode="mean", backbone=str(backbone)).fit(structures, y).task_ == mine


def test_an_interval_needs_a_level(moduli_frame: pd.DataFrame, ridge: zoo.CrystalRegressor) -> None:
    with pytest.raises(InvalidDataError, match="level=None: give the level"):
        ridge.predict_interval(moduli_frame.structure[:2], None)  # type: ignore[arg-type]


def test_the_network_can_be_left_out_and_featurizers_added(moduli_frame: pd.DataFrame, backbone: Path) -> None:
    structures, y = moduli_frame.structure[:30], moduli_frame.K_VRH[:30]
    model = zoo.CrystalRegressor("bulk-modulus", backbone=str(backbone), fast=True, beside="magpie")
    weights = model.fit(structures, y).metrics_["blend"]["weights"]
    assert any("magpie-structure + magpie" in name for name in weights)
    assert not any("fine-tuned" in name for name in weights)
    assert np.abs(model.predict(structures) - y).mean() < np.abs(y.mean() - y).mean()
    with pytest.raises(zoo.ZooError, match="'soap'"):  # one name, and not four letters
        clone(model).set_params(beside="soap").fit(structures, y)
    with pytest.raises(ValueError, match=r"^fast=True leaves the fine-tuned network out of"):
        clone(model).set_params(mode="ridge").fit(structures, y)
