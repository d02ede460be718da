"""Fits of members on folds: finished ones are read again, and a member fails with any of its fits."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.data.splits import Split
from zoo.jobs.crossfit.fold_fits import fit_all
from zoo.jobs.crossfit.members import RegressorMember
from zoo.jobs.fit_store import FitStore
from zoo.jobs.methods import Dataset
from zoo.models.regression.blends import Inputs
from zoo.models.regression.regressors import LinearModel, Regressor

if TYPE_CHECKING:
    from pathlib import Path

ROWS, FOLDS = np.arange(20), 4
X = np.random.default_rng(0).normal(size=(20, 1))
Y = 3 + 2 * X[:, 0]
TEST = np.arange(16, 20)
SPLITS = [Split(3, np.setdiff1d(ROWS[:16], fold), fold, TEST) for fold in np.array_split(ROWS[:16], FOLDS)]


@dataclass(frozen=True)
class _Slope:
    """Least squares of one column; fails, or returns what is no number, if the first target is this one."""

    fails_at: float = np.nan
    wrong_at: float = np.nan
    error: Exception = field(default_factory=lambda: ValueError("no luck"))

    def __call__(self, features: Any, target: Any, _seed: int) -> tuple[Regressor, dict[str, str]]:
        if target[0] == self.fails_at:
            raise self.error
        slope = (
            np.nan if target[0] == self.wrong_at else float(features[:, 0] @ target / (features[:, 0] @ features[:, 0]))
        )
        one = np.ones(1)
        model = LinearModel(np.array([slope]), np.zeros(1))
        return Regressor(model, np.zeros(1), np.zeros(1), one, np.array([np.inf]), np.array([0.0, 1.0])), {}


def _run(*fits: Any, store: FitStore | None = None, names: str = "abc", digest: str = "") -> Any:
    members = [
        RegressorMember(name, fit, "identity", ("x",), digest=digest) for name, fit in zip(names, fits, strict=False)
    ]
    inputs = Inputs({"x": X}, None)
    return fit_all(members, Dataset(None, Y, "identity"), SPLITS, inputs, store, "cpu", 1, None)  # type: ignore[arg-type]


def _scaled(split: Split) -> float:
    """Return the first standardised target of a fit."""
    targets = Y[split.train]
    return float((targets[0] - targets.mean()) / targets.std())


def test_every_member_has_a_fit_without_each_fold() -> None:
    fits, failed = _run(_Slope(), _Slope())
    assert failed == {}
    assert {name: len(each) for name, each in fits.items()} == {"a": FOLDS, "b": FOLDS}
    for split, outcome in zip(SPLITS, fits["a"], strict=True):
        assert np.isfinite(outcome.predictions).all()
        assert np.abs(outcome.predictions - Y)[split.test].max() < np.abs(Y).max()


def test_one_fit_that_fails_or_is_not_finite_takes_its_member_out() -> None:
    at = _scaled(SPLITS[2])
    fits, failed = _run(_Slope(), _Slope(fails_at=at), _Slope(wrong_at=at))
    assert list(fits) == ["a"]
    assert failed == {"b": "ValueError: no luck", "c": "8 of its predictions are not finite numbers"}


def test_finished_fits_are_read_again(tmp_path: Path) -> None:
    store = FitStore(tmp_path / "cells", resume=False)
    first, _ = _run(_Slope(), _Slope(), store=store)
    assert FitStore.count(store.folder) == 2 * FOLDS
    broken = _Slope(fails_at=_scaled(SPLITS[2]))
    again, failed = _run(broken, broken, store=store)
    assert failed == {}
    np.testing.assert_array_equal(again["a"][2].predictions, first["a"][2].predictions)
    (kept,) = (path for path in store.folder.glob("*-3.json") if '"name":"b"' in path.read_text().replace(" ", ""))
    kept.unlink()
    again, failed = _run(broken, broken, store=store)
    assert list(again) == ["a"]
    assert failed == {"b": "ValueError: no luck"}


def test_a_finished_fit_is_that_of_its_member_whatever_the_order(tmp_path: Path) -> None:
    store = FitStore(tmp_path / "cells", resume=False)
    _run(_Slope(), store=store)
    broken = _Slope(fails_at=_scaled(SPLITS[2]))
    fits, failed = _run(broken, broken, store=store, names="ba")
    assert (list(fits), list(failed)) == (["a"], ["b"])
    fits, failed = _run(broken, store=store, digest="of another plugin")
    assert (list(fits), list(failed)) == ([], ["a"])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.ENOENT])
def test_a_full_disk_ends_the_run_and_is_no_fault_of_a_member(code: int, tmp_path: Path) -> None:
    store = FitStore(tmp_path / "cells", resume=False)
    broken = _Slope(fails_at=_scaled(SPLITS[2]), error=OSError(code, "what the system says", "a file"))
    with pytest.raises(OSError, match="what the system says: 'a file'") as caught:
        _run(_Slope(), broken, store=store)
    assert caught.value.errno == code
    assert FitStore.count(store.folder) == FOLDS + 2
    fits, failed = _run(_Slope(), _Slope(), store=store)
    assert (list(fits), failed) == (["a", "b"], {})


def test_errors_that_are_not_of_this_system_are_those_of_a_member() -> None:
    for error in (OSError("no such column"), ConnectionRefusedError(errno.ECONNREFUSED, "refused")):
        _, failed = _run(_Slope(fails_at=_scaled(SPLITS[2]), error=error))
        assert list(failed) == ["a"]
