"""The featurizers of a blend are found by name and have its columns; a fault concerns one crystal alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.smallblend import blend
from zoo.plugins.featurizers import Magpie

import zoo
from zoo.data.crystal import Crystal
from zoo.data.graphs.memory import CrystalMemory
from zoo.errors import CheckpointError, InputError, PluginError
from zoo.jobs.predict.features import Featurizers, stacked
from zoo.testing import sample_crystals as samples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pymatgen.core import Structure


def test_vectors_are_those_of_the_featurizer() -> None:
    crystals = [Crystal.from_structure(each) for each in samples.crystals().values()]
    config = blend().config.blend
    assert config is not None
    matrices = stacked(Featurizers("net", config).vectors(crystals))
    assert list(matrices) == ["magpie"]
    np.testing.assert_array_equal(matrices["magpie"], Magpie().featurize_crystals(crystals))
    labels = Magpie().labels
    salt = matrices["magpie"][list(samples.crystals()).index("NaCl")]
    assert salt[labels.index("MagpieData minimum Number")] == 11
    assert salt[labels.index("MagpieData maximum Number")] == 17


def test_too_few_columns_are_the_fault_of_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    config = blend().config.blend
    assert config is not None
    featurizers = Featurizers("net", config)
    monkeypatch.setattr(Magpie, "featurize_crystals", lambda _self, crystals: np.zeros((len(crystals), 7)))
    salt = Crystal.from_structure(samples.crystals()["NaCl"])
    with pytest.raises(PluginError, match=r"'magpie' returned an array of shape \(1, 7\), not 132 columns"):
        featurizers.vectors([salt])


def test_a_featurizer_with_other_labels_is_refused_in_one_line(
    blend_folder: Path, real_structures: list[Structure]
) -> None:
    path = blend_folder / "config.json"
    config = json.loads(path.read_text())
    config["blend"]["featurizers"][0]["labels_sha256"] = "0" * 64
    path.write_text(json.dumps(config))
    model = zoo.load(blend_folder)
    assert model.embed(real_structures[:2]).shape[0] == 2  # needs no featurizer
    with pytest.raises(CheckpointError, match="trained on other columns of the featurizer 'magpie'"):
        model.predict(real_structures[:2])


def test_a_featurizer_that_is_not_installed_is_named(blend_folder: Path, real_structures: list[Structure]) -> None:
    path = blend_folder / "config.json"
    text = path.read_text().replace('"magpie"', '"none-such"')
    path.write_text(text)
    with pytest.raises(CheckpointError, match="the featurizer 'none-such', which is not installed"):
        zoo.load(blend_folder).predict(real_structures[:2])


def test_a_crystal_that_a_featurizer_does_not_take_is_rejected_alone(
    blend_folder: Path, real_structures: list[Structure], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Magpie.featurize_crystals
    odd = len(real_structures[1])

    def picky(self: Magpie, crystals: Sequence[Crystal]) -> NDArray[np.float64]:
        if any(len(each) == odd for each in crystals):
            raise ValueError("too odd")
        return plain(self, crystals)

    monkeypatch.setattr(Magpie, "featurize_crystals", picky)
    crystals = [Crystal.from_structure(each) for each in real_structures[:3]]
    for memory in (None, CrystalMemory()):
        done = zoo.load(blend_folder).predict_each(crystals, memory=memory)
        rejected = [each for each in done if isinstance(each, InputError)]
        assert [isinstance(each, InputError) for each in done] == [len(each) == odd for each in crystals]
        assert "featurizer 'magpie' failed: ValueError: too odd" in str(rejected[0])
