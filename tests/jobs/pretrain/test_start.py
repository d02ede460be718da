"""Pretraining that begins with other backbones, on forty real bulk moduli."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file
from support.tinyrecipe import EXAMPLE, RECIPE, example, ids, write
from zoo.cli import main

from zoo._utils import resuming
from zoo.data.elements import table_digest
from zoo.errors import InputError, UnknownNameError
from zoo.hub.pull import pull, sha256
from zoo.jobs import lineage
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.run import pretrain
from zoo.jobs.pretrain.start import load, provenance
from zoo.models.checkpoint import weights
from zoo.registry import backbones

if TYPE_CHECKING:
    from zoo.jobs.pretrain.card import Report


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Report], Path]:
    folder = tmp_path_factory.mktemp("first")
    report = pretrain(
        read_recipe(write(folder / "recipe", RECIPE.replace("epochs = 2", "epochs = 40"))),
        [EXAMPLE],
        folder / "tiny",
        quiet=True,
    )
    return report, folder / "tiny"


def starting(*starts: Path | str, width: int = 8, **changes: str) -> str:
    text = RECIPE.replace("seed = 3", f"seed = 4\nstart = {json.dumps([str(start) for start in starts])}")
    text = text.replace("width = 8", f"width = {width}")
    for key, value in changes.items():
        (line,) = (line for line in text.splitlines() if line.startswith(f"{key} = "))
        text = text.replace(line, f"{key} = {value}")
    return text


def errors(reports: list[Report]) -> list[float]:
    return [report.errors["mae"] for report in reports]


@pytest.mark.parametrize("copies", [1, 2])
def test_it_begins_where_the_others_ended(first: tuple[list[Report], Path], tmp_path: Path, copies: int) -> None:
    """Trained at no rate worth mentioning, one of them, or two side by side, makes the errors that it made."""
    text = starting(*[first[1]] * copies, width=8 * copies, learning_rate="1e-12", epochs="1")
    text = text.replace("[fit]", "[fit]\naverage = 0.5\nweight_decay = 0.0")
    found = pretrain(read_recipe(write(tmp_path / "recipe", text)), [EXAMPLE], tmp_path / "out", quiet=True)
    # Its batch statistics move, as they do in any training.
    assert errors(found) == pytest.approx(errors(first[0]), rel=0.2)
    anew = pretrain(
        read_recipe(write(tmp_path / "anew", starting(learning_rate="1e-12", epochs="1"))),
        [EXAMPLE],
        tmp_path / "none",
        quiet=True,
    )
    assert errors(anew)[0] > 2 * errors(found)[0]
    digest = sha256(first[1] / weights.WEIGHTS_FILE)
    noted = weights.read_config(tmp_path / "out").provenance["start"]
    assert noted == [{"name": "tiny", "sha256": digest}] * copies
    assert f"starting from `tiny` (SHA-256 {digest[:12]}…)" in (tmp_path / "out" / "README.md").read_text()


def test_a_body_goes_on_with_another_pooling(first: tuple[list[Report], Path], tmp_path: Path) -> None:
    """The body is the same, the heads read longer vectors."""
    text = starting(first[1], learning_rate="1e-12", epochs="1").replace("[network]", '[network]\npooling = "all"')
    pretrain(read_recipe(write(tmp_path / "recipe", text)), [EXAMPLE], tmp_path / "out", quiet=True)
    ours, theirs = (load_file(folder / weights.WEIGHTS_FILE) for folder in (tmp_path / "out", first[1]))
    convolutions = [name for name in theirs if name.endswith("fc_full.weight")]
    for name in convolutions:
        assert ours[name] == pytest.approx(theirs[name], abs=1e-6)
    head = "members.0.conv_to_fc.weight"
    assert ours[head].shape[1] == (1 + len(convolutions)) * theirs[head].shape[1]


def test_rows_that_a_start_was_trained_on_judge_nothing(tmp_path: Path) -> None:
    known = backbones.training_ids(backbones.get("dEf-91k"))
    judges = [*ids()["validation"], *ids()["test"]]
    shared = sum(name in known for name in judges)
    assert 0 < shared < len(judges)
    path = write(tmp_path, starting("dEf-91k", width=64, convolutions="4", head="128"))
    message = f"{shared} of the 12 validation and test rows are crystals that dEf-91k was trained on, from which it"
    with pytest.raises(InputError, match=message):
        pretrain(read_recipe(path), [EXAMPLE], tmp_path / "out", quiet=True)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == []


def test_a_start_that_lists_no_crystals_is_told(
    backbone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = starting(backbone, epochs="1")
    with caplog.at_level(logging.WARNING, logger="zoo"):
        pretrain(read_recipe(write(tmp_path, text)), [EXAMPLE], tmp_path / "out", quiet=True)
    assert "no complete list of the training crystals of tiny exists" in caplog.text
    assert lineage.training_ids(pull(str(tmp_path / "out"))) is None  # nor of what began with it


@pytest.mark.parametrize(
    ("starts", "changes", "message"),
    [
        (["dEf-10k"], {}, "network.head is 8, and 128 in dEf-10k, from which it starts; the shapes must be the"),
        (["dEf-10k"], {"convolutions": "4", "head": "128"}, "network.width is 8, and 64 in dEf-10k, from which"),
        (
            ["dEf-10k"] * 2,
            {"convolutions": "4", "head": "128"},
            "network.width is 8, and 128 in dEf-10k and dEf-10k side",
        ),
        (
            ["dEf-10k"],
            {"convolutions": "4", "head": "128", "width": "64", "cutoff": "7.0"},
            "graph: not as in dEf-10k, from which it starts",
        ),
    ],
)
def test_what_does_not_fit_is_named_before_anything_is_read(
    starts: list[str], changes: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, starting(*starts, **changes))
    done = CliRunner().invoke(main, ["pretrain", str(path), "--data", "none.csv", "--out", str(tmp_path / "o"), "-q"])
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean dEf-10k"):
        pretrain(read_recipe(write(tmp_path, starting("dEf-10"))), [EXAMPLE], tmp_path / "out", quiet=True)


# --- what it and its ancestors were trained on ---

WIDE = {"convolutions": "4", "head": "128", "epochs": "1"}
"""As the networks of the shelf are."""


def known_rows(name: str) -> list[str]:
    known = backbones.training_ids(backbones.get(name))
    return [each for each in example().material_id if each in known]


def parts(judges: list[str]) -> dict[str, list[str]]:
    """Judge by some crystals, train on others."""
    others = [each for each in example().material_id if each not in judges]
    return {"train": others[:12], "validation": judges[:3], "test": judges[3:6]}


def copied(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(pull(name).directory, folder))


def test_two_starts_of_one_name_are_both_remembered(tmp_path: Path) -> None:
    starts = [copied("dEf-91k", tmp_path / "a" / "net"), copied("dEf-10k", tmp_path / "b" / "net")]
    strangers = parts([each for each in example().material_id if each not in set(known_rows("dEf-91k"))])
    path = write(tmp_path / "recipe", starting(*starts, width=128, **WIDE), strangers)
    pretrain(read_recipe(path), [EXAMPLE], tmp_path / "joined", quiet=True)
    seen = lineage.training_ids(pull(str(tmp_path / "joined")))
    assert seen is not None
    assert set(known_rows("dEf-91k")) <= seen
    # And through another generation, which names the first by its digest alone.
    path = write(tmp_path / "next", starting(tmp_path / "joined", width=128, **WIDE), strangers)
    pretrain(read_recipe(path), [EXAMPLE], tmp_path / "grandchild", quiet=True)
    path = write(tmp_path / "last", starting(tmp_path / "grandchild", width=128, **WIDE), parts(known_rows("dEf-91k")))
    with pytest.raises(InputError, match="6 of the 6 validation and test rows are crystals that grandchild was"):
        pretrain(read_recipe(path), [EXAMPLE], tmp_path / "out", quiet=True)


def test_a_start_that_changed_is_not_gone_on_from(first: tuple[list[Report], Path], tmp_path: Path) -> None:
    start = Path(shutil.copytree(first[1], tmp_path / "start"))
    recipe = read_recipe(write(tmp_path, starting("start", epochs="1")))  # a folder beside the recipe
    sources = load(recipe)
    assert [source.name for source in sources] == ["start"]
    (tmp_path / "out.partial").mkdir()
    resuming.check_settings(tmp_path / "out.partial" / "begun.json", {"start": provenance(sources)["start"]})
    tensors = load_file(start / weights.WEIGHTS_FILE)
    save_file(
        {name: tensor + 1 if tensor.ndim == 1 else tensor for name, tensor in tensors.items()},
        start / weights.WEIGHTS_FILE,
    )
    with pytest.raises(InputError, match=r"was started with other settings \(.*start"):
        pretrain(recipe, [EXAMPLE], tmp_path / "out", resume=True, quiet=True)


def test_a_start_with_other_features_of_elements_is_refused(first: tuple[list[Report], Path], tmp_path: Path) -> None:
    start = Path(shutil.copytree(first[1], tmp_path / "other"))
    tensors = load_file(start / weights.WEIGHTS_FILE)
    tensors["atom_table"] = tensors["atom_table"][:20].copy()
    save_file(tensors, start / weights.WEIGHTS_FILE)
    config = json.loads((start / weights.CONFIG_FILE).read_text())
    config["element_table"] = table_digest(tensors["atom_table"])
    (start / weights.CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(InputError, match="start: other reads other features of elements than zoo's"):
        pretrain(read_recipe(write(tmp_path, starting(start))), [EXAMPLE], tmp_path / "out", quiet=True)


def test_of_a_mixture_the_body_that_was_trained_counts(tmp_path: Path) -> None:
    """A run of `zoo finetune` by default: its own head reads all layers, and frozen experts stand beside it."""
    data = tmp_path / "k.csv"
    example().iloc[:40].to_csv(data, index=False)
    finetune(
        Options("bulk-modulus", data, mode="mixture", backbone="dEf-10k", epochs=1, compare_scratch=False),
        tmp_path / "run",
        quiet=True,
    )
    assert len(weights.read_config(tmp_path / "run").architecture.expert_bodies) > 1
    text = starting("run", width=64, **WIDE).replace("gaussians = 41", 'gaussians = 41\npooling = "all"')
    strangers = parts([each for each in example().material_id[40:] if each not in set(known_rows("dEf-113k"))])
    pretrain(read_recipe(write(tmp_path, text, strangers)), [EXAMPLE], tmp_path / "out", quiet=True)
    config = weights.read_config(tmp_path / "out")
    assert config.architecture.experts == 0
    assert len(config.provenance["ancestors"]) > 1  # the backbone and the experts of the run
    assert set(known_rows("dEf-10k")) <= lineage.listed_ids(lineage.lineage(pull(str(tmp_path / "out"))))


def test_a_backbone_has_no_experts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"network\.experts: a backbone has none"):
        read_recipe(write(tmp_path, RECIPE.replace("gaussians = 41", "gaussians = 41\nexperts = 2")))
