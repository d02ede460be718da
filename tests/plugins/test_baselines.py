import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.io.vasp import Poscar
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Lasso
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from zoo.plugins import baselines
from zoo.plugins.featurizers import MagpieStructure
from zoo.plugins.pls import BoundedPLS

from zoo.registry import plugins
from zoo.testing import checks_for, parametrize_with_checks

ALL = [baselines.mean, baselines.rf, baselines.svr, baselines.lasso, baselines.ridge, baselines.pls]
CLASSIFIERS = [baselines.majority, baselines.rf, baselines.svc, baselines.logistic]
SCALED = [baselines.svr, baselines.lasso, baselines.ridge, baselines.pls]


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def crystals():
    """Vectors and log10 of the bulk moduli of 170 crystals."""
    table = pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[::7]
    structures = [Poscar.from_str(text).structure for text in table.structure]
    return MagpieStructure().featurize(structures), np.log10(table.K_VRH.to_numpy())


@parametrize_with_checks([*ALL, baselines.majority, baselines.svc, baselines.logistic])
def test_conforms(plugin, check):
    assert check in checks_for(plugin)
    check(plugin)


def test_every_baseline_is_registered_and_its_featurizer_exists():
    assert {p.name for p in plugins.plugins("baseline") if p.ours} == {each.name for each in (*ALL, *CLASSIFIERS)}
    for baseline in (*ALL, *CLASSIFIERS):
        assert plugins.baseline(baseline.name) is baseline
        assert plugins.find("featurizer", baseline.featurizer).ours


def test_mean_is_the_mean(crystals):
    features, target = crystals
    model = baselines.mean.build(0).fit(features[:30], target[:30])
    np.testing.assert_allclose(model.predict(features[30:]), target[:30].mean())


@pytest.mark.parametrize("baseline", [b for b in ALL if b.name != "mean"], ids=lambda b: b.name)
def test_beats_the_mean_on_real_bulk_moduli(baseline, crystals):
    features, target = crystals
    model = baseline.build(0).fit(features[:120], target[:120])
    error = np.abs(model.predict(features[120:]) - target[120:]).mean()
    assert error < 0.5 * np.abs(target[120:] - target[:120].mean()).mean()


@pytest.mark.parametrize("baseline", CLASSIFIERS[1:], ids=lambda b: b.name)
def test_beats_chance_at_telling_stiff_crystals(baseline, crystals):
    features, target = crystals
    stiff = (target > np.median(target)).astype(int)
    model = baseline.make("classification", 0).fit(features[:120], stiff[:120])
    p = model.predict_proba(features[120:])[np.arange(len(stiff) - 120), stiff[120:]]
    assert -np.log(np.maximum(p, 1e-2)).mean() < 0.8 * np.log(2)


@pytest.mark.parametrize("baseline", ALL, ids=lambda b: b.name)
def test_nothing_is_fitted_on_test_rows(baseline, crystals):
    features, target = crystals
    model = baseline.build(0).fit(features[:30], target[:30])
    alone = [model.predict(features[i : i + 1])[0] for i in range(30, 40)]
    np.testing.assert_allclose(model.predict(features[30:40]), alone, rtol=1e-10)


@pytest.mark.parametrize("baseline", SCALED, ids=lambda b: b.name)
def test_the_unit_of_the_target_does_not_matter(baseline, crystals):
    features, target = crystals
    one = baseline.build(0).fit(features, target).predict(features)
    thousand = baseline.build(0).fit(features, 1000 * target - 7).predict(features)
    np.testing.assert_allclose(thousand, 1000 * one - 7, rtol=1e-3)


@pytest.mark.parametrize("baseline", SCALED, ids=lambda b: b.name)
def test_a_feature_that_was_constant_in_training_cannot_carry_a_prediction_away(baseline, crystals):
    features, target = crystals
    # What magpie's ground-state moments look like in a set without magnets: noise, then a magnet to predict.
    noise = np.random.default_rng(0).normal(scale=1e-6, size=(len(target), 1))
    model = baseline.build(0).fit(np.hstack([features, noise]), target)
    magnet = np.hstack([features, np.full_like(noise, 2.1)])
    assert np.ptp(model.predict(magnet)) < 10 * np.ptp(target)


def test_undefined_features_take_the_training_median(crystals):
    features, target = crystals
    model = baselines.lasso.build(0).fit(features, target)
    undefined, typical = features.copy(), features.copy()
    undefined[0, -1], typical[0, -1] = np.nan, np.median(features[:, -1])
    np.testing.assert_allclose(model.predict(undefined)[0], model.predict(typical)[0], rtol=1e-12)


def test_a_feature_that_no_row_has_is_no_obstacle(crystals):
    features, target = crystals
    empty = np.hstack([features, np.full((len(target), 1), np.nan)])
    for baseline in ALL:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = baseline.build(0).fit(empty, target)
        np.testing.assert_allclose(model.predict(empty), model.predict(np.nan_to_num(empty, copy=True)), rtol=1e-8)


def test_lasso_is_scikit_learns_on_standardised_rows(crystals):
    features, target = crystals
    scaled = StandardScaler().fit_transform(np.nan_to_num(features)).clip(-10, 10)
    reference = Lasso(alpha=0.01, max_iter=20_000).fit(scaled, (target - target.mean()) / target.std())
    expected = reference.predict(scaled) * target.std() + target.mean()
    assert not np.isnan(features).any()
    np.testing.assert_allclose(baselines.lasso.build(0).fit(features, target).predict(features), expected)


def test_bounded_pls_is_pls_within_its_bounds(crystals):
    features, target = crystals
    expected = PLSRegression(4).fit(features, target).predict(features).ravel()
    np.testing.assert_allclose(BoundedPLS(4).fit(features, target).predict(features), expected)
    few = BoundedPLS(24).fit(features[:6], target[:6])
    np.testing.assert_allclose(few.predict(features), BoundedPLS(5).fit(features[:6], target[:6]).predict(features))


@pytest.mark.parametrize("baseline", [b for b in ALL if b.grid], ids=lambda b: b.name)
def test_the_grid_can_be_searched_on_twelve_rows(baseline, crystals):
    features, target = crystals
    search = GridSearchCV(baseline.build(0), dict(baseline.grid), cv=5, error_score="raise")
    search.fit(features[:12], target[:12])
    assert set(search.best_params_) == set(baseline.grid)
