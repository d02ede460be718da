"""`CrystalClassifier`: classes of any labels, with probabilities in their order."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from support.metals import structures

import zoo
from zoo.errors import InvalidDataError, TrainingError

if TYPE_CHECKING:
    from pathlib import Path

CRYSTALS = [crystal for crystal, _ in structures().values()]
METAL = np.array([metal for _, metal in structures().values()])


def quick(backbone: Path, **more: Any) -> zoo.CrystalClassifier:
    return zoo.CrystalClassifier(mode="logistic", backbone=str(backbone), **more)


def order_of(count: int, prefix: str = "class ") -> zoo.Task:
    """Return a classification of so many classes."""
    classes = tuple(f"{prefix}{number}" for number in range(count))
    return zoo.Task("order", target="order", kind="classification", classes=classes)


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
    # The same model, whatever the classes are called; only folds depend a little on their order.
    ours = model.predict_proba(CRYSTALS)[:, model.classes_.tolist().index(labels[1])]
    np.testing.assert_allclose(ours, fitted.predict_proba(CRYSTALS)[:, 1], atol=0.005)


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
        (quick(backbone), np.linspace(0, 1, len(y)), "y does not hold classes: Unknown label type: continuous"),
        (quick(backbone), [1, *y[1:]], "y holds labels of several types: int and str"),
        (quick(backbone), ["metal"] * (len(y) - 1) + ["salt"], "fewer than two classes with two rows or more"),
        (quick(backbone), [str(row) for row in range(len(y))], "fewer than two classes with two rows or more"),
        (quick(backbone), [label.encode() for label in y], "y does not hold classes: .* bytes"),
        (quick(backbone), y[:-1], "X has 52 crystals and y has 51 values"),
        (quick(backbone), ["Metal", *y[1:]], "^y: 'Metal' and 'metal' are read as the same class"),
        (quick(backbone), ["metal ", *y[1:]], "^y: 'metal ' is not a label: .* no blank at either end"),
        (quick(backbone, fast=True), y, "^fast=True leaves the fine-tuned network out of a blend"),
        (quick(backbone, task="metallicity"), ["metal"] * len(y), "all of the class 'metal'"),
        (quick(backbone, task="metallicity"), ["Metal", *np.where(METAL, "metal", "non-metal")[1:]], "in several ways"),
        (quick(backbone, task=order_of(60)), ["class 1", "class 2"] * 26, "52 usable rows for 60 classes"),
        (quick(backbone, task="bulk-modulus"), y, "task bulk-modulus is not a classification"),
        (quick(backbone, task="metallicity"), ["alloy", *y[1:]], "row 0: y = 'alloy': no class of metallicity"),
    ]:
        with pytest.raises(InvalidDataError, match=message):
            model.fit(CRYSTALS, labels)
        with pytest.raises(NotFittedError):
            model.predict(CRYSTALS)
    assert clone(quick(backbone, seeds=2)).seeds == 2


def test_crystals_that_cannot_be_used_are_named_or_skipped(backbone: Path) -> None:
    alloy = Structure(Lattice.cubic(3.8), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    crystals = [CRYSTALS[0], alloy, *CRYSTALS[2:]]
    with pytest.raises(InvalidDataError, match="structure 1: partial occupancy"):
        quick(backbone).fit(crystals, METAL)
    with pytest.warns(UserWarning, match="structure 1|row 1"):
        model = quick(backbone, on_error="skip").fit(crystals, METAL)
    assert list(model.skipped_) == [1]
    with pytest.warns(UserWarning, match="structure 1|row 1"):
        assert model.predict(crystals[:3]).tolist() == [True, None, True]
    with pytest.warns(UserWarning, match="structure 1|row 1"):
        assert np.isnan(model.predict_proba(crystals[:3])).any(axis=1).tolist() == [False, True, False]


def test_three_classes_one_of_them_absent_and_labels_that_look_like_nothing(backbone: Path) -> None:
    y = np.array(["None", "NA", "1"])[np.arange(len(CRYSTALS)) * 3 // len(CRYSTALS)]
    model = quick(backbone).fit(CRYSTALS, y)
    assert model.classes_.tolist() == ["1", "NA", "None"]
    np.testing.assert_allclose(model.predict_proba(CRYSTALS).sum(axis=1), 1)
    held = model.out_of_fold_
    assert held.target.tolist() == y.tolist()
    assert set(held.prediction) <= {"1", "NA", "None"}
    assert (held.prediction == held.target).mean() > 0.6
    absent = quick(backbone, task=order_of(3, "")).fit(CRYSTALS, METAL.astype(int))
    assert absent.classes_.tolist() == [0, 1, 2]
    assert absent.predict_proba(CRYSTALS)[:, 2].max() < 0.1


def test_whole_numbers_beside_floats_are_numbers(backbone: Path) -> None:
    model = quick(backbone).fit(CRYSTALS, [1 if metal else 0.0 for metal in METAL])
    assert model.predict(CRYSTALS).dtype == np.float64


def test_a_class_of_three_rows_is_too_few_for_support_vectors(backbone: Path) -> None:
    rare = ["rare" if row < 3 else str(metal) for row, metal in enumerate(METAL)]
    with pytest.raises(TrainingError, match=r"svc: a class has \d rows? to train on, too few .*; give 5 or more"):
        quick(backbone).set_params(mode="svc").fit(CRYSTALS, rare)


def test_pipelines_and_searches(backbone: Path) -> None:
    pipeline = make_pipeline(FunctionTransformer(list), quick(backbone))
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    assert cross_val_score(pipeline, CRYSTALS, METAL, cv=folds, scoring="roc_auc").mean() > 0.9
    search = GridSearchCV(quick(backbone), {"mode": ["logistic", "majority"]}, cv=folds, scoring="neg_log_loss")
    assert search.fit(CRYSTALS, METAL).best_params_ == {"mode": "logistic"}


def test_the_numbers_are_those_of_a_run(fitted: zoo.CrystalClassifier, backbone: Path, tmp_path: Path) -> None:
    names = [str(row + 1) for row in range(len(CRYSTALS))]
    labels = np.where(METAL, "metal", "insulator")
    table = pd.DataFrame({"id": names, "structure": CRYSTALS, "target": labels})
    task = zoo.Task("target", "target", kind="classification", classes=("insulator", "metal"))
    options = zoo.Options(task, table, backbone=str(backbone), mode="logistic", test=0.0)
    zoo.finetune(options, tmp_path / "run")
    theirs = zoo.load(tmp_path / "run").predict(CRYSTALS)
    assert theirs.probability_metal.tolist() == fitted.predict_proba(CRYSTALS)[:, 1].tolist()
