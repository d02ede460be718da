"""Prediction with a blend: the weighted sum in the transformed space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from support.smallblend import blend

import zoo
from zoo.analysis.difficulty import Difficulty
from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import GraphSettings, build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.models.checkpoint import networks
from zoo.models.inference import expert_vectors, predict_scaled
from zoo.models.outline import outline
from zoo.registry import plugins

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core import Structure

    from zoo.models.network import CrystalNetwork


def test_a_prediction_is_the_mean_of_weighted_sums_of_logarithms(
    blend_folder: Path, real_structures: list[Structure]
) -> None:
    crystals = real_structures[:6]
    model = zoo.load(blend_folder, device="cpu")
    width = outline(model.config.architecture.transferred).vector_size
    frozen = _experts(model, crystals)[:, width:]  # those of the second expert, which the kernel machine reads
    magpie = plugins.featurizer("magpie").featurize(crystals)
    values = []
    for member, network in zip(blend().members, model.networks, strict=True):
        logs = member.weight * np.log10(member.scaler.unscale(_outputs(network, crystals)))
        machine, trees = member.regressors
        logs += machine.weight * np.log10(machine.predict(np.concatenate([magpie, frozen], axis=1)))
        logs += trees.weight * np.log10(trees.predict(magpie))
        values.append(logs)
    table = model.predict(crystals)
    expected = np.clip(10 ** np.mean(values, axis=0), 1.0, 500.0)
    np.testing.assert_allclose(table.prediction, expected, rtol=1e-5)
    np.testing.assert_allclose(table.spread, np.std(10 ** np.array(values), axis=0, ddof=1), rtol=1e-4, atol=1e-8)


def _packed(crystals: list[Structure]) -> PackedGraphs:
    return PackedGraphs.pack([build_graph(Crystal.from_structure(each), GraphSettings()) for each in crystals])


def _outputs(network: CrystalNetwork, crystals: list[Structure]) -> np.ndarray:
    return predict_scaled(network, _packed(crystals), np.arange(len(crystals)))


def _experts(model: zoo.Model, crystals: list[Structure]) -> np.ndarray:
    vectors = expert_vectors(model.network, _packed(crystals), np.arange(len(crystals)))
    assert vectors is not None
    return vectors.double().numpy()


def test_intervals_contain_the_prediction_and_stay_in_the_valid_range(
    blend_folder: Path, real_structures: list[Structure]
) -> None:
    table = zoo.load(blend_folder, device="cpu").predict(real_structures[:6], interval=0.9)
    assert (table.lower <= table.prediction).all()
    assert (table.prediction <= table.upper).all()
    assert table.lower.min() >= 1.0
    assert table.upper.max() <= 500.0


def test_intervals_are_scaled_by_the_disagreement_of_the_members(
    tmp_path: Path, real_structures: list[Structure]
) -> None:
    for name, difficulty in (("plain", Difficulty()), ("scaled", Difficulty(0.25, 3.0))):
        (tmp_path / name).mkdir()
        networks.save(blend(difficulty=difficulty), tmp_path / name)
    plain, scaled = (
        zoo.load(tmp_path / name, device="cpu").predict(real_structures[:6], interval=0.9)
        for name in ("plain", "scaled")
    )
    np.testing.assert_array_equal(plain.prediction, scaled.prediction)
    half = 0.19  # ⌈41 × 0.9⌉ = 37th of 40 residuals: twice 0.01, 0.02, … 0.2
    inside = (plain.lower > 1.0) & (plain.upper < 500.0)
    assert inside.any()
    np.testing.assert_allclose(np.log10(plain.upper / plain.prediction)[inside], half, rtol=1e-3)
    np.testing.assert_allclose(np.log10(plain.prediction / plain.lower)[inside], half, rtol=1e-3)
    width = np.log10(scaled.upper / scaled.prediction)
    assert np.ptp(width[inside]) > 1e-3
    assert (width[inside] > 0.25 * half).all()
