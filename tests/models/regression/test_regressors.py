"""Regressors as arrays predict what scikit-learn's own do, and refuse arrays that do not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVR

from zoo.errors import CheckpointError, InputError
from zoo.models.regression.conversion import from_sklearn
from zoo.models.regression.regressors import (
    MAX_DEPTH,
    MAX_TREES,
    KernelMachine,
    LinearModel,
    Regressor,
    TreeEnsemble,
)
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

COLUMNS = 12


@pytest.fixture(scope="module")
def data() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Training features with gaps, their targets, and features to predict, some of them far outside."""
    random = np.random.default_rng(1)
    features = random.normal(size=(150, COLUMNS))
    features[:, 3] = np.nan  # never defined
    features[::7, 5] = np.nan
    features[:, 6] = 4.0  # constant
    new = 3 * random.normal(size=(80, COLUMNS))
    new[::5, 2] = np.nan
    target = 100 + 20 * features[:, 0] + 5 * np.sin(3 * features[:, 1]) + random.normal(size=150)
    return features, target, new


@pytest.mark.usefixtures("inner_loops")
@pytest.mark.parametrize("name", ["mean", "rf", "svr", "lasso", "ridge", "pls"])
def test_every_baseline_of_zoo_survives_as_arrays(name: str, data: Any) -> None:
    features, target, new = data
    fitted = plugins.baseline(name).build(0).fit(features, target)
    regressor = from_sklearn(fitted, COLUMNS)
    again = Regressor.from_tensors(regressor.model.kind, regressor.tensors())
    np.testing.assert_allclose(again.predict(new), np.ravel(fitted.predict(new)), rtol=2e-6)


@pytest.mark.usefixtures("inner_loops")
@pytest.mark.parametrize("make", [ExtraTreesRegressor, GradientBoostingRegressor])
def test_trees_predict_as_in_scikit_learn(make: Any, data: Any) -> None:
    features, target, new = (np.nan_to_num(each) for each in data)
    fitted = make(n_estimators=30, random_state=0).fit(features, target)
    np.testing.assert_allclose(from_sklearn(fitted, COLUMNS).predict(new), fitted.predict(new), rtol=1e-6)


def test_the_best_of_a_search_is_taken(data: Any) -> None:
    features, target, new = (np.nan_to_num(each) for each in data)
    search = GridSearchCV(SVR(gamma=0.1), {"C": [1.0, 100.0]}).fit(features, target)
    np.testing.assert_allclose(from_sklearn(search, COLUMNS).predict(new), search.predict(new), rtol=1e-6)


def test_a_kernel_machine_by_hand() -> None:
    machine = KernelMachine(np.array([[0.0], [2.0]]), np.array([3.0, -1.0]), np.array([0.5]), np.array([0.25]))
    expected = 0.5 + 3 * np.exp(-0.25) - np.exp(-0.25)
    np.testing.assert_allclose(machine.predict(np.array([[1.0]])), [expected], rtol=1e-14)


@pytest.mark.parametrize(
    ("fitted", "named"),
    [
        (KNeighborsRegressor(), "KNeighborsRegressor"),
        (SVR(kernel="poly"), "SVR"),
        (SVR(), "SVR"),  # gamma="scale": the number itself is private
        (make_pipeline(MinMaxScaler(), SVR(gamma=0.1)), "MinMaxScaler"),
    ],
)
def test_what_cannot_be_kept_is_named(fitted: Any, named: str, data: Any) -> None:
    features, target, _ = (np.nan_to_num(each) for each in data)
    with pytest.raises(InputError, match=f"a {named} cannot be saved"):
        from_sklearn(fitted.fit(features, target), COLUMNS)


def test_features_of_another_width_are_refused(data: Any) -> None:
    features, target, new = data
    regressor = from_sklearn(plugins.baseline("ridge").build(0).fit(features, target), COLUMNS)
    with pytest.raises(InputError, match="fitted on 12 columns"):
        regressor.predict(new[:, :-1])


@pytest.fixture
def forest(data: Any) -> dict[str, NDArray[Any]]:
    features, target, _ = (np.nan_to_num(each) for each in data)
    fitted = ExtraTreesRegressor(n_estimators=3, max_depth=4, random_state=0).fit(features, target)
    return {name: array.copy() for name, array in from_sklearn(fitted, COLUMNS).tensors().items()}


def _set(name: str, index: int, value: float) -> Callable[[dict[str, Any]], None]:
    def change(tensors: dict[str, Any]) -> None:
        tensors[name][index] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("model.left", 0, 0), "out of order"),  # a circle
        (_set("model.right", 0, 10**6), "out of order"),
        (_set("model.features", 0, COLUMNS), "missing column"),
        (_set("model.features", 0, -5), "missing column"),
        (_set("model.roots", 0, -1), "root"),
        (_set("model.roots", 0, 1), "two parents"),  # the root of one tree is a node of it
        (_set("model.left", 0, 2), "two parents"),
        (lambda tensors: tensors.update({"model.roots": np.repeat(tensors["model.roots"], 2)}), "two parents"),
        (_set("model.thresholds", 0, np.nan), "not finite"),
        (_set("scale", 0, 0.0), "positive"),
        (lambda tensors: tensors.pop("model.values"), "missing or left over"),
        (lambda tensors: tensors.update(more=np.zeros(1)), "missing or left over"),
        (lambda tensors: tensors.update(fill=np.zeros(3)), "do not fit"),
        (lambda tensors: tensors.update(fill=np.zeros(COLUMNS, dtype=np.float32)), "data type"),
        (lambda tensors: tensors.update({"model.values": tensors["model.values"][:-1]}), "do not fit"),
    ],
)
def test_hostile_trees_are_refused(
    change: Callable[[dict[str, Any]], Any], message: str, forest: dict[str, NDArray[Any]]
) -> None:
    change(forest)
    with pytest.raises(CheckpointError, match=message):
        Regressor.from_tensors("trees", forest)


def _chain(depth: int) -> TreeEnsemble:
    """Return a tree whose right children are inner nodes; at each, values up to the node's number go to a leaf."""
    inner = np.arange(0, 2 * depth, 2)
    features, left, right = np.full(2 * depth + 1, -1), np.arange(2 * depth + 1), np.arange(2 * depth + 1)
    features[inner], left[inner], right[inner] = 0, inner + 1, inner + 2
    values = np.arange(2 * depth + 1).astype(np.float32)
    indices = {"features": features, "left": left, "right": right, "roots": [0], "width": [1]}
    return TreeEnsemble(
        **{name: np.asarray(each, dtype=np.int32) for name, each in indices.items()},
        thresholds=values,
        values=values,
        base=np.zeros(1),
        rate=np.ones(1),
    )


@pytest.mark.usefixtures("inner_loops")
def test_trees_may_be_deep_but_not_bottomless() -> None:
    assert _chain(MAX_DEPTH - 1).predict(np.array([[0.0], [3.0], [1e6]])).tolist() == [1.0, 5.0, 2 * (MAX_DEPTH - 1)]
    with pytest.raises(CheckpointError, match=f"deeper than {MAX_DEPTH}"):
        _chain(MAX_DEPTH)
    with pytest.raises(CheckpointError, match=f"deeper than {MAX_DEPTH}"):
        _chain(10**5)


def test_there_is_an_end_to_the_number_of_trees() -> None:
    tree = _chain(1)
    leaves = np.arange(MAX_TREES + 1, dtype=np.int32)
    alone = {"roots": leaves, "left": leaves, "right": leaves, "features": np.full_like(leaves, -1)}
    with pytest.raises(CheckpointError, match="there are 10,001 trees; zoo loads 10,000 at most"):
        replace(tree, **alone, values=leaves.astype(np.float32), thresholds=leaves.astype(np.float32))


def test_a_kind_that_does_not_exist_is_named() -> None:
    with pytest.raises(CheckpointError, match="there is no kind 'forest'"):
        Regressor.from_tensors("forest", {})


def test_columns_are_those_of_the_model() -> None:
    assert LinearModel(np.zeros(3), np.zeros(1)).columns == 3
    leaf = np.zeros(1, dtype=np.int32)
    tree = TreeEnsemble(
        leaf,
        leaf - 1,
        leaf.astype(np.float32),
        np.array([7.0], np.float32),
        leaf,
        leaf,
        np.array([1.0]),
        np.array([0.5]),
        leaf + 2,
    )
    np.testing.assert_array_equal(tree.predict(np.zeros((2, 2))), [4.5, 4.5])
    assert tree.columns == 2
