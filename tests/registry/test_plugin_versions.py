"""The versions that a result with plugins depends on."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from zoo.registry import plugins
from zoo.registry.plugin_versions import installed, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = """
import json
import sklearn.linear_model
from zoo import Task

def later():
    from scipy import stats
    return stats

hardness = Task("hardness", target="H_V", unit="GPa")
"""


@pytest.fixture(autouse=True)
def no_files() -> Iterator[None]:
    yield
    plugins.remove_files()


def test_what_ships_with_zoo_adds_nothing() -> None:
    assert versions(plugin for plugin in plugins.plugins() if plugin.ours) == {}


def test_a_package_with_what_it_requires_and_imports(install: Callable[..., Path]) -> None:
    wanted = ("joblib>=1", "not-installed-at-all", "rich; extra == 'pretty'")
    install("zoo-hard", {"tasks": {"hardness": "hard:hardness"}}, {"hard": SOURCE}, requires=wanted)
    known = {name: version(name) for name in ("joblib", "scikit-learn", "scipy")}
    assert versions([plugins.find("task", "hardness")]) == {**known, "zoo-hard": "1.2"}


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SOURCE)
    plugins.add_file(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    known = {name: version(name) for name in ("scikit-learn", "scipy")}
    assert versions([plugins.find("task", "hardness")]) == {**known, "mine.py": f"SHA-256 {digest}"}


def test_a_module_without_source_has_its_package_alone(install: Callable[..., Path]) -> None:
    install("zoo-gone", {"tasks": {"hardness": "gone.tasks:hardness"}})
    assert versions([plugins.find("task", "hardness")]) == {"zoo-gone": "1.2"}


def test_what_is_not_installed_has_no_version() -> None:
    assert installed(("numpy", "no-such-distribution")) == {"numpy": version("numpy")}
