"""Kernel machines that refer to training rows: each vector is made of its row again, bit by bit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.data.scaling import UNSCALED
from zoo.errors import CheckpointError
from zoo.models.regression.blends import Inputs, WeightedRegressor
from zoo.models.regression.conversion import from_sklearn
from zoo.models.regression.regressors import LinearModel, Regressor
from zoo.models.regression.training_rows import by_row, from_rows, refer_to_rows
from zoo.registry import plugins
from zoo.training import kernel_regression
from zoo.training.kernel_regression import fit_kernel_classifier, fit_kernel_machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.models.regression.classifiers import Classifier

    Fitted = Regressor | Classifier

ROWS = 60
X = np.random.default_rng(1).normal(size=(ROWS, 7)) * 10.0 ** np.arange(-3, 4) + 5
X[::9, 2] = np.nan
X[3, 4] = 1e6  # far enough to be clipped
EXPERT = np.random.default_rng(2).normal(size=(ROWS, 3)).astype(np.float32)
Y = np.nan_to_num(X[:, 2]) + np.sin(EXPERT[:, 0]) + X[:, 3]
CLASSES = np.arange(ROWS) % 3
INPUTS = Inputs({"x": X}, EXPERT, (3,))
BOTH = INPUTS.of(("x",), (0,))
TRAIN = np.arange(5, ROWS)


def landmarks(monkeypatch: pytest.MonkeyPatch) -> Fitted:
    monkeypatch.setattr(kernel_regression, "EXACT_ROWS", 40)
    monkeypatch.setattr(kernel_regression, "LANDMARKS", 20)
    monkeypatch.setattr(kernel_regression, "HELD_ROWS", 10)
    return fit_kernel_machine(BOTH[TRAIN], Y[TRAIN], 0)[0]


FITS: dict[str, Callable[[pytest.MonkeyPatch], Fitted]] = {
    "svr": lambda _: fit_kernel_machine(BOTH[TRAIN], Y[TRAIN], 0)[0],
    "weighted": lambda _: fit_kernel_machine(BOTH[TRAIN], Y[TRAIN], 0, weighted=7)[0],
    "landmarks": landmarks,
    "svc": lambda _: fit_kernel_classifier(BOTH[TRAIN], CLASSES[TRAIN], 0, classes=3)[0],
    "svc of two": lambda _: fit_kernel_classifier(BOTH[TRAIN], (CLASSES[TRAIN] > 0) * 1.0, 0, classes=2)[0],
    "scikit-learn": lambda _: from_sklearn(plugins.baseline("svr").build(0).fit(BOTH[TRAIN], Y[TRAIN]), 10),
}


def weighted(fitted: Fitted) -> WeightedRegressor:
    return WeightedRegressor("svr", fitted, UNSCALED, 1.0, ("x",), (0,))


@pytest.mark.parametrize("name", FITS)
def test_vectors_are_made_again_of_their_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = FITS[name](monkeypatch)
    (((found,),), kept) = refer_to_rows([[weighted(fitted)]], INPUTS)
    assert by_row(found.regressor)
    assert not by_row(fitted)
    assert set(kept) <= set(TRAIN)
    kinds = found.regressor.described()
    again = from_rows(
        found.regressor.tensors(by_row=True),
        kinds["kind"],
        kinds.get("parts", ()),
        kinds.get("link", "softmax"),
        INPUTS.select(kept).of(("x",), (0,)),
    )
    before, after = fitted.tensors(), again.tensors()
    assert before.keys() == after.keys()
    for key, array in before.items():
        np.testing.assert_array_equal(after[key], array)


def test_machines_of_several_folds_share_the_rows() -> None:
    fits = [fit_kernel_machine(BOTH[start::2], Y[start::2], 0)[0] for start in (0, 1, 0)]
    members, kept = refer_to_rows([[weighted(fit)] for fit in fits], INPUTS)
    machines = [each.regressor.parts[0].model for (each,) in members]
    assert len(kept) <= ROWS
    assert all((kept[machine.rows] % 2 == parity).all() for machine, parity in zip(machines, (0, 1, 0), strict=True))


def test_a_machine_with_vectors_of_elsewhere_keeps_them() -> None:
    fitted = fit_kernel_machine(BOTH, Y, 0)[0]
    vectors = fitted.model.vectors.copy()
    vectors[0, 0] += 1e-3
    other = replace(fitted, model=replace(fitted.model, vectors=vectors))
    linear = replace(fitted, model=LinearModel(np.zeros(10), np.zeros(1)))
    (found,), kept = refer_to_rows([[weighted(other), weighted(linear)]], INPUTS)
    assert [by_row(each.regressor) for each in found] == [False, False]
    assert found[0].regressor.model.vectors is vectors
    assert len(kept) == 0


def test_a_row_that_is_not_there_is_refused() -> None:
    fitted = fit_kernel_machine(BOTH, Y, 0)[0]
    (((found,),), kept) = refer_to_rows([[weighted(fitted)]], INPUTS)
    with pytest.raises(CheckpointError, match=f"not one of {len(kept) - 1}"):
        from_rows(found.regressor.tensors(by_row=True), "kernel", (), "softmax", BOTH[kept[:-1]])
