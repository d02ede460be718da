"""A network written as CONTRIBUTING.md says, in the commands that take a backbone."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner
from support.tinyrecipe import EXAMPLE, RECIPE, write
from zoo.cli import main

from zoo._utils import workers
from zoo.models.checkpoint import weights
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.hubmachine import Machine

ROOT = Path(__file__).parents[2]
SIZES = '[network]\nnetwork = "schnet"\nfeatures = 8\ninteractions = 1\nhead = 8\nhead_layers = 1\n\n'


def zoo(*arguments: object, code: int = 0) -> str:
    plugins.remove_files()  # each command is a process of its own
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with schnet.py, a table, and the run of a pretraining."""
    folder = tmp_path_factory.mktemp("schnet")
    (code,) = re.findall(r"```python\n(# schnet\.py\n.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
    (folder / "schnet.py").write_text(code, encoding="utf-8")
    pd.read_csv(EXAMPLE, comment="#").iloc[:40].to_csv(folder / "k.csv", index=False)
    recipe = write(folder, RECIPE[: RECIPE.index("[network]")] + SIZES + RECIPE[RECIPE.index("[graph]") :])
    zoo("pretrain", recipe, "--plugin", folder / "schnet.py", "--data", EXAMPLE, "--out", folder / "net", "-q")
    yield folder
    plugins.remove_files()


@pytest.fixture
def with_plugin(work: Path) -> Callable[..., str]:
    return lambda *arguments, **options: zoo(*arguments, "--plugin", work / "schnet.py", **options)


def test_it_is_checked_and_listed(with_plugin: Callable[..., str]) -> None:
    listed = with_plugin("plugins", "list", "--check")
    assert re.search(r"network +schnet +schnet\.py +[0-9a-f]{12} +ok", listed)
    assert re.search(r"network +cgcnn +crystal-zoo +0\.1\.0 +ok", listed)


def test_a_broken_one_is_named_with_the_rule(work: Path, tmp_path: Path) -> None:
    text = (work / "schnet.py").read_text("utf-8").replace("make_filter(gaussians) * count", "make_filter(gaussians)")
    (tmp_path / "schnet.py").write_text(text, encoding="utf-8")
    listed = zoo("plugins", "list", "--check", "--plugin", tmp_path / "schnet.py", "--json", code=1)
    assert "weight sums over atoms by 'copies' and sums over neighbours by 'count'" in listed


def test_a_broken_one_is_not_trained(work: Path, tmp_path: Path) -> None:
    text = (work / "schnet.py").read_text("utf-8").replace("make_filter(gaussians) * count", "make_filter(gaussians)")
    (tmp_path / "schnet.py").write_text(text, encoding="utf-8")
    (tmp_path / "never_read.csv").write_text("\n")
    given = ("--plugin", tmp_path / "schnet.py", "--data", tmp_path / "never_read.csv", "--out", tmp_path / "net")
    said = " ".join(zoo("pretrain", work / "tiny.toml", *given, code=2).split())
    assert "weight sums over atoms by 'copies' and sums over neighbours by 'count'; it was not trained" in said
    assert {each.name for each in tmp_path.iterdir()} == {"schnet.py", "never_read.csv"}


def test_two_of_one_name_are_an_error_that_names_both(work: Path, tmp_path: Path) -> None:
    shutil.copy(work / "schnet.py", tmp_path / "other.py")
    both = ("--plugin", work / "schnet.py", "--plugin", tmp_path / "other.py")
    listed = json.loads(zoo("plugins", "list", "--check", "--json", *both, code=1))
    found = [each["status"] for each in listed if each["name"] == "schnet"]
    assert len(found) == 2
    assert all("two networks of one name" in each and "schnet.py" in each and "other.py" in each for each in found)
    assert {each["status"] for each in listed if each["name"] == "cgcnn"} == {"ok"}


def test_it_is_a_member_of_the_default_blend_fitted_in_other_processes(
    work: Path, with_plugin: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 2)
    options = ("--task", "bulk-modulus", "--epochs", 1, "--out", tmp_path / "run")
    said = with_plugin("finetune", work / "k.csv", "--backbone", work / "net", *options)
    assert "left out" not in said
    (seed,) = json.loads((tmp_path / "run" / "metrics.json").read_text())["blend"]["per_seed"]
    assert "net fine-tuned" in seed["out_of_fold_mae"]


@pytest.mark.parametrize("mode", ["full", "head", "layerwise", "mixture"])
def test_fine_tuning(work: Path, with_plugin: Callable[..., str], mode: str, tmp_path: Path) -> None:
    options = ("--task", "bulk-modulus", "--mode", mode, "--epochs", 1, "-q")
    with_plugin("finetune", work / "k.csv", "--backbone", work / "net", *options, "--out", tmp_path / "run")
    size = weights.read_config(tmp_path / "run").architecture
    assert size.network == "schnet"
    file = work / "schnet.py"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert size.package == f"schnet.py {digest[:12]}"
    assert (
        'zoo.registry.add_file("schnet.py")\nmodel = zoo.load("path/to/run")'
        in (tmp_path / "run/README.md").read_text()
    )
    versions = json.loads((tmp_path / "run" / "metrics.json").read_text())["versions"]
    assert versions["schnet.py"] == f"SHA-256 {digest}"
    networks = [each.network for each in size.expert_bodies]
    assert set(networks) == ({"cgcnn", "gatedgcn"} if mode == "mixture" else set())
    assert bool(networks) == (mode == "mixture")
    predicted = with_plugin("predict", tmp_path / "run", work / "k.csv", "--out", tmp_path / "p.csv")
    assert "40" in predicted
    assert pd.read_csv(tmp_path / "p.csv", comment="#").prediction.notna().all()


def test_it_is_shown_and_pretrained_further(work: Path, with_plugin: Callable[..., str], tmp_path: Path) -> None:
    assert "schnet" in zoo("show", work / "net")  # a card is read without its network
    text = (work / "tiny.toml").read_text().replace("seed = 3", f'seed = 4\nstart = ["{work / "net"}"]')
    recipe = write(tmp_path, text)
    with_plugin("pretrain", recipe, "--data", EXAMPLE, "--out", tmp_path / "on", "-q")
    assert weights.read_config(tmp_path / "on").provenance["start"][0]["name"] == "net"


def test_a_study_with_its_backbone(work: Path, with_plugin: Callable[..., str], tmp_path: Path) -> None:
    sizes = ("--sizes", "12", "--seeds", 2, "--epochs", 1, "--modes", "full", "--baselines", "mean", "--workers", 2)
    out = tmp_path / "study"
    with_plugin("study", work / "k.csv", "--task", "bulk-modulus", "--backbones", work / "net", *sizes, "--out", out)
    results = pd.read_parquet(out / "results.parquet")
    methods = {method.rpartition("/")[2] for method in results.method}
    assert methods == {"net", "mean", "from scratch"}
    assert results.mae.notna().all()


def test_it_is_pushed_and_pulled(
    work: Path, with_plugin: Callable[..., str], here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "model.safetensors" in with_plugin("push", work / "net", "ada/net", "--dry-run")
    assert "defined in schnet.py: name it with --plugin" in zoo("push", work / "net", "ada/net", "--dry-run", code=2)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with_plugin("push", work / "net", "ada/net")
    name = f"hf://ada/net@{here.server.repositories['ada/net'].commit}"
    assert "ada/net" in with_plugin("pull", name)
    for model, file in ((work / "net", "here.csv"), (name, "there.csv")):
        with_plugin("predict", model, work / "k.csv", "--out", tmp_path / file)
    assert (tmp_path / "here.csv").read_text() == (tmp_path / "there.csv").read_text()
    recipe = write(tmp_path, (work / "tiny.toml").read_text().replace("seed = 3", f'seed = 4\nstart = "{name}"'))
    for given in (("predict", name, work / "k.csv", "--out", tmp_path / "p.csv"), ("pretrain", recipe)):
        said = zoo(*given, code=2)
        assert "the network 'schnet' is defined in schnet.py: name it with --plugin FILE.py" in " ".join(said.split())


def test_a_space_cannot_have_a_network_of_a_single_file(
    work: Path, with_plugin: Callable[..., str], here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    said = with_plugin("push", work / "net", "ada/net", "--space", code=2)
    assert "the model needs schnet.py, which a Space does not have; put it into a package" in " ".join(said.split())
    assert not here.server.repositories
    assert list(tmp_path.iterdir()) == []


def test_another_file_than_that_of_the_training_is_told(
    work: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "schnet.py").write_text((work / "schnet.py").read_text("utf-8") + "# changed\n", encoding="utf-8")
    plugins.add_file(work / "schnet.py")
    recorded = weights.read_config(work / "net").architecture.package
    assert re.fullmatch(r"schnet\.py [0-9a-f]{12}", recorded)
    for file, told in ((work / "schnet.py", 0), (tmp_path / "schnet.py", 1)):
        given = ("--plugin", file, "--out", tmp_path / "p.csv")
        zoo("predict", work / "net", work / "k.csv", *given)
        assert caplog.text.count(f"was made with the network schnet of {recorded}; that of schnet.py ") == told


def test_a_card_on_the_hub_says_what_defines_the_network(
    with_plugin: Callable[..., str], work: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = with_plugin("push", work / "net", "ada/net", "--dry-run")
    assert "The network is defined in `schnet.py`, which is not in this repository." in said
    assert 'zoo.registry.add_file("schnet.py")\nmodel = zoo.load("hf://ada/net")' in said
    assert "schnet.py defines the network and is not sent; put it into a package" in caplog.text


def test_an_error_in_its_code_is_told_in_one_line(work: Path, tmp_path: Path) -> None:
    text = (work / "schnet.py").read_text("utf-8").replace("return batch.mean(atoms)", "return batch.mode(atoms)")
    (tmp_path / "schnet.py").write_text(text, encoding="utf-8")
    given = ("--plugin", tmp_path / "schnet.py", "--out", tmp_path / "p.csv")
    said = " ".join(zoo("predict", work / "net", work / "k.csv", *given, code=2).split())
    assert (
        "network 'schnet' raises AttributeError: 'GraphBatch' object has no attribute 'mode' (schnet.py, line" in said
    )


def test_without_the_plugin_the_file_is_named(work: Path, tmp_path: Path) -> None:
    shutil.copytree(work / "net", tmp_path / "net")
    said = zoo("predict", tmp_path / "net", work / "k.csv", "--out", tmp_path / "p.csv", code=2)
    assert "the network 'schnet' is defined in schnet.py: name it with --plugin FILE.py" in " ".join(said.split())


def test_a_recipe_that_starts_from_it_names_the_file(work: Path, tmp_path: Path) -> None:
    recipe = write(
        tmp_path, (work / "tiny.toml").read_text().replace("seed = 3", f'seed = 4\nstart = ["{work / "net"}"]')
    )
    said = zoo("pretrain", recipe, "--data", EXAMPLE, "--out", tmp_path / "on", code=2)
    assert "the network 'schnet' is defined in schnet.py: name it with --plugin FILE.py" in " ".join(said.split())
