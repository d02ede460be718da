"""Models on the Hub, by what their cards say."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from click.testing import CliRunner
from support.hubmachine import FILES, make_card
from zoo.cli import main

from zoo.hub.search import search

if TYPE_CHECKING:
    from support.hubmachine import Machine

RESULTS = (
    "  results: [{metric: mae, value: 1.25, unit: GPa, rows: 9 test rows, n: 9},"
    " {metric: r2, value: 0.9, unit: '', rows: 9 test rows, n: 9}]\n---\n"
)


def fill(machine: Machine) -> None:
    card = make_card().replace("license: mit\n", "license: mit\nlibrary_name: crystal-zoo\nbase_model: a/b\n")
    machine.server.put("ada/hard", {**FILES, "README.md": card.replace("---\n\nProse", f"{RESULTS}\nProse").encode()})
    machine.server.put("eve/odd", {"README.md": b"---\nlibrary_name: crystal-zoo\nzoo: [1, 2]\nbase_model: 7\n---\n"})
    machine.server.put("eve/evil", {"README.md": b'---\nlibrary_name: crystal-zoo\nzoo: {target: "a\\e[31mb"}\n---\n'})
    machine.server.put("bob/other", {"README.md": b"---\nlibrary_name: timm\n---\n"})
    machine.server.put("bob/none", {"model.safetensors": b"x"})


def test_models_of_our_library_with_what_they_predict(here: Machine) -> None:
    fill(here)
    found = {each.repo: each for each in search()}
    assert set(found) == {"ada/hard", "eve/odd", "eve/evil"}
    hard = found["ada/hard"]
    assert (hard.target, hard.unit, hard.base_model) == ("H_V", "GPa", "a/b")
    assert hard.metrics == {"mae": 1.25, "r2": 0.9}
    assert hard.commit == here.server.repositories["ada/hard"].commit
    assert (found["eve/odd"].target, found["eve/odd"].base_model) == ("", "")
    assert found["eve/evil"].target == "a[31mb", "no control characters reach the terminal"
    assert [each.repo for each in search("h_v HARD")] == ["ada/hard"]
    assert search("nothing like it") == []


def test_the_command(here: Machine) -> None:
    fill(here)
    shown = CliRunner().invoke(main, ["search", "ada"])
    assert shown.exit_code == 0, shown.output
    assert "hf://ada/hard" in shown.output
    assert "mae 1.25, r2 0.9" in shown.output
    listed = json.loads(CliRunner().invoke(main, ["search", "--json", "ada"]).output)
    assert listed[0]["reference"] == "hf://ada/hard"
    assert listed[0]["metrics"] == {"mae": 1.25, "r2": 0.9}
    nothing = CliRunner().invoke(main, ["search", "xyz"])
    assert nothing.exit_code == 0
    assert "no model found" in nothing.output


def test_without_a_network_one_line_and_no_warnings(machine: Machine) -> None:
    command = [sys.executable, "-m", "zoo", "search"]
    env = machine.environment(HF_ENDPOINT="https://hub.invalid")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: https://hub.invalid cannot be reached")
    assert done.stderr.count("\n") == 1, "the client's five attempts are not told"
