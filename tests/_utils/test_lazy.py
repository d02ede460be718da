"""Packages import their public names when these are first used."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from zoo._utils import lazy

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

INIT = """
from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from lazy_package import inner as inner
    from lazy_package.heavy import first as first
    from lazy_package.heavy import hidden, second

    other = second
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = tmp_path / "lazy_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(INIT)
    (folder / "heavy.py").write_text("first, second, hidden = 1, 2, 3\n")
    (folder / "inner.py").write_text("depth = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("lazy_package")]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("lazy_package")


def test_names_are_imported_when_they_are_used(package: ModuleType) -> None:
    assert dir(package) == ["first", "inner", "other"]
    assert package.__all__ == ["first", "other"]
    assert "lazy_package.heavy" not in sys.modules
    assert (package.first, package.other, package.inner.depth) == (1, 2, 1)


@pytest.mark.parametrize("name", ["second", "hidden", "missing", "__wrapped__"])
def test_other_names_are_not_there(package: ModuleType, name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'lazy_package' has no attribute '{name}'"):
        getattr(package, name)


def test_a_star_imports_the_public_names(package: ModuleType) -> None:
    names: dict[str, object] = {}
    exec(f"from {package.__name__} import *", names)
    assert names.keys() - {"__builtins__"} == {"first", "other"}


def test_a_package_without_a_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "__init__.py"
    path.write_text("import sys\n\nif sys.argv:\n    from os import path as path\n")
    _, names = lazy.attach("unlisted", str(path))
    with pytest.raises(ImportError, match="no `if TYPE_CHECKING:` block lists the public names"):
        names()
