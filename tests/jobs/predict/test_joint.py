"""Prediction with a run of several targets, here made of two small ones."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import zoo
from zoo.errors import CheckpointError, InputError
from zoo.jobs.predict.joint import JointModel, read_folders

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core import Structure


@pytest.fixture(scope="module")
def folder(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two targets, whose models differ in the scaling alone: one predicts twice the other."""
    path = tmp_path_factory.mktemp("runs") / "both"
    for name in ("one", "two"):
        shutil.copytree(backbone, path / name)
    config = json.loads((path / "two" / "config.json").read_text())
    scaling = config["members"][0]["scaling"]
    scaling["mean"], scaling["std"] = 2 * scaling["mean"], 2 * scaling["std"]
    config["target"] |= {"name": "e2", "task": "twice"}
    (path / "two" / "config.json").write_text(json.dumps(config))
    (path / "targets.json").write_text('{"format": 1, "targets": {"e": "one", "e2": "two"}}')
    return path


def test_all_targets_are_predicted(folder: Path, real_structures: list[Structure]) -> None:
    model = zoo.load(folder)
    assert isinstance(model, JointModel)
    assert model.targets == ("e", "e2")
    found = model.predict(real_structures)
    assert list(found.columns) == [
        "id", "prediction_e", "unit_e", "spread_e", "note_e", "prediction_e2", "unit_e2", "spread_e2", "note_e2",
    ]  # fmt: skip
    own = zoo.load(folder / "one").predict(real_structures)
    assert list(found.prediction_e) == list(own.prediction)
    assert list(found.prediction_e2) == pytest.approx(2 * own.prediction, rel=1e-5)
    assert list(model.predict(iter(real_structures[:2]), ids=["a", "b"]).id) == ["a", "b"]
    assert model.predict(pd.Series(real_structures[:2], ["a", "b"])).index.tolist() == ["a", "b"]
    assert model.embed(real_structures[:1]).shape == zoo.load(folder / "one").embed(real_structures[:1]).shape
    assert repr(model) == "<JointModel both: e (eV/atom) and e2 (eV/atom)>"
    assert "e2 (eV/atom)" in model._repr_html_()


def test_one_of_them(folder: Path) -> None:
    assert zoo.load(folder, target="e2").directory == zoo.load(folder, target="twice").directory == folder / "two"
    with pytest.raises(InputError, match="both does not predict 'K'; it has e, e2"):
        zoo.load(folder, target="K")


def test_a_structure_that_cannot_be_used(folder: Path, real_structures: list[Structure]) -> None:
    model = zoo.load(folder)
    with pytest.raises(InputError, match="structure 1"):
        model.predict([real_structures[0], "no crystal"])
    with pytest.warns(UserWarning, match="1 of 2 structures skipped"):
        assert list(model.predict([real_structures[0], "no crystal"], on_error="skip").id) == ["0"]
    with pytest.raises(InputError, match="has no calibration rows"):
        model.predict(real_structures, interval=0.9)


def test_files_have_the_columns_of_all(folder: Path, moduli: object, tmp_path: Path) -> None:
    table = moduli(5)  # type: ignore[operator]
    zoo.predict_files(zoo.load(folder), table, tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv")
    assert list(found.columns[:6]) == ["id", "prediction_one", "unit_one", "spread_one", "note_one", "prediction_two"]
    assert len(found) == 5


def test_a_run_of_several_targets_is_no_single_model(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds one model for each of one, two; name one: "):
        zoo.pull(folder)
    assert read_folders(folder / "one") is None
    assert zoo.load(folder / "one").target == "e"
    for text in ("[]", '{"format": 1, "targets": {}}', '{"format": 2, "targets": {"a": "a"}}', "{"):
        (tmp_path / "targets.json").write_text(text)
        with pytest.raises(CheckpointError, match=r"targets\.json"):
            zoo.load(tmp_path)
