"""The one place that imports Lightning.

torchmetrics, which comes with it, imports ``scipy.signal`` to give it back a function that SciPy has dropped. Nobody
here asks for that function, and it brings half of SciPy with it, which takes most of a second at the start of every
training. So an empty module stands in its place while Lightning is imported, and no longer.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class _StandIn(ModuleType):
    """An empty module that makes room for the real one if anybody asks it for more than torchmetrics does."""

    hamming = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        self.leave()
        return getattr(import_module(self.__name__), name)

    def leave(self) -> None:
        """Leave its place."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


@contextmanager
def _without(name: str) -> Iterator[None]:
    stand_in = _StandIn(name)
    sys.modules.setdefault(name, stand_in)
    try:
        yield
    finally:
        stand_in.leave()


with _without("scipy.signal"):
    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint, WeightAveraging
    from lightning.pytorch.plugins.io import TorchCheckpointIO
    from lightning.pytorch.utilities.exceptions import SIGTERMException

__all__ = [
    "Checkpoint",
    "EarlyStopping",
    "ModelCheckpoint",
    "SIGTERMException",
    "TorchCheckpointIO",
    "WeightAveraging",
    "pl",
]
