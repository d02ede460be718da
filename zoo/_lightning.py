"""The one place that imports Lightning.

torchmetrics, which comes with it, imports ``scipy.signal`` to give it back a function that SciPy has dropped. Nobody
here asks for that function, and it brings half of SciPy with it, which takes most of a second at the start of every
training. So an empty module stands in its place while Lightning is imported, and no longer.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _without_signal() -> Iterator[None]:
    name = "scipy.signal"
    if name in sys.modules:
        yield
        return
    stand_in = sys.modules[name] = ModuleType(name)
    stand_in.hamming = None  # type: ignore[attr-defined]  # what torchmetrics looks for
    try:
        yield
    finally:
        del sys.modules[name]


with _without_signal():
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
