"""Ridge regression on the predictions of backbones: the predictions are theirs, and the coefficients those of ridge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV

import zoo
from zoo.jobs import pretrained
from zoo.jobs.crossfit.readout import ALPHAS, ReadoutFit, readout_fit
from zoo.models.checkpoint import weights
from zoo.models.network import CrystalNetwork
from zoo.models.outline import outline
from zoo.models.regression.regressors import Regressor
from zoo.testing import sample_crystals

NAMES = ("multi-113k", "Eg-NM")


@pytest.fixture(scope="module")
def fit() -> ReadoutFit:
    made = readout_fit([pretrained.load_heads(zoo.pull(name).directory) for name in NAMES])
    assert made is not None
    return made


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.concatenate([zoo.load(name).embed(list(sample_crystals.crystals().values())) for name in NAMES], axis=1)


def test_heads_predict_what_the_backbones_predict(fit: ReadoutFit, vectors: np.ndarray) -> None:
    found = fit.heads.predictions(vectors)
    assert found.shape == (len(vectors), 4)  # three properties and one
    member = weights.read(zoo.pull("multi-113k").directory).members[0]
    for column, (target, scaler) in enumerate(zip([None, "band_gap"], [member.scaler, *member.others], strict=False)):
        expected = zoo.load("multi-113k", target=target).predict(list(sample_crystals.crystals().values()))
        np.testing.assert_allclose(scaler.unscale(found[:, column]), expected["prediction"], rtol=1e-4, atol=1e-5)


def test_the_fit_is_that_of_scikit_learn(fit: ReadoutFit, vectors: np.ndarray) -> None:
    features = np.random.default_rng(0).normal(size=(40, vectors.shape[1]))
    predicted = fit.heads.predictions(features)
    target = predicted @ [1.0, -2.0, 0.5, 3.0] + 7
    regressor, chosen = fit(features, target, 0)
    scaled = (predicted - predicted.mean(axis=0)) / predicted.std(axis=0)
    ridge = RidgeCV(ALPHAS).fit(scaled, target)
    np.testing.assert_allclose(regressor.predict(features), ridge.predict(scaled), rtol=1e-8)
    assert chosen == {"alpha": f"{ridge.alpha_:g}"}
    tensors = regressor.tensors()
    assert len({array.__array_interface__["data"][0] for array in tensors.values()}) == len(tensors)
    again = Regressor.from_tensors("readout", tensors)
    np.testing.assert_array_equal(again.predict(features), regressor.predict(features))


def test_networks_without_such_heads_are_left_out() -> None:
    torch.manual_seed(0)
    network = pretrained.load_heads(zoo.pull("Eg-NM").directory)
    fresh = pretrained.new_network(0)  # its head reads all layers
    assert isinstance(fresh, CrystalNetwork)
    assert readout_fit([fresh]) is None
    assert readout_fit([]) is None
    found = readout_fit([fresh, network])
    assert found is not None
    assert found.heads.columns == 2 * outline(network.architecture.transferred).vector_size
    assert found.heads.starts[0] == found.heads.columns - network.architecture.settings.width
