"""Files of a Space: they name the pushed commit, and start the server that this version has."""

from __future__ import annotations

import json
import re
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from support.commandline import refused, zoo
from zoo.cli import main

from zoo import __version__
from zoo.commands.web.space import space_files
from zoo.registry.plugins import Plugin

if TYPE_CHECKING:
    import pytest
    from support.hubmachine import Machine

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_" + "s3cr3t" * 5


def test_the_card_is_valid_for_any_title() -> None:
    for title in ("Moduli", 'A "quoted": title', "two\nlines", "# {braces}"):
        text = space_files("ada/moduli", COMMIT, title)["README.md"]
        front = yaml.safe_load(text.split("---\n")[1])
        assert front["title"] == " ".join(title.split())
        assert (front["sdk"], front["app_port"], front["models"]) == ("docker", 7860, ["ada/moduli"])
        assert COMMIT in text


def test_the_command_in_the_image_is_one_of_ours() -> None:
    text = space_files("ada/moduli", COMMIT, "Moduli")["Dockerfile"]
    assert f"crystal-zoo[web]=={__version__}" in text
    (torch,) = (each for each in map(Requirement, requires("crystal-zoo") or []) if each.name == "torch")
    (pinned,) = re.findall(r" torch==(\S+) --index-url https://download.pytorch.org/whl/cpu", text)
    assert torch.specifier.contains(pinned)
    found = re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert found is not None
    program, name, *arguments = json.loads(found[1])
    assert program == "zoo"
    context = main.commands[name].make_context(name, list(arguments), resilient_parsing=False)
    assert context.params["models"] == (f"hf://ada/moduli@{COMMIT}",)
    assert (context.params["host"], context.params["port"]) == ("0.0.0.0", 7860)
    assert isinstance(context.command, click.Command)


def test_packages_of_plugins_are_installed_in_the_image() -> None:
    plugins = [
        Plugin("network", "schnet", "zoo-plugin-schnet", "0.2.0", "schnet:schnet"),
        Plugin("featurizer", "packing", "zoo-plugin-schnet", "0.2.0", "schnet:packing"),
    ]
    text = space_files("ada/moduli", COMMIT, "Moduli", plugins)["Dockerfile"]
    assert f'--user "crystal-zoo[web]=={__version__}" "zoo-plugin-schnet==0.2.0"\n' in text


def test_a_dry_run_shows_them_and_writes_nothing(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = zoo("push", backbone, "ada/tiny", "--space", "--dry-run").stdout
    assert "--- tiny-space/README.md ---" in said
    assert '"hf://ada/tiny@COMMIT"' in said
    assert said.endswith("dry run: nothing was sent to ada/tiny\n")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    assert "there exists already" in refused("push", backbone, "ada/tiny", "--space", "there", "--dry-run")
    assert "--space" not in zoo("push", backbone, "ada/tiny", "--dry-run").stdout


def test_they_are_written_after_the_push(
    here: Machine, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    here.server.token = TOKEN
    result = CliRunner().invoke(main, ["push", str(backbone), "ada/tiny", "--space", "page"])
    assert result.exit_code == 0, result.output
    commit = here.server.repositories["ada/tiny"].commit
    assert sorted(each.name for each in Path("page").iterdir()) == ["Dockerfile", "README.md"]
    assert f'"hf://ada/tiny@{commit}"' in Path("page/Dockerfile").read_text(encoding="utf-8")
    assert "hf upload ada/tiny page --type space" in result.output
