"""Packages whose names stand in a stub, and are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

INIT = "from zoo._utils import lazy\n\n__getattr__, __dir__ = lazy.attach(__name__, __file__)\n"
STUB = """
from lazy_package import inner as inner
from lazy_package.heavy import first as first
from lazy_package.heavy import hidden, second

other = second
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = tmp_path / "lazy_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(INIT)
    (folder / "__init__.pyi").write_text(STUB)
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
def test_what_the_stub_does_not_make_public_is_not_there(package: ModuleType, name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'lazy_package' has no attribute '{name}'"):
        getattr(package, name)


def test_a_star_imports_the_public_names(package: ModuleType) -> None:
    names: dict[str, object] = {}
    exec(f"from {package.__name__} import *", names)
    assert names.keys() - {"__builtins__"} == {"first", "other"}
