"""Inner loops compiled by Cython, where zoo was installed with a C compiler at hand.

Each part stands beside a plain version in NumPy or torch, in `zoo.data.graphs` and
`zoo.models`, that gives the same results and takes over where the part is ``None``. Tests hold one to the
other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


_HOMES = {
    "nearest": "zoo.data.graphs.kernels",
    "merging": "zoo.data.graphs.kernels",
    "gating": "zoo.models.kernels",
    "normalizing": "zoo.models.kernels",
    "convolving": "zoo.models.kernels",
}
PARTS = tuple(_HOMES)
MODULES = tuple(f"{home}.{name}" for name, home in _HOMES.items())


def _part(name: str) -> ModuleType | None:
    try:
        return import_module(f"{_HOMES[name]}.{name}")
    except ImportError:  # no compiler, or one for another Python
        return None


nearest, merging, gating, normalizing, convolving = map(_part, PARTS)


def missing() -> list[str]:
    """Return the parts that are not there."""
    return [name for name in PARTS if globals()[name] is None]
