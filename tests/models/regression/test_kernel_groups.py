"""Kernel machines evaluated together: what each gives alone, from distances that are computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.data.scaling import UNSCALED
from zoo.models.regression import kernel_groups
from zoo.models.regression.blends import Inputs, WeightedRegressor
from zoo.models.regression.conversion import from_sklearn
from zoo.models.regression.kernel_groups import KernelGroup
from zoo.models.regression.training_rows import refer_to_rows
from zoo.registry import plugins
from zoo.training.kernel_regression import fit_kernel_classifier, fit_kernel_machine

if TYPE_CHECKING:
    from zoo.models.regression.classifiers import Classifier
    from zoo.models.regression.regressors import Regressor

ROWS, COLUMNS = 80, {"x": 6, 0: 4, 1: 5}
RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(ROWS, 6)) * [1, 2, 3, 4, 5, 6]
X[::7, 1] = np.nan
INPUTS = Inputs({"x": X}, RANDOM.normal(size=(ROWS, 9)).astype(np.float32), (4, 5))
Y = X[:, 0] + INPUTS.of((), (1,))[:, 0]
NEW = Inputs(
    {"x": np.where(RANDOM.random((300, 6)) < 0.05, np.nan, RANDOM.normal(size=(300, 6)) * 100)},  # some are clipped
    RANDOM.normal(size=(300, 9)).astype(np.float32),
    (4, 5),
)
TRAIN = np.arange(10, ROWS)


def machine(featurizers: tuple[str, ...], experts: tuple[int, ...], weighted: int = 0) -> WeightedRegressor:
    features = INPUTS.of(featurizers, experts)[TRAIN]
    return named(fit_kernel_machine(features, Y[TRAIN], 0, weighted=weighted)[0], featurizers, experts)


def named(fitted: Regressor | Classifier, featurizers: tuple[str, ...], experts: tuple[int, ...]) -> WeightedRegressor:
    return WeightedRegressor("one", fitted, UNSCALED, 0.2, featurizers, experts)


def check(regressors: list[WeightedRegressor]) -> KernelGroup:
    """Check the numbers of a group against those of its machines alone."""
    ((*referring,),), _ = refer_to_rows([regressors], INPUTS)
    group = KernelGroup(referring, COLUMNS.__getitem__)
    found = group.predict(NEW)
    assert len(found) == sum(len(each.regressor.parts) for each in regressors)
    for (place, part), numbers in found.items():
        one = regressors[place]
        alone = one.regressor.parts[part].predict(NEW.of(one.featurizers, one.experts))
        assert numbers == pytest.approx(alone, rel=1e-9, abs=1e-9)
    return group


def test_a_group_gives_what_its_machines_give_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    regressors = [
        machine(("x",), (1, 0)),
        machine(("x",), (), weighted=6),
        machine((), (0, 1)),
        machine(("x",), (0, 1), weighted=6),
        machine((), (1,)),
        named(from_sklearn(plugins.baseline("svr").build(0).fit(X[TRAIN], Y[TRAIN]), 6), ("x",), ()),
    ]
    group = check(regressors)
    read = []
    plain = kernel_groups.squared_distances
    monkeypatch.setattr(
        kernel_groups, "squared_distances", lambda points, *those: read.append(points.shape[1]) or plain(points, *those)
    )
    monkeypatch.setattr(kernel_groups, "ROWS", 1000)
    group.predict(NEW)
    # x as it is (shared with scikit-learn's machine if its statistics have the same bits), weighted in two ways; the
    # experts once.
    assert sorted(read) in ([4, 5, 6, 6, 6], [4, 5, 6, 6, 6, 6])


def test_classes_are_parts_of_a_group() -> None:
    classes = np.arange(ROWS) % 3
    fitted = fit_kernel_classifier(INPUTS.of(("x",), (0,))[TRAIN], classes[TRAIN], 0, classes=3)[0]
    check([machine((), (0,)), named(fitted, ("x",), (0,))])


def test_machines_with_vectors_of_their_own_are_left_to_themselves() -> None:
    assert KernelGroup([machine(("x",), ())], COLUMNS.__getitem__).predict(NEW) == {}
