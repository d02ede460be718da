"""What is found wrong with plugins, with and without loading them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cards import card

from zoo.registry import plugins
from zoo.registry.plugin_checks import problems, status

Install = Callable[..., Path]
HARDNESS = """
from zoo import Task
hardness = Task("hardness", target="H_V", unit="GPa", transform="log10", valid=(0.1, 150.0))
"""


def test_status_says_what_can_be_known_without_importing(install: Install) -> None:
    install("zoo-hard", {"tasks": {"hardness": "hard:hardness", "softness": "hard:softness"}}, {"hard": HARDNESS})
    install("zoo-gone", {"tasks": {"hardness": "gone.tasks:hardness"}})
    known = {p.qualified: status(p) for p in plugins.plugins("task")}
    assert known["crystal-zoo:dielectric"] == ""
    assert known["zoo-hard:softness"] == ""
    assert known["zoo-hard:hardness"] == "duplicate name: say zoo-hard:hardness"
    assert known["zoo-gone:hardness"].endswith("broken: no module named 'gone'; try: pip install --upgrade zoo-gone")
    assert "hard" not in sys.modules
    loaded = {p.qualified: status(p, load=True) for p in plugins.plugins("task")}
    assert loaded["crystal-zoo:dielectric"] == "ok"
    assert loaded["zoo-hard:hardness"] == known["zoo-hard:hardness"]
    assert loaded["zoo-hard:softness"].startswith("broken: task 'softness' of package zoo-hard 1.2 cannot be loaded")


def of(distribution: str) -> plugins.Plugin:
    (plugin,) = [each for each in plugins.plugins() if each.distribution == distribution]
    return plugin


def test_what_ships_is_sound() -> None:
    assert {plugin: found for plugin in plugins.plugins() if plugin.ours and (found := problems(plugin))} == {}


def test_a_missing_requirement_is_named_with_its_remedy(install: Install) -> None:
    wanted = ("numpy", "surely-not-installed>=2", "numpy>=99", "neither-this; extra == 'dev'")
    install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": HARDNESS}, requires=wanted)
    missing, old = problems(of("zoo-hard"))
    assert missing == (
        "task 'hardness' of package zoo-hard 1.2 needs surely-not-installed>=2, but it is not installed; "
        "try: pip install 'surely-not-installed>=2'"
    )
    assert "numpy>=99, but numpy " in old


@pytest.mark.parametrize(
    ("recommended", "said"),
    [("dEf-11k", "did you mean"), ("dEf-10k", None), ("hf://owner/repo", None), ("./runs/mine", None)],
)
def test_a_recommended_backbone_must_exist(install: Install, recommended: str, said: str | None) -> None:
    source = HARDNESS.replace("valid=", f"recommended_backbone={recommended!r}, valid=")
    install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": source})
    found = problems(of("zoo-hard"))
    assert (len(found) == 1 and said in found[0] and "recommends a backbone" in found[0]) if said else found == []


def test_a_featurizer_must_exist(install: Install) -> None:
    source = "from zoo import Baseline\nforest = Baseline('forest', build=print, featurizer='magpy')\n"
    install("zoo-forest", {"baselines": {"forest": "forest:forest"}}, {"forest": source})
    assert ["needs a featurizer" in each and "magpie" in each for each in problems(of("zoo-forest"))] == [True]


def test_a_recipe_that_is_missing_and_an_alias_that_is_taken(shelf: Callable[..., Path]) -> None:
    text = card("soft", aliases="[soft-10k, DEF-10k]").replace(
        "license: CC0", "license: CC0, recipe: recipes/soft.toml"
    )
    shelf("zoo-soft", {"soft.md": text})
    recipe, alias = problems(of("zoo-soft"))
    assert recipe.endswith("soft.md: training.recipe names recipes/soft.toml, which does not exist")
    assert alias.endswith("soft.md: aliases: 'DEF-10k' already means crystal-zoo:dEf-10k")
