"""The members of a blend: which there are, and that what is fitted is what predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.impute import SimpleImputer

from zoo.data.splits import Split
from zoo.errors import InputError, UnknownNameError
from zoo.jobs.crossfit.members import (
    FROZEN,
    STRUCTURE,
    RegressorMember,
    baseline_member,
    check_storable,
    default_members,
    fit_boosting,
    network_member,
)
from zoo.jobs.methods import TRANSFER, Dataset
from zoo.models.regression.blends import Inputs
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

X = np.random.default_rng(1).normal(size=(60, 6))
Y = 100 * np.exp(X[:, 0])


def _dataset(targets: Any = Y, transform: Any = "log10") -> Dataset:
    return Dataset(None, targets, transform)  # type: ignore[arg-type]


def test_kernel_machines_read_the_chosen_experts_and_all_of_unknown_ones() -> None:
    experts = ["dEf-10k", *reversed(FROZEN)]
    found = {each.name: each for each in default_members(_dataset(), np.arange(60), experts)}
    both = found[f"svr on {STRUCTURE} + frozen vectors"]
    assert [experts[i] for i in both.experts] == list(FROZEN)
    weighted = found[f"svr on weighted {STRUCTURE} + frozen vectors"]
    assert weighted.experts == both.experts
    assert weighted.weighted
    assert not both.weighted
    assert {each.featurizers for each in found.values()} == {(STRUCTURE,)}
    unknown = default_members(_dataset(), np.arange(60), ["theirs", "others"])
    assert max(len(each.experts) for each in unknown) == 2
    assert all(not each.experts for each in default_members(_dataset(), np.arange(60), []))


def test_log10_is_tried_where_all_targets_are_positive() -> None:
    def scales(targets: Any, transform: Any, rows: Any = None) -> set[str]:
        rows = np.arange(60) if rows is None else rows
        return {each.transform for each in default_members(_dataset(targets, transform), rows, [])}

    assert scales(Y, "log10") == {"log10"}
    assert scales(Y, "identity") == {"identity", "log10"}
    assert scales(Y - 150, "identity") == {"identity"}
    mixed = Y.copy()
    mixed[50:] = -1  # test rows decide nothing
    assert scales(mixed, "identity", np.arange(50)) == {"identity", "log10"}


def test_columns_of_featurizers_are_weighted_and_those_of_experts_are_not() -> None:
    experts = np.random.default_rng(4).normal(size=(60, 3)).astype(np.float32)
    members = default_members(_dataset(), np.arange(60), ["theirs"])
    (member,) = [each for each in members if each.name == f"svr on weighted {STRUCTURE} + frozen vectors"]
    split = Split(0, np.arange(50), np.arange(50, 55), np.arange(55, 60))
    regressor = member.outcome(_dataset(), split, Inputs({STRUCTURE: X}, experts, [3])).regressor
    assert regressor is not None
    scales = np.concatenate([X, experts], axis=1)[:50].std(axis=0)
    weights = (scales / regressor.regressor.scale) ** 2
    np.testing.assert_allclose(weights[6:], 1.0, rtol=1e-5)
    assert weights[:6].argmax() == 0  # the only one that the target depends on


def test_classes_have_no_weighted_members() -> None:
    dataset = Dataset(None, np.arange(60) % 2, "identity", classes=2)  # type: ignore[arg-type]
    assert not any(each.weighted for each in default_members(dataset, np.arange(60), list(FROZEN)))


def test_boosted_trees_are_those_of_scikit_learn() -> None:
    features = X.copy()
    features[::4, 1] = np.nan
    fitted, _ = fit_boosting(features, Y, 3)
    filled = SimpleImputer(strategy="median").fit_transform(features)
    trees = GradientBoostingRegressor(
        n_estimators=300, learning_rate=0.05, max_depth=4, subsample=0.5, max_features=0.2, random_state=3
    ).fit(filled, Y)
    np.testing.assert_allclose(fitted.predict(features), trees.predict(filled), rtol=1e-5)


@pytest.mark.parametrize("name", ["ridge", "svr"])
def test_a_baseline_predicts_all_rows_of_a_split_in_the_unit_of_the_target(name: str) -> None:
    member = baseline_member(name, "log10")
    split = Split(0, np.arange(40), np.arange(40, 50), np.arange(50, 58))
    outcome = member.outcome(_dataset(), split, Inputs({STRUCTURE: X}, None))
    assert np.isnan(outcome.predictions[58:]).all()
    logs = np.abs(np.log10(outcome.predictions[:58] / Y[:58]))
    assert logs[40:].mean() < 0.1
    assert outcome.parameters
    assert outcome.regressor is not None
    np.testing.assert_allclose(outcome.regressor.predict(X[40:58]), outcome.predictions[40:58])


PIPELINES = """
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge, SGDClassifier
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from zoo import Baseline
late = Baseline("late", lambda seed: make_pipeline(StandardScaler(), SimpleImputer(strategy="constant"), Ridge()))
uncentred = Baseline("uncentred", lambda seed: make_pipeline(StandardScaler(with_mean=False), Ridge()))
neighbours = Baseline("neighbours", lambda seed: KNeighborsRegressor())
bayes = Baseline("bayes", classifier=lambda seed: make_pipeline(SimpleImputer(), GaussianNB()))
broken = Baseline("broken", lambda seed: 1 / 0)
started = Baseline("started", lambda seed: GradientBoostingRegressor(init=LinearRegression(), n_estimators=3))
each = Baseline("each", classifier=lambda seed: SGDClassifier(loss="log_loss", random_state=seed))
plain = Baseline("plain", lambda seed: make_pipeline(SimpleImputer(), StandardScaler(), Ridge()))
"""


@pytest.fixture
def pipelines(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "mine.py").write_text(PIPELINES)
    plugins.add_file(tmp_path / "mine.py")
    yield
    plugins.remove_files()


@pytest.mark.usefixtures("pipelines")
def test_a_baseline_that_arrays_do_not_express_is_refused() -> None:
    features = X + 5
    gaps = features.copy()
    gaps[::3, 0] = np.nan
    cases = [("late", gaps, 0), ("uncentred", features, 0), ("started", features, 0), ("each", X, 3)]
    for name, given, classes in cases:
        target = np.argmax(X[:, :3], axis=1).astype(float) if classes else X[:, 0] + X[:, 1]
        with pytest.raises(InputError, match=f"{name} cannot be saved in a model: stored as arrays, it predicts other"):
            baseline_member(name, "identity", classes).fit(given, target, 0)
    fitted, _ = baseline_member("plain", "identity").fit(gaps, X[:, 1], 0)
    assert np.abs(fitted.predict(gaps) - X[:, 1]).mean() < 0.1


@pytest.mark.usefixtures("pipelines")
def test_what_cannot_be_saved_is_refused_before_rows_are_read() -> None:
    with pytest.raises(InputError, match="a KNeighborsRegressor cannot be saved in a model"):
        check_storable("neighbours", "regression")
    with pytest.raises(InputError, match="a GaussianNB cannot be saved in a model"):
        check_storable("bayes", "classification")
    for name in ("plain", "broken", "ridge"):  # the fit itself tells what is broken
        check_storable(name, "regression")


def test_predictions_stay_near_the_training_targets() -> None:
    member = RegressorMember("svr", baseline_member("ridge", "log10").fit, "log10", (STRUCTURE,))
    split = Split(0, np.arange(40), np.arange(40, 50), np.arange(50, 60))
    far = X.copy()
    far[50:] *= 1000
    outcome = member.outcome(_dataset(), split, Inputs({STRUCTURE: far}, None))
    logs, trained = np.log10(outcome.predictions), np.log10(Y[:40])
    assert np.abs(logs - trained.mean()).max() <= np.abs(trained - trained.mean()).max() + trained.std() * 1.001


def test_a_baseline_that_does_not_exist_and_digests() -> None:
    with pytest.raises(UnknownNameError, match="none-such"):
        baseline_member("none-such", "identity")
    assert baseline_member("svr", "identity").digest != baseline_member("ridge", "identity").digest


def test_a_network_keeps_its_last_epoch() -> None:
    member = network_member("dEf-10k", "key", lambda _seed: None, TRANSFER, None, "cpu")  # type: ignore[arg-type, return-value]
    assert member.name == "dEf-10k fine-tuned"
    assert (member.settings.keep, member.settings.patience) == ("last", None)
