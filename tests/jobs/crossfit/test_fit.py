"""Cross-fitting: nothing is predicted by a fit that has seen it, weights come from folds alone, members may fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from zoo.data.scaling import TargetScaler
from zoo.data.splits import Split
from zoo.errors import InputError, TrainingError
from zoo.jobs.crossfit.fit import MAX_FOLDS, MIN_NETWORK_ROWS, MIN_ROWS, cross_fit, fold_splits, folds_of
from zoo.jobs.crossfit.members import NetworkMember, RegressorMember
from zoo.jobs.methods import Dataset
from zoo.models.checkpoint.networks import Member
from zoo.models.regression.blends import Inputs, member_values
from zoo.models.regression.regressors import LinearModel, Regressor

ROWS = 60
X = np.random.default_rng(0).normal(size=(ROWS, 2))
Y = 10 + X[:, 0] + 0.1 * X[:, 1]
TEST = np.arange(50, ROWS)
SPLIT = Split(3, np.arange(40), np.arange(40, 50), TEST)
FOLDS = np.array_split(np.arange(50), 5)


def _linear(slope: list[float], intercept: float) -> Regressor:
    d = len(slope)
    ones = np.ones(d)
    model = LinearModel(np.array(slope), np.array([intercept]))
    return Regressor(model, np.zeros(d), np.zeros(d), ones, np.array([np.inf]), np.array([0.0, 1.0]))


@dataclass(frozen=True)
class _LeastSquares:
    """Fits the first column, or none; remembers how many rows it saw in its intercept's fit."""

    columns: int

    def __call__(self, features: Any, target: Any, _seed: int) -> tuple[Regressor, dict[str, str]]:
        assert len(target) == 40  # four folds of five
        design = np.column_stack([np.ones(len(target)), features[:, : self.columns]])
        found = np.linalg.lstsq(design, target, rcond=None)[0]
        slope = [*found[1:], *[0.0] * (2 - self.columns)]
        return _linear(slope, found[0]), {}


def _fails(_features: Any, _target: Any, _seed: int) -> tuple[Regressor, dict[str, str]]:
    raise ValueError("no luck")


def _mean_only(_features: Any, target: Any, _seed: int) -> tuple[Regressor, dict[str, str]]:
    return _linear([0.0, 0.0], 0.0), {}


@dataclass(frozen=True)
class _Noisy:
    """Adds the second column to the least-squares fit of the first: it disagrees where that column is not zero."""

    def __call__(self, features: Any, target: Any, seed: int) -> tuple[Regressor, dict[str, str]]:
        fitted, _ = _LeastSquares(1)(features, target, seed)
        assert isinstance(fitted.model, LinearModel)
        return _linear([fitted.model.coefficients[0], 0.3], fitted.model.intercept[0]), {}


def _member(name: str, fit: Any, transform: Any = "identity") -> RegressorMember:
    return RegressorMember(name, fit, transform, ("x",))


def _run(*members: RegressorMember, **options: Any) -> Any:
    targets, valid = options.pop("targets", Y), options.pop("valid", (None, None))
    dataset = Dataset(None, targets, "identity", valid=valid)  # type: ignore[arg-type]
    inputs = Inputs({"x": options.pop("features", X)}, np.empty((ROWS, 0)), (0,))
    idle = Member(None, TargetScaler("identity", 10.0, 1.0))  # type: ignore[arg-type]
    folds = options.pop("folds", FOLDS)
    return cross_fit(members, dataset, SPLIT, folds, inputs, lambda: idle, processes=1, **options)


GOOD, POOR = _member("good", _LeastSquares(2)), _member("poor", _LeastSquares(1))


def test_rows_of_a_fold_are_validation_rows_and_those_of_no_fold_test_rows() -> None:
    split = Split(0, np.array([4, 0, 1]), np.array([2, 3]), np.array([5, 6]))
    one, other = fold_splits(split, [np.array([3, 0]), np.array([1, 2, 4])])
    assert (one.train.tolist(), one.val.tolist(), one.test.tolist()) == ([1, 2, 4], [3, 0], [5, 6])
    assert (other.train.tolist(), other.val.tolist(), other.test.tolist()) == ([0, 3], [1, 2, 4], [5, 6])


def test_every_row_is_predicted_by_the_fit_that_has_not_seen_it() -> None:
    found = _run(GOOD)
    assert found.weights == {"good": 1.0}
    for fold, rows in enumerate(FOLDS):
        regressor = found.members[fold].regressors[0]
        np.testing.assert_allclose(found.outcome.predictions[rows], regressor.predict(X)[rows], rtol=1e-9)
        np.testing.assert_allclose(found.parts["good"][rows], found.center[rows], rtol=1e-9)
        residuals = np.sort(np.abs(found.outcome.predictions[rows] - Y[rows]))
        np.testing.assert_allclose(found.members[fold].calibration, residuals, rtol=1e-4, atol=1e-9)
    bag = np.mean([member.regressors[0].predict(X)[TEST] for member in found.members], axis=0)
    np.testing.assert_allclose(found.outcome.predictions[TEST], bag, rtol=1e-9)
    assert np.isnan(found.parts["good"][TEST]).all()


def test_weights_come_from_folds_and_a_member_that_adds_nothing_is_dropped() -> None:
    changed = Y.copy()
    changed[TEST] = -1000.0  # labels of test rows count for nothing
    one, other = _run(GOOD, POOR), _run(GOOD, POOR, targets=changed)
    assert one.weights == other.weights == {"good": 1.0, "poor": 0.0}
    np.testing.assert_array_equal(one.outcome.predictions, other.outcome.predictions)
    assert one.errors["good"] < 1e-9 < one.errors["poor"]
    assert [len(member.regressors) for member in one.members] == [1] * 5


def test_of_two_scales_the_better_one_is_taken() -> None:
    exponential = 10 ** (1 + 0.2 * X[:, 0])
    found = _run(
        _member("fit", _LeastSquares(1)), _member("fit, log10", _LeastSquares(1), "log10"), targets=exponential
    )
    assert found.weights == {"fit": 0.0, "fit, log10": 1.0}


def test_a_member_that_fails_is_named_and_left_out() -> None:
    said: list[str] = []
    found = _run(GOOD, _member("odd", _fails), say=said.append)
    assert found.failed == {"odd": "ValueError: no luck"}
    assert said == ["odd is left out of the blend: ValueError: no luck"]
    assert found.weights == {"good": 1.0}
    with pytest.raises(TrainingError, match=r"^every member of the blend failed; odd: ValueError: no luck$"):
        _run(_member("odd", _fails), _member("too", _fails))
    with pytest.raises(TrainingError, match=r"^odd: ValueError: no luck$"):  # a baseline alone is no blend
        _run(_member("odd", _fails))


def test_members_without_the_vectors_that_they_read_are_named_together() -> None:
    said: list[str] = []
    reading = [RegressorMember(name, _mean_only, "identity", ("x", "lost")) for name in ("one", "other")]
    found = _run(GOOD, *reading, broken={"lost": "featurizer 'lost' failed"}, say=said.append)
    assert found.failed == dict.fromkeys(("one", "other"), "featurizer 'lost' failed")
    assert said == ["one and other are left out of the blend: featurizer 'lost' failed"]
    assert found.weights == {"good": 1.0}
    with pytest.raises(TrainingError, match="every member of the blend failed; one: featurizer 'lost' failed"):
        _run(*reading, broken={"lost": "featurizer 'lost' failed"}, say=said.append)


def test_equal_targets_and_equal_predictions() -> None:
    with pytest.raises(InputError, match="all 50 training targets are equal"):
        _run(GOOD, targets=np.full(ROWS, 2.0))
    said: list[str] = []
    found = _run(_member("mean", _mean_only), say=said.append)
    assert said == ["the model predicts the same number for every row: nothing was learned from this table"]
    assert 0 < np.ptp(found.outcome.predictions[:50]) < 0.5  # the means of the folds differ
    _run(POOR, say=said.append)
    assert len(said) == 1


def test_predictions_stay_in_the_valid_range() -> None:
    found = _run(GOOD, valid=(9.5, 10.5))
    assert found.outcome.predictions.min() == 9.5
    assert found.outcome.predictions.max() == 10.5


def test_a_saved_member_predicts_what_was_measured_where_parts_leave_the_valid_range() -> None:
    found = _run(GOOD, _member("mean", _mean_only), valid=(9.5, 10.5))
    model = np.mean([member_values(member, None, Inputs({"x": X}, None))[0] for member in found.members], axis=0)
    assert (model[TEST] < 9.5).any()
    np.testing.assert_allclose(found.outcome.predictions[TEST], np.clip(model, 9.5, 10.5)[TEST], rtol=1e-12)


def test_shares_of_covered_test_rows() -> None:
    found = _run(POOR)
    assert found.covered(TEST, 0.5) <= found.covered(TEST, 0.9) <= 1.0
    far = np.where(np.isin(np.arange(ROWS), TEST), Y + 100, Y)
    assert _run(POOR, targets=far).covered(TEST, 0.9) == 0.0
    assert found.covered(TEST[:0], 0.9) is None
    residuals = np.sort(np.abs(found.center - Y)[:50])
    np.testing.assert_allclose(found.half_widths(TEST, 0.9), residuals[45], rtol=1e-4)  # ⌈51 × 0.9⌉ = 46th of 50


def test_intervals_are_wide_where_members_disagree_if_that_is_where_they_err() -> None:
    loud = np.arange(ROWS) % 3 == 0  # rows whose targets neither member can know
    x = np.column_stack([X[:, 0], loud * X[:, 1]])
    y = 10 + X[:, 0] + loud * np.random.default_rng(1).normal(size=ROWS)
    members = [_member("first", _LeastSquares(1)), _member("second", _Noisy())]
    found = _run(*members, targets=y, features=x)
    assert found.difficulty.slope > 0
    inner, outer = (found.half_widths(TEST[mask], 0.9).mean() for mask in (~loud[TEST], loud[TEST]))
    assert outer > 1.5 * inner
    assert found.scale[:50].mean() == pytest.approx(1, abs=0.1)
    for fold, rows in enumerate(FOLDS):
        ratios = np.sort(np.abs(found.center - y)[rows] / found.scale[rows])
        np.testing.assert_allclose(found.members[fold].calibration, ratios, rtol=1e-4)
        assert found.members[fold].difficulty == found.difficulty


class _Crystal:
    def __init__(self, formula: str) -> None:
        self.formula = self.chemsys = formula


class _Record:
    def __init__(self, row: int) -> None:
        self.id, self.group, self.crystal = f"{row:03}", "", _Crystal(f"F{row // 3}")


def test_folds_keep_groups_together_and_few_rows_make_more_of_them() -> None:
    records: Any = [_Record(row) for row in range(500)]

    def cut(n: int, how: Any) -> list[Any]:
        return folds_of(records, np.arange(n), seed=0, how=how)

    assert [len(each) for each in cut(500, "random")] == [100] * 5
    assert len(cut(300, "random")) == 8
    assert len(cut(30, "random")) == MAX_FOLDS
    grouped = cut(90, "composition")
    assert sorted(np.concatenate(grouped)) == list(range(90))
    owners = [{records[row].crystal.formula for row in fold} for fold in grouped]
    assert sum(map(len, owners)) == len(set.union(*owners))
    assert len(cut(12, "composition")) == 4  # no more folds than compositions
    assert [len(each) for each in cut(MIN_ROWS, "random")] == [1] * MIN_ROWS
    with pytest.raises(InputError, match=f"needs {MIN_ROWS} rows besides the test rows, and there are {MIN_ROWS - 1};"):
        cut(MIN_ROWS - 1, "random")


def test_a_network_is_left_out_where_rows_are_few() -> None:
    network = NetworkMember("net", "key", _fails, None, None, "cpu")  # type: ignore[arg-type]
    said: list[str] = []
    few = np.array_split(np.arange(MIN_NETWORK_ROWS - 1), 3)
    found = _run(network, _member("mean", _mean_only), folds=few, say=said.append)
    why = "it needs 12 rows besides the test rows, and there are 11"
    assert found.failed == {"net": why}
    assert found.weights == {"mean": 1.0}
    assert f"net is left out of the blend: {why}" in said
    found = _run(network, _member("mean", _mean_only), say=said.append)
    assert "needs" not in found.failed["net"]  # tried, though this one fails


def test_what_pretrained_networks_add_is_measured_out_of_fold() -> None:
    reader = RegressorMember("reader", _LeastSquares(2), "identity", ("x",), (0,))
    found = _run(POOR, reader)
    assert found.weights == {"poor": 0.0, "reader": 1.0}
    assert found.error < 1e-9
    assert found.untransferred == pytest.approx(found.errors["poor"])
    useless = _run(GOOD, RegressorMember("reader", _LeastSquares(1), "identity", ("x",), (0,)))
    assert useless.error == pytest.approx(useless.untransferred)
    assert _run(GOOD, POOR).untransferred is None  # none reads one
    assert _run(reader).untransferred is None  # nothing is left without it
