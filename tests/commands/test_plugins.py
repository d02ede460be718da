"""``zoo plugins``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from support.commandline import PLUGIN, zoo

from zoo import __version__

if TYPE_CHECKING:
    from pathlib import Path

# Each test is a process of its own.
pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


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
