"""What all estimators do: in searches and processes, saved and pickled, and with rows that cannot be used."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score, learning_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import zoo
from zoo.data.graphs.memory import memory
from zoo.errors import InputError, InvalidDataError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

XENON = Structure.from_spacegroup("Fm-3m", Lattice.cubic(6.2), ["Xe"], [[0, 0, 0]])
"""A crystal that a blind backbone cannot take."""


def quick(backbone: Path, **more: object) -> zoo.CrystalRegressor:
    return zoo.CrystalRegressor("bulk-modulus", mode="ridge", backbone=str(backbone), **more)  # type: ignore[arg-type]


def test_the_random_state_fixes_everything(ridge: zoo.CrystalRegressor, moduli_frame: pd.DataFrame) -> None:
    rows, y = moduli_frame.structure[:50], moduli_frame.K_VRH[:50]
    again = clone(ridge).fit(rows, y)
    np.testing.assert_array_equal(again.predict(rows), ridge.predict(rows))
    other = clone(ridge).set_params(random_state=1).fit(rows, y)
    assert not np.array_equal(other.predict(rows), ridge.predict(rows))
    drawn = [
        clone(ridge).set_params(random_state=np.random.RandomState(5)).fit(rows, y).predict(rows) for _ in range(2)
    ]
    np.testing.assert_array_equal(*drawn)


def test_a_saved_model_is_a_run(ridge: zoo.CrystalRegressor, moduli_frame: pd.DataFrame, tmp_path: Path) -> None:
    new = moduli_frame.structure[50:]
    folder = ridge.save(tmp_path / "deep" / "run")
    assert {"README.md", "model.safetensors", "config.json", "metrics.json", "out_of_fold.csv", "parity.png"} <= {
        path.name for path in folder.iterdir()
    }
    np.testing.assert_array_equal(zoo.load(folder).predict(new).prediction, ridge.predict(new))
    with pytest.raises(InputError, match="exists; give another folder"):
        ridge.save(folder)


def test_pickles_hold_files_and_no_objects(ridge: zoo.CrystalRegressor, moduli_frame: pd.DataFrame) -> None:
    new = moduli_frame.structure[50:]
    state = ridge.__getstate__()
    assert {type(content) for content in state["_files"].values()} == {bytes}
    copy = pickle.loads(pickle.dumps(ridge))
    np.testing.assert_array_equal(copy.predict(new), ridge.predict(new))
    assert copy.metrics_ == ridge.metrics_
    assert not hasattr(pickle.loads(pickle.dumps(clone(ridge))), "task_")


def test_cross_validation_featurizes_once(
    moduli_frame: pd.DataFrame, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.data.graphs import memory as module
    from zoo.registry import plugins

    memory.clear()
    counts = {"graphs": 0, "vectors": 0}
    build, featurizer = module.build_graphs, type(plugins.featurizer("magpie-structure"))
    featurize = featurizer.featurize_crystals

    def counted_graphs(crystals: object, *rest: object) -> object:
        given = list(crystals)  # type: ignore[call-overload]
        counts["graphs"] += len(given)
        return build(given, *rest)

    def counted_vectors(self: object, crystals: list[object]) -> object:
        counts["vectors"] += len(crystals)
        return featurize(self, crystals)

    monkeypatch.setattr(module, "build_graphs", counted_graphs)
    monkeypatch.setattr(featurizer, "featurize_crystals", counted_vectors)
    structures, y = list(moduli_frame.structure[:40]), moduli_frame.K_VRH[:40].to_numpy()
    scores = cross_val_score(quick(backbone), structures, y, cv=KFold(5), error_score="raise")
    assert np.isfinite(scores).all()
    distinct = len(set(structures))
    assert counts == {"graphs": distinct, "vectors": distinct}


def test_scikit_learn_searches_and_predicts(moduli_frame: pd.DataFrame, backbone: Path) -> None:
    structures, y = moduli_frame.structure[:30], moduli_frame.K_VRH[:30]
    search = GridSearchCV(quick(backbone), {"mode": ["ridge", "mean"]}, cv=2, error_score="raise")
    search.fit(structures, y)
    assert search.best_params_ == {"mode": "ridge"}
    held = cross_val_predict(quick(backbone), structures, y, cv=2)
    assert held.shape == (30,)
    # By hand: each half is predicted by a model of the other.
    halves = list(KFold(2).split(structures))
    for train, test in halves:
        alone = quick(backbone).fit(structures.iloc[train], y.iloc[train]).predict(structures.iloc[test])
        np.testing.assert_array_equal(held[test], alone)
    sizes, _, scores = learning_curve(quick(backbone), structures, y, cv=2, train_sizes=[12], error_score="raise")
    assert sizes.tolist() == [12]
    assert scores.shape == (1, 2)
    chain = make_pipeline(FunctionTransformer(), quick(backbone)).fit(structures, y)
    assert chain.score(structures, y) == pytest.approx(search.best_estimator_.score(structures, y))


def test_several_processes_give_the_same_scores(moduli_frame: pd.DataFrame, backbone: Path) -> None:
    structures, y = list(moduli_frame.structure[:30]), moduli_frame.K_VRH[:30].to_numpy()
    one, two = (
        cross_val_score(quick(backbone), structures, y, cv=2, n_jobs=number, error_score="raise") for number in (1, 2)
    )
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_groups_are_not_separated(moduli_frame: pd.DataFrame, backbone: Path) -> None:
    """Each target is known from the other rows of its group: if groups stay together, it cannot be predicted."""
    groups, y = np.repeat(np.arange(10), 4), np.repeat(10.0 ** (np.arange(10) % 3), 4)
    same = [moduli_frame.structure.iloc[group] for group in groups]
    model = zoo.CrystalRegressor(mode="rf", backbone=str(backbone))
    together, apart = (model.fit(same, y, groups=given).out_of_fold_.error.abs().mean() for given in (groups, None))
    assert apart < together / 2


def disordered() -> Structure:
    return Structure(Lattice.cubic(3.0), [{"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0]])


BAD_ROWS = [
    (lambda rows: (rows[0], [*rows[1][:3], float("nan"), *rows[1][4:]]), r"row 3: y = nan: no value"),
    (lambda rows: (rows[0], ["a", *rows[1][1:]]), r"row 0: y = 'a': a str is not a number"),
    (lambda rows: (rows[0], [-5.0, *rows[1][1:]]), r"row 0: y = -5\.0: below the physical range of bulk-modulus"),
    (lambda rows: (["no crystal", *rows[0][1:]], rows[1]), r"structure 0: 'no crystal' is neither"),
    (lambda rows: ([disordered(), *rows[0][1:]], rows[1]), r"structure 0: partial occupancy"),
    (lambda rows: ([XENON, *rows[0][1:]], rows[1]), r"row 0: .*tiny has no features for Xe"),
]


@pytest.fixture(scope="module")
def fitted_blind(moduli_frame: pd.DataFrame, blind: Path) -> zoo.CrystalRegressor:
    return quick(blind).fit(moduli_frame.structure[:30], moduli_frame.K_VRH[:30])


@pytest.mark.parametrize(("spoil", "message"), BAD_ROWS)
def test_rows_that_cannot_be_used(
    spoil: Callable[[Any], Any], message: str, moduli_frame: pd.DataFrame, fitted_blind: zoo.CrystalRegressor
) -> None:
    bad = spoil((list(moduli_frame.structure[:30]), list(moduli_frame.K_VRH[:30])))
    before = fitted_blind.predict(moduli_frame.structure[30:])
    with pytest.raises(ValueError, match=message) as caught:
        fitted_blind.fit(*bad)
    assert isinstance(caught.value, InvalidDataError)
    np.testing.assert_array_equal(fitted_blind.predict(moduli_frame.structure[30:]), before)  # nothing half-fitted
    lenient = clone(fitted_blind).set_params(on_error="skip", mode="mean")
    with pytest.warns(UserWarning, match=r"^1 of 30 (rows|structures) skipped"):
        lenient.fit(*bad)
    assert len(lenient.skipped_) == 1
    assert len(lenient.out_of_fold_) == 29


def test_crystals_that_cannot_be_predicted(moduli_frame: pd.DataFrame, fitted_blind: zoo.CrystalRegressor) -> None:
    model = pickle.loads(pickle.dumps(fitted_blind))
    first, second = moduli_frame.structure.iloc[:2]
    with pytest.raises(InvalidDataError, match="structure 2: "):
        model.predict([first, second, "no crystal"])
    with pytest.raises(InvalidDataError, match=r"row 1: .* no features for the element Xe"):
        model.predict([first, XENON])
    model.set_params(on_error="skip")
    with pytest.warns(UserWarning, match=r"1 of \d (rows|structures) skipped"):
        frame = model.predict_frame([first, XENON, "no crystal", second])
    np.testing.assert_array_equal(frame.prediction.isna(), [False, True, True, False])
    np.testing.assert_array_equal(frame.prediction[[0, 3]], model.predict([first, second]))
    assert "no features for the element Xe" in frame.note[1]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"backbone": "multi"}, UnknownNameError, "no backbone is called 'multi'"),
        ({"backbone": "/no/such"}, InvalidDataError, "/no/such is not a directory"),
        (
            {"task": "bulk"},
            UnknownNameError,
            "no task is called 'bulk'.* task=None takes any",
        ),
        ({"mode": "blend", "beside": "magpi"}, UnknownNameError, "no featurizer is called 'magpi'"),
        ({"mode": "blend", "beside": 3}, InvalidDataError, "beside=3: must be the name of a featurizer"),
        ({"mode": "svm"}, InvalidDataError, "^mode svm: use one of"),
    ],
)
def test_names_that_nothing_has_are_value_errors(
    wrong: dict[str, object], error: type[Exception], message: str, moduli_frame: pd.DataFrame, backbone: Path
) -> None:
    model = quick(backbone).set_params(**wrong)
    with pytest.raises(ValueError, match=message) as caught:
        model.fit(moduli_frame.structure[:30], moduli_frame.K_VRH[:30])
    assert type(caught.value) is error


def test_data_that_cannot_be_trained_on_are_a_value_error(moduli_frame: pd.DataFrame, backbone: Path) -> None:
    hopeless = quick(backbone).set_params(mode="full", epochs=1, task=None)
    with pytest.raises(ValueError, match=r"row 30, and the largest value must be from 1e-50 to 1e\+50 in size"):
        hopeless.fit(moduli_frame.structure[:30], np.linspace(1, 2, 30) * 1e300)


def test_rows_in_another_order_are_told(moduli_frame: pd.DataFrame, backbone: Path) -> None:
    x, y = moduli_frame.structure[:30], moduli_frame.K_VRH[:30]
    model = zoo.CrystalRegressor(mode="mean", backbone=str(backbone))
    with pytest.warns(UserWarning, match="the same labels in different orders, and are paired by position"):
        model.fit(x, y[::-1])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*different orders")
        for other in (y, y.reset_index(drop=True), y.to_numpy()[::-1], y.rename(str.upper)[::-1]):
            model.fit(x, other)


def test_predictions_keep_the_index(moduli_frame: pd.DataFrame, ridge: zoo.CrystalRegressor) -> None:
    shuffled = moduli_frame.reset_index(drop=True).iloc[[7, 3, 5]]
    for given in (shuffled.structure, shuffled[["structure"]]):
        frame = ridge.predict_frame(given)
        assert frame.index.tolist() == [7, 3, 5]
        assert frame.id.tolist() == ["7", "3", "5"]
        assert frame.prediction.tolist() == ridge.predict(list(shuffled.structure)).tolist()
    assert ridge.predict_frame(list(shuffled.structure)).index.tolist() == [0, 1, 2]
    named = dict(zip("123", shuffled.structure, strict=True))  # as rows are counted elsewhere
    assert ridge.predict_frame(named).id.tolist() == ["1", "2", "3"]
    lenient = pickle.loads(pickle.dumps(ridge)).set_params(on_error="skip")
    series = pd.Series([shuffled.structure[7], "no crystal", shuffled.structure[5]], list("abc"))
    with pytest.warns(UserWarning, match="1 of 3"):
        frame = lenient.predict_frame(series)
    assert frame.id.tolist() == frame.index.tolist() == ["a", "b", "c"]
    assert frame.prediction.isna().tolist() == [False, True, False]


def test_other_mistakes(moduli_frame: pd.DataFrame, backbone: Path) -> None:
    x, y = list(moduli_frame.structure[:30]), list(moduli_frame.K_VRH[:30])
    for model, given, message in [
        (quick(backbone), (x, y[:-1]), "X has 30 crystals and y has 29 values"),
        (quick(backbone), ([], []), "there are no crystals"),
        (quick(backbone), (x[:5], y[:5]), "5 usable rows"),
        (zoo.CrystalRegressor(mode="mean", backbone=str(backbone)), (x, [1.0] * 30), "equal"),
        (quick(backbone, unit="eV"), (x, y), "^unit with task bulk-modulus: a task has its own unit"),
        (quick(backbone, transform="ln"), (x, y), "transform='ln'"),
        (quick(backbone).set_params(mode="none"), (x, y), "^mode none"),
        (quick(backbone, on_error="ignore"), (x, y), "on_error='ignore'"),
        (quick(backbone, random_state="a"), (x, y), "random_state='a': must be a whole number"),
        (quick(backbone, random_state=-1), (x, y), "^random_state -1 is negative"),
        (quick(backbone), (x, dict(enumerate(y))), "a dict as y; give a list of targets"),
        (quick(backbone), (x, ["hard", "soft"] * 15), "^y = 'hard' …: no numbers; CrystalClassifier learns classes"),
        (quick(backbone), (x, [True, False] * 15), "^y = True …: no numbers; CrystalClassifier learns classes"),
    ]:
        with pytest.raises(InvalidDataError, match=message):
            model.fit(*given)
        with pytest.raises(NotFittedError):
            model.predict(x)
