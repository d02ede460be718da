"""The modules compiled by Cython, if zoo was installed with them.

A module that is missing is ``None`` here. Then code in NumPy, torch, DGL or spglib, in `zoo.data` and
`zoo.models`, gives the same results; the tests compare both.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


_HOMES = {
    "symmetry": "zoo.data.kernels",
    "nearest": "zoo.data.graphs.kernels",
    "merging": "zoo.data.graphs.kernels",
    "gating": "zoo.models.kernels",
    "normalizing": "zoo.models.kernels",
    "convolving": "zoo.models.kernels",
    "trees": "zoo.models.kernels",
    "updating": "zoo.models.kernels",
}
PARTS = tuple(_HOMES)
MODULES = tuple(f"{home}.{name}" for name, home in _HOMES.items())


def _part(name: str) -> ModuleType | None:
    try:
        return import_module(f"{_HOMES[name]}.{name}")
    except ImportError:  # a pure wheel, an editable install without a compiler, or compiled for another Python
        return None


symmetry, nearest, merging, gating, normalizing, convolving, trees, updating = map(_part, PARTS)


def missing() -> list[str]:
    """Return the names of the parts that are missing."""
    return [name for name in PARTS if globals()[name] is None]
