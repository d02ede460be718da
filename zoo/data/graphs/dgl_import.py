"""The one place that imports DGL.

The DGL 2.1 wheel imports ``dgl.graphbolt`` eagerly, whose compiled library exists for torch 2.0 to 2.2.1 only.
With a newer torch ``import dgl`` fails, although zoo does not use graphbolt. A failed import is therefore retried with
an empty module in place of graphbolt.

Where there is no DGL for this Python, :class:`Substitute` has what :mod:`zoo.data.graphs.message_passing` needs of it.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from functools import lru_cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType, SimpleNamespace
from typing import Any

from zoo.errors import DependencyError

_log = logging.getLogger("zoo")

NO_RELEASE = (3, 13)
"""The first version of Python for which there is no DGL; pyproject.toml does not ask for it there."""


def unavailable() -> str:
    """Say what works without DGL where there is none for this Python; empty where it should be installed."""
    if sys.version_info < NO_RELEASE:
        return ""
    return (
        f"DGL has no release for Python {sys.version_info[0]}.{sys.version_info[1]}: predictions and training work "
        "without it; networks of plugins that need more of it than message passing need Python 3.11 or 3.12"
    )


class _Functions:
    """The functions of ``dgl.function``, such as ``u_mul_e`` and ``sum``: they say what is read and written."""

    _NAMES = re.compile("copy_[ue]|[uve]_(?:add|sub|mul|div)_[uve]|sum|mean|max|min")
    _ARGUMENTS = ("u", "e", "lhs_field", "rhs_field", "msg", "out")

    def __getattr__(self, name: str) -> Any:
        if not self._NAMES.fullmatch(name):
            raise DependencyError(f"dgl.function.{name} is missing. {unavailable()}")
        return partial(self._described, name)

    def _described(self, name: str, /, *fields: str, **named: str) -> SimpleNamespace:
        left, *right, out = [*fields, *(named[each] for each in self._ARGUMENTS if each in named)]
        return SimpleNamespace(name=name, in_field=left, lhs_field=left, rhs_field="".join(right), out_field=out)


class Substitute(ModuleType):
    """A module that describes messages as DGL does, and has nothing else."""

    function = _Functions()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise DependencyError(f"dgl.{name} is missing. {unavailable()}")


class _NoGraphbolt(ModuleType):
    """A module in which every public attribute is an empty class; DGL only subclasses them."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        dummy = type(name, (), {})
        setattr(self, name, dummy)
        return dummy


def _forget_dgl() -> None:
    """Remove the modules left by a failed import."""
    for name in [name for name in sys.modules if name == "dgl" or name.startswith("dgl.")]:
        del sys.modules[name]


@lru_cache(maxsize=1)
def dgl() -> ModuleType:
    """Import DGL and return it, or a :class:`Substitute` where there is none for this Python.

    Raises
    ------
    DependencyError
        If DGL is missing, or fails to import even without graphbolt.
    """
    # Without this, DGL writes a configuration file into the home folder and prints a message.
    os.environ.setdefault("DGLBACKEND", "pytorch")
    try:
        return import_module("dgl")
    except ModuleNotFoundError as error:
        if error.name == "dgl":
            if unavailable():
                return Substitute("dgl")
            raise DependencyError("DGL is not installed; run: pip install 'dgl>=2.1,<2.5'") from error
        first: Exception = error
    except (ImportError, OSError) as error:
        first = error
    _forget_dgl()
    sys.modules["dgl.graphbolt"] = _NoGraphbolt("dgl.graphbolt")
    try:
        module = import_module("dgl")
    except (ImportError, OSError, AttributeError) as error:
        _forget_dgl()
        raise DependencyError(
            f"DGL {_version()} cannot be imported with torch {_torch_version()}: {error}; run zoo doctor for details"
        ) from first
    _log.debug("DGL %s imported without graphbolt (%s)", _version(), str(first).splitlines()[0])
    return module


def state() -> str:
    """Return the version of DGL and whether graphbolt is available; raises as :func:`dgl` does."""
    module = dgl()
    graphbolt = "without graphbolt" if isinstance(sys.modules.get("dgl.graphbolt"), _NoGraphbolt) else "complete"
    return f"{module.__version__}, {graphbolt}"


def _version() -> str:
    try:
        return version("dgl")
    except PackageNotFoundError:
        return "(not installed)"


def _torch_version() -> str:
    return version("torch")
