"""``zoo list`` and ``zoo show``."""

from __future__ import annotations

import json
import re

import pytest
from support.commandline import refused, zoo

from zoo.commands.shelf import show_card
from zoo.registry import backbones

# Each test is a process of its own.
pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


def test_every_part_of_a_card_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    card = backbones.get("dEf-10k")
    show_card(card, "bundled")
    printed = capsys.readouterr().out
    for result in card.results:
        assert re.search(rf"^{result.metric} +{result.value:.4g} .*{result.rows} ", printed, re.MULTILINE)
    for file in card.files:
        assert printed.count(file.sha256) == 1
    assert printed.endswith(card.body + "\n")
    assert "None" not in printed.removesuffix(card.body + "\n")


def test_list_shows_what_there_is() -> None:
    lines = zoo("list").stdout.splitlines()
    assert re.split(r"  +", lines[0]) == ["name", "target", "unit", "training rows", "test MAE", "size", "weights"]
    rows = {line.split()[0]: re.split(r"  +", line) for line in lines[2:]}
    assert lines[-1] == "dEf-113k: 91k DFT + 22k potential-labelled"
    del rows["dEf-113k:"]
    assert list(rows) == list(backbones.named())  # their test has the names
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
