"""Commands that show what there is, run as a user would type them, and their help and completion."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
import torch
from support.commandline import PLUGIN, refused, zoo
from zoo.cli import main

from zoo import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each test is a process of its own.
pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


# --- backbones ---


def test_list_shows_what_there_is() -> None:
    lines = zoo("list").stdout.splitlines()
    assert re.split(r"  +", lines[0]) == ["name", "target", "unit", "training rows", "test MAE", "size", "weights"]
    rows = {line.split()[0]: re.split(r"  +", line) for line in lines[2:]}
    assert lines[-1] == "dEf-113k: 91k DFT + 22k potential-labelled"
    del rows["dEf-113k:"]
    assert list(rows) == [
        "dEf-10k",
        "dEf-54k",
        "dEf-91k",
        "dEf-113k",
        "dEf-113k-mp",
        "dEf-NM",
        "Eg-NM",
        "multi-113k",
        "multi-113k-wide",
    ]
    ours = rows["dEf-10k"]
    assert ours[1:4] == ["formation_energy_per_atom", "eV/atom", "10,000"]
    assert re.fullmatch(r"0\.0\d+", ours[4])
    assert float(ours[4]) <= 0.075
    assert ours[5:] == ["0.44 MB", "bundled"]
    assert rows["dEf-113k"][3] == "105,676"
    assert rows["dEf-113k-mp"] == ["dEf-113k-mp", "formation_energy_per_atom", "eV/atom", "not published yet"]


def test_list_as_json_says_the_same() -> None:
    backbones = {each["name"]: each for each in json.loads(zoo("list", "--json").stdout)}
    ours = backbones["dEf-10k"]
    assert (ours["target"], ours["unit"], ours["weights"]) == ("formation_energy_per_atom", "eV/atom", "bundled")
    assert ours["training"]["rows"] == {"train": 10000, "val": 3727, "test": 3597}
    assert 0.02 < ours["test_mae"] <= 0.080
    assert ours["size"] == sum(file["size"] for file in ours["files"]) < 1_000_000
    assert backbones["dEf-113k-mp"]["weights"] == "not published yet"


@pytest.mark.parametrize("name", ["dEf-10k", "ΔEf-10k", "DEF-10K", "formation-energy-10k"])
def test_show_finds_a_backbone_by_any_of_its_names(name: str) -> None:
    printed = zoo("show", name).stdout
    first = dict(re.split(r"  +", line, maxsplit=1) for line in printed.split("\n\n")[0].splitlines())
    assert first["name"] == "dEf-10k"
    assert first["predicts"] == "formation_energy_per_atom (eV/atom)"
    assert first["elements"].startswith("H, Li, Be, B")
    assert first["rows"] == "10,000 training, 3,727 validation, 3,597 test"
    assert "SHA-256" in first["model.safetensors"]
    assert "# dEf-10k\n" in printed
    for sign in "{[":
        assert f"{sign}'" not in printed


def test_show_as_json_holds_the_prose() -> None:
    card = json.loads(zoo("show", "dEf-113k-mp", "--json").stdout)
    assert card["weights"] == "not published yet"
    assert card["card"].startswith("# dEf-113k-mp")


def test_show_suggests_the_nearest_name() -> None:
    assert refused("show", "dEf-11k") == (
        "Error: no backbone is called 'dEf-11k'; did you mean dEf-113k or dEf-91k or dEf-10k?"
    )


def test_pull_from_the_bundle() -> None:
    for source in ("bundled", "auto"):
        printed = zoo("pull", "δef-10k", "--source", source).stdout
        match = re.fullmatch(r"dEf-10k: from the bundle, verified, in (.*)\n", printed)
        assert match
        assert (Path(match[1]) / "model.safetensors").is_file()


def test_pull_of_a_folder_does_not_call_it_verified(backbone: Path) -> None:
    assert zoo("pull", backbone).stdout == f"tiny: a folder of this machine, in {backbone}\n"


def test_pull_says_plainly_what_is_not_there() -> None:
    message = "registered, but its weights are not published yet; there is: dEf-10k, dEf-54k"
    assert message in refused("pull", "dEf-113k-mp")
    assert message in refused("pull", "dEf-113k-mp", "--source", "hub")
    assert "not bundled" in refused("pull", "dEf-113k-mp", "--source", "bundled")
    assert "not on the Hub yet" in refused("pull", "dEf-10k", "--source", "hub")


# --- plugins, doctor, help ---


def test_plugins_are_listed_with_who_brought_them() -> None:
    listed = json.loads(zoo("plugins", "list", "--json").stdout)
    ours = {(each["kind"], each["name"]) for each in listed if each["distribution"] == "crystal-zoo"}
    tasks = [
        "formation-energy",
        "band-gap",
        "bulk-modulus",
        "shear-modulus",
        "dielectric",
        "refractive-index",
        "gw-gap",
    ]
    assert {("task", name) for name in tasks} < ours
    assert {("featurizer", name) for name in ("magpie", "magpie-structure", "embedding")} < ours
    assert {("baseline", name) for name in ("mean", "rf", "svr", "lasso", "pls")} < ours
    assert {each["version"] for each in listed if each["distribution"] == "crystal-zoo"} == {__version__}
    printed = zoo("plugins", "list").stdout
    for each in listed:
        assert re.search(rf"^{each['kind']} +{each['name']} +{each['distribution']} +", printed, re.MULTILINE)


def test_plugins_are_checked_when_asked(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(PLUGIN.replace('unit="GPa"', 'unit="GPa", zoo_api=99'))
    listed = json.loads(zoo("plugins", "list", "--check", "--json", "--plugin", broken, code=1).stdout)
    status = {(each["kind"], each["name"]): each["status"] for each in listed}
    assert "zoo_api 99" in status.pop(("task", "stiffness"))
    assert {status[key] for key in status if key != ("task", "stiffness")} == {"ok"}


def test_a_plugin_file_that_cannot_be_used_is_named_before_the_command_too(tmp_path: Path) -> None:
    assert "missing.py" in refused("--plugin", tmp_path / "missing.py", "list")


def test_doctor_finds_a_healthy_environment() -> None:
    checks = {each["name"]: each for each in json.loads(zoo("doctor", "--json").stdout)}
    assert all(check["ok"] is not False for check in checks.values())
    assert "graphbolt" in checks["dgl"]["detail"] or "complete" in checks["dgl"]["detail"]
    assert checks["torch"]["detail"].startswith(torch.__version__)
    assert re.search(r"^zoo +0\.\d+\.\d+, in ", zoo("doctor").stdout, re.MULTILINE)


def test_version() -> None:
    assert zoo("--version").stdout == f"zoo, version {__version__}\n"


def commands() -> Iterator[tuple[list[str], click.Command]]:
    """Walk the whole tree."""
    waiting: list[tuple[list[str], click.Command]] = [([], main)]
    while waiting:
        path, command = waiting.pop()
        yield path, command
        if isinstance(command, click.Group):
            waiting += [([*path, name], each) for name, each in command.commands.items()]


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*each, id=" ".join(each[0]) or "zoo") for each in commands()]
)
def test_every_command_and_option_has_help(path: list[str], command: click.Command) -> None:
    printed = zoo(*path, "--help").stdout
    assert command.help
    assert " ".join(command.help.split("\n\n")[0].split()) in " ".join(printed.split())
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts[0]} has no help"
            assert parameter.opts[-1] in printed
    assert zoo(*path, "-h").stdout == printed


# --- completion, as a shell asks for it ---


def complete(line: str) -> list[str]:
    words = line.split(" ")
    environment = {
        **os.environ,
        "_ZOO_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [sys.executable, "-c", "from zoo.cli import main; main(prog_name='zoo')"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return [answer.partition(",")[2] for answer in done.stdout.splitlines() if answer]


def test_names_are_completed() -> None:
    assert complete("zoo show dE") == ["dEf-10k", "dEf-54k", "dEf-91k", "dEf-113k", "dEf-113k-mp", "dEf-NM"]
    assert complete("zoo finetune --task di") == ["dielectric"]
    assert complete("zoo finetune --baseline ") == ["lasso", "mean", "pls", "rf", "ridge", "svr"]
    assert complete("zoo pul") == ["pull"]


def test_completion_is_silent_where_names_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "perhaps")
    assert complete("zoo finetune --task di") == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_completion_script_is_bash() -> None:
    command = [sys.executable, "-c", "from zoo.cli import main; main(prog_name='zoo')"]
    script = subprocess.run(
        command, env={**os.environ, "_ZOO_COMPLETE": "bash_source"}, capture_output=True, text=True, check=True
    ).stdout
    assert "_ZOO_COMPLETE=bash_complete" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
