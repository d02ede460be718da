"""`CrystalClassifier`: classes of any labels, with probabilities in their order."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from support.metals import structures

import zoo
from zoo.errors import InvalidDataError

if TYPE_CHECKING:
    from pathlib import Path

CRYSTALS = [crystal for crystal, _ in structures().values()]
METAL = np.array([metal for _, metal in structures().values()])


def quick(backbone: Path, **more: Any) -> zoo.CrystalClassifier:
    return zoo.CrystalClassifier(mode="logistic", backbone=str(backbone), **more)


@pytest.fixture(scope="module")
def fitted(backbone: Path) -> zoo.CrystalClassifier:
    return quick(backbone).fit(CRYSTALS, np.where(METAL, "metal", "insulator"))


def test_it_tells_metals_from_salts(fitted: zoo.CrystalClassifier) -> None:
    assert fitted.classes_.tolist() == ["insulator", "metal"]
    probabilities = fitted.predict_proba(CRYSTALS)
    assert probabilities.shape == (len(CRYSTALS), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.predict(CRYSTALS), fitted.classes_[probabilities.argmax(axis=1)])
    assert fitted.score(CRYSTALS, np.where(METAL, "metal", "insulator")) > 0.9
    frame = fitted.predict_frame(CRYSTALS[:2])
    np.testing.assert_array_equal(frame.probability_metal, probabilities[:2, 1])
    assert (fitted.task_.kind, fitted.task_.classes) == ("classification", ("insulator", "metal"))


@pytest.mark.parametrize("labels", [(0, 1), (False, True), (-1, 1), ("yes", "no")])
def test_labels_come_back_as_they_were(labels: tuple[Any, Any], fitted: zoo.CrystalClassifier, backbone: Path) -> None:
    y = [labels[int(metal)] for metal in METAL]
    model = quick(backbone).fit(CRYSTALS, y)
    assert model.classes_.tolist() == sorted(labels)
    assert model.predict(CRYSTALS).dtype == np.array(y).dtype
    # The same model, whatever the classes are called.
    ours = model.predict_proba(CRYSTALS)[:, model.classes_.tolist().index(labels[1])]
    np.testing.assert_allclose(ours, fitted.predict_proba(CRYSTALS)[:, 1], rtol=1e-3, atol=1e-4)


def test_a_registered_task_knows_its_classes(backbone: Path) -> None:
    model = quick(backbone, task="metallicity").fit(CRYSTALS, METAL)
    assert set(model.classes_.tolist()) == {True, False}
    assert model.score(CRYSTALS, METAL) > 0.9


def test_it_is_saved_pickled_and_cross_validated(fitted: zoo.CrystalClassifier, backbone: Path, tmp_path: Path) -> None:
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict_proba(CRYSTALS), fitted.predict_proba(CRYSTALS))
    loaded = zoo.load(fitted.save(tmp_path / "run")).predict(CRYSTALS)
    assert loaded.prediction.tolist() == fitted.predict(CRYSTALS).tolist()
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    held = cross_val_predict(quick(backbone), CRYSTALS, METAL, cv=folds, method="predict_proba")
    assert log_loss(METAL, held[:, 1]) < 0.5  # ln 2 = 0.69 without knowledge


def test_mistakes_are_told(backbone: Path) -> None:
    y = list(np.where(METAL, "metal", "insulator"))
    for model, labels, message in [
        (quick(backbone), ["metal"] * len(y), "y has one class only, 'metal'"),
        (quick(backbone), [None, *y[1:]], "row 0: y = None: no value"),
        (quick(backbone), np.linspace(0, 1, len(y)), "y holds no classes: Unknown label type: continuous"),
        (quick(backbone), [1, *y[1:]], "y holds labels of several types: int and str"),
        (quick(backbone), [str(row) for row in range(len(y))], "class"),
        (quick(backbone, task="bulk-modulus"), y, "task bulk-modulus is no classification"),
        (quick(backbone, task="metallicity"), ["alloy", *y[1:]], "row 0: y = 'alloy': no class of metallicity"),
    ]:
        with pytest.raises(InvalidDataError, match=message):
            model.fit(CRYSTALS, labels)
        with pytest.raises(NotFittedError):
            model.predict(CRYSTALS)
    assert clone(quick(backbone, seeds=2)).seeds == 2
