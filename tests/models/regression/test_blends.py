"""Weighted sums of regressors and a network, their mean over members, and the columns that regressors read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from zoo.data.scaling import TargetScaler
from zoo.models.regression.blends import Inputs, WeightedRegressor, bagged, clip, labels_digest, member_values
from zoo.models.regression.regressors import LinearModel, Regressor

LOG = TargetScaler("log10", 2.0, 0.5, bound=None)


def linear(*coefficients: float) -> Regressor:
    """Return the regressor that sums its columns with these coefficients."""
    zeros, ones = np.zeros(len(coefficients)), np.ones(len(coefficients))
    model = LinearModel(np.array(coefficients), np.zeros(1))
    return Regressor(model, zeros, zeros, ones, np.array([np.inf]), np.array([0.0, 1.0]))


@dataclass(frozen=True)
class Member:
    scaler: TargetScaler
    weight: float
    regressors: tuple[WeightedRegressor, ...]


INPUTS = Inputs({"a": np.array([[1.0], [2.0]]), "b": np.array([[10.0], [20.0]])}, np.arange(8.0).reshape(2, 4), (2, 2))


def test_vectors_stand_side_by_side_in_the_order_asked_for() -> None:
    assert INPUTS.of(("b", "a"), ()).tolist() == [[10, 1], [20, 2]]
    assert INPUTS.of(("a",), (1,)).tolist() == [[1, 2, 3], [2, 6, 7]]
    assert INPUTS.of((), (1, 0)).tolist() == [[2, 3, 0, 1], [6, 7, 4, 5]]


def test_a_member_sums_logarithms() -> None:
    """Half a network that says 100, a quarter each of 10^(2 + 0.5 x) for x = 1, 2 and for x = 10, 20."""
    parts = tuple(WeightedRegressor(name, linear(1.0), LOG, 0.25, (name,)) for name in ("a", "b"))
    values, apart = member_values(Member(LOG, 0.5, parts), np.zeros(2), INPUTS)
    assert values == pytest.approx([2 + 0.25 * 0.5 * 11, 2 + 0.25 * 0.5 * 22])
    assert apart == pytest.approx([np.std([2, 2, 2.5, 7]), np.std([2, 2, 3, 12])])


def test_regressors_on_another_scale_are_transformed_first() -> None:
    plain = TargetScaler("identity", 0.0, 1.0, bound=None)
    part = WeightedRegressor("b", linear(10.0), plain, 1.0, ("b",))
    values, apart = member_values(Member(LOG, 0.0, (part,)), None, INPUTS)
    assert values == pytest.approx([2, np.log10(200)])
    assert apart.tolist() == [0, 0]


def test_members_are_averaged_before_they_are_restored() -> None:
    members = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert bagged(members, "log10", (None, None)).tolist() == pytest.approx([100, 1000])
    assert bagged(members, "log10", (None, 500.0)).tolist() == pytest.approx([100, 500])
    assert bagged(members, "identity", (2.5, None)).tolist() == [2.5, 3.0]


def test_clip_keeps_values_in_the_possible_range() -> None:
    values = np.array([-1.0, 5.0, 9.0])
    assert clip(values, (None, None)) is values
    assert clip(values, (0.0, 6.0)).tolist() == [0, 5, 6]


def test_the_digest_tells_labels_and_their_order() -> None:
    # printf 'a\nb' | sha256sum
    assert labels_digest(["a", "b"]).startswith("7e18f737311b2dc3")
    assert labels_digest(["a", "b"]) != labels_digest(["b", "a"])
