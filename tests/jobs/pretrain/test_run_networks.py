"""A registered network that is not zoo's own is trained, saved and loaded as any."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.tinyrecipe import EXAMPLE, RECIPE, example, ids, write

import zoo
from zoo._utils import compiled
from zoo.errors import CheckpointError, InputError
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.run import pretrain
from zoo.models.checkpoint import weights
from zoo.registry import plugins
from zoo.registry.cards import Card

if TYPE_CHECKING:
    from pathlib import Path

    from pymatgen.core import Structure

    from zoo.training.settings import Mode

SCHNET = '[network]\nnetwork = "schnet"\nfeatures = 8\ninteractions = 1\ngaussians = 9\nhead = 8\nhead_layers = 1\n\n'
TEXT = RECIPE[: RECIPE.index("[network]")] + SCHNET + RECIPE[RECIPE.index("[graph]") :]


def test_a_network_of_a_plugin(schnet: Path, tmp_path: Path, real_structures: list[Structure]) -> None:
    out = tmp_path / "out"
    reports = pretrain(read_recipe(write(tmp_path / "recipe", TEXT)), [EXAMPLE], out, quiet=True)
    assert all(np.isfinite(report.errors["mae"]) for report in reports)
    config = json.loads((out / "config.json").read_text())
    assert config["architecture"] == {
        "network": "schnet",
        "package": f"schnet.py {hashlib.sha256(schnet.read_bytes()).hexdigest()[:12]}",
        "features": 8,
        "interactions": 1,
        "gaussians": 9,
        "cutoff": 8.0,
        "head": 8,
        "head_layers": 1,
        "targets": 1,
        "experts": 0,
    }
    assert "element_table" not in config
    sizes = Card.read(out / "README.md").architecture
    assert sizes is not None
    assert sizes.model_dump() == config["architecture"]
    model = zoo.load(out, device="cpu")
    table = model.predict(real_structures[:4])
    assert np.isfinite(table.prediction).all()
    assert model.embed(real_structures[:4]).shape == (4, 8)
    with pytest.raises(InputError, match=re.escape("pooling 'last': the network schnet has all")):
        model.embed(real_structures[:4], pooling="last")

    plugins.remove_files()
    with pytest.raises(
        CheckpointError, match=re.escape("defined in schnet.py: name it with zoo.registry.add_file('FILE.py')")
    ):
        zoo.load(out)
    config["architecture"]["package"] = "zoo-plugin-schnet 1.0"
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=re.escape("zoo-plugin-schnet 1.0; pip install zoo-plugin-schnet")):
        zoo.load(out)
    config["architecture"]["features"] = 10**6
    (out / "config.json").write_text(json.dumps(config))
    plugins.add_file(schnet)
    with pytest.raises(CheckpointError, match=re.escape("architecture.features: must be at most")):
        zoo.load(out)


@pytest.mark.usefixtures("schnet")
def test_a_recipe_that_names_no_network_means_zoo_s_own_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"features is not a setting of cgcnn, .*: cgcnn, gatedgcn, schnet"):
        read_recipe(write(tmp_path / "recipe", TEXT.replace('network = "schnet"\n', "")))


@pytest.mark.usefixtures("schnet")
def test_sizes_that_are_no_network_s_are_named_in_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape("network.width: there is no such key")):
        read_recipe(write(tmp_path / "recipe", TEXT.replace("features = 8", "width = 8")))


@pytest.mark.usefixtures("schnet")
def test_weights_in_half_precision_take_half_the_space_and_predict_as_measured(tmp_path: Path) -> None:
    text = TEXT.replace("seed = 3", 'seed = 3\nweights = "float16"').replace("features = 8", "features = 64")
    half, whole = tmp_path / "half", tmp_path / "whole"
    reports = pretrain(read_recipe(write(tmp_path / "recipe", text)), [EXAMPLE], half, quiet=True)
    pretrain(read_recipe(write(tmp_path / "other", text.replace("float16", "float32"))), [EXAMPLE], whole, quiet=True)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (half, whole)]
    assert 0.45 < sizes[0] / sizes[1] < 0.6
    rows = example().set_index("material_id").loc[ids()["test"]]
    found = zoo.load(half, device="cpu").predict([str(each) for each in rows.structure])
    error = float(np.abs(found.prediction.to_numpy() - rows.K_VRH.to_numpy()).mean())
    (test,) = (report for report in reports if report.part == "test")
    assert error == pytest.approx(test.errors["mae"], rel=1e-5)
    config = json.loads((half / "config.json").read_text())
    del config["weights"]
    (half / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"is F16 .*, expected F32"):
        zoo.load(half)


@pytest.mark.parametrize("mode", ["full", "head", "layerwise", "mixture"])
def test_a_cgcnn_with_largest_and_smallest_values(mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its vectors stay so in fine-tuning; predictions without torch are those of torch."""
    text = RECIPE.replace("width = 8", 'width = 64\npooling = "mean-max-min"').replace("convolutions = 2", "")
    pretrain(read_recipe(write(tmp_path, text)), [EXAMPLE], tmp_path / "rich", quiet=True)
    crystals = [str(each) for each in example().structure[:6]]
    vectors = zoo.load(tmp_path / "rich", device="cpu").embed(crystals)
    assert vectors.shape == (6, 3 * 5 * 64)
    means, largest, smallest = np.split(vectors, 3, axis=1)
    assert (smallest <= means + 1e-6).all()
    assert (means <= largest + 1e-6).all()
    assert (smallest + 1e-3 < largest).any()
    example()[:40].to_csv(tmp_path / "k.csv", index=False)
    options = Options("bulk-modulus", tmp_path / "k.csv", backbone=str(tmp_path / "rich"), mode=mode, epochs=1, seeds=1)
    finetune(options, tmp_path / "run", quiet=True)
    size = weights.read_config(tmp_path / "run").architecture
    assert size.settings.pooling == "mean-max-min"
    assert bool(size.expert_bodies) == (mode == "mixture")
    without_torch = zoo.load(tmp_path / "run", device="cpu").predict(crystals)
    for part in compiled.PARTS:
        monkeypatch.setattr(compiled, part, None)
    by_torch = zoo.load(tmp_path / "run", device="cpu").predict(crystals)
    assert by_torch.prediction.to_numpy() == pytest.approx(without_torch.prediction.to_numpy(), rel=1e-4)
