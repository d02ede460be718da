"""Inner loops compiled by Cython, where zoo was installed with a C compiler at hand.

Each part stands beside a plain version in NumPy, `zoo.graphs` and `zoo.packing`, that gives the same results and takes
over where the part is ``None``. Tests hold one to the other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def _part(name: str) -> ModuleType | None:
    try:
        return import_module(f"zoo.compiled.{name}")
    except ImportError:  # no compiler, or one for another Python
        return None


nearest = _part("nearest")
merging = _part("merging")
