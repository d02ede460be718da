"""Prediction with a blend: the weighted sum in the transformed space, and featurizers that must be the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.smallblend import blend

import zoo
from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import GraphSettings, build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.tables.records import Record, Rejection
from zoo.errors import CheckpointError
from zoo.jobs.predict.model import load
from zoo.models.checkpoint import networks
from zoo.models.inference import expert_vectors, predict_scaled
from zoo.registry import plugins

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core import Structure

    from zoo.models.cgcnn import CGCNN


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "blend").mkdir()
    networks.save(blend(), tmp_path / "blend")
    return tmp_path / "blend"


def test_a_prediction_is_the_mean_of_weighted_sums_of_logarithms(
    folder: Path, real_structures: list[Structure]
) -> None:
    crystals = real_structures[:6]
    model = zoo.load(folder, device="cpu")
    width = model.config.architecture.sizes.pooled_by("all")
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


def _outputs(network: CGCNN, crystals: list[Structure]) -> np.ndarray:
    return predict_scaled(network, _packed(crystals), np.arange(len(crystals)))


def _experts(model: zoo.Model, crystals: list[Structure]) -> np.ndarray:
    vectors = expert_vectors(model.network, _packed(crystals), np.arange(len(crystals)))
    assert vectors is not None
    return vectors.double().numpy()


def test_intervals_contain_the_prediction_and_stay_in_the_valid_range(
    folder: Path, real_structures: list[Structure]
) -> None:
    table = zoo.load(folder, device="cpu").predict(real_structures[:6], interval=0.9)
    assert (table.lower <= table.prediction).all()
    assert (table.prediction <= table.upper).all()
    assert table.lower.min() >= 1.0
    assert table.upper.max() <= 500.0


def test_a_featurizer_with_other_labels_is_refused_in_one_line(folder: Path, real_structures: list[Structure]) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["blend"]["featurizers"][0]["labels_sha256"] = "0" * 64
    path.write_text(json.dumps(config))
    model = zoo.load(folder)
    assert model.embed(real_structures[:2]).shape[0] == 2  # needs no featurizer
    with pytest.raises(CheckpointError, match="trained on other columns of the featurizer 'magpie'"):
        model.predict(real_structures[:2])


def test_a_featurizer_that_is_not_installed_is_named(folder: Path, real_structures: list[Structure]) -> None:
    path = folder / "config.json"
    text = path.read_text().replace('"magpie"', '"none-such"')
    path.write_text(text)
    with pytest.raises(CheckpointError, match="the featurizer 'none-such', which is not installed"):
        zoo.load(folder).predict(real_structures[:2])


def test_a_crystal_that_a_featurizer_does_not_take_is_rejected_alone(
    folder: Path, real_structures: list[Structure], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.plugins.featurizers import Magpie

    plain = Magpie.featurize

    def picky(self: Magpie, structures: list[Structure]) -> np.ndarray:
        if any(len(each) == len(real_structures[1]) for each in structures):
            raise ValueError("too odd")
        return plain(self, structures)

    monkeypatch.setattr(Magpie, "featurize", picky)
    monkeypatch.delattr(Magpie, "featurize_crystals", raising=False)
    records = [Record(str(i), Crystal.from_structure(each), None, i, "t") for i, each in enumerate(real_structures[:3])]
    done = list(load(folder).predict_records(records))
    rejected = [each for each in done if isinstance(each, Rejection)]
    assert [each.id for each in rejected] == [
        str(i) for i in range(3) if len(real_structures[i]) == len(real_structures[1])
    ]
    assert "featurizer 'magpie' failed: ValueError: too odd" in str(rejected[0])
