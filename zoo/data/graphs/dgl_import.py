"""The one place that imports DGL.

The DGL 2.1 wheel imports ``dgl.graphbolt`` eagerly, whose compiled library exists for torch 2.0 to 2.2.1 only.
With a newer torch ``import dgl`` fails, although zoo does not use graphbolt. A failed import is therefore retried with
an empty module in place of graphbolt.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
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
        f"DGL has no release for Python {sys.version_info[0]}.{sys.version_info[1]}: predictions, and fine-tuning on a "
        "CPU, work without it where zoo's compiled parts are installed; everything else needs Python 3.11 or 3.12"
    )


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
    """Import DGL and return it.

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
            raise DependencyError(unavailable() or "DGL is not installed; run: pip install 'dgl>=2.1,<2.5'") from error
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
