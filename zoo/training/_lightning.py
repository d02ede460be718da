"""The one place that imports Lightning.

Two things that come with it take most of two seconds at the start of every training, and nobody here asks for them:
``scipy.signal``, with half of SciPy, which torchmetrics imports to give it back a function that SciPy has dropped; and
``torch._dynamo``, torch's compiler, which Lightning imports to recognise what was compiled. So while Lightning is
imported, and no longer, modules stand in their places that have next to nothing in them. What is compiled is recognised
all the same: nothing can be before the real module is there.
"""

from __future__ import annotations

import functools
import sys
import threading
from contextlib import contextmanager, nullcontext
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMPILER = "torch._dynamo"


class _StandIn(ModuleType):
    """A module of a few names that makes room for the real one if anybody asks it for more."""

    def __init__(self, name: str, contents: dict[str, Any]) -> None:
        super().__init__(name)
        vars(self).update(contents)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        self.leave()
        return getattr(import_module(self.__name__), name)

    def leave(self) -> None:
        """Leave its place."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


def _real(name: str) -> ModuleType | None:
    """Return a module that was imported, but not what stands in for it."""
    module = sys.modules.get(name)
    return None if isinstance(module, _StandIn) else module


class _Compiled(type):
    """Instances of its class are those of torch's compiler."""

    def __instancecheck__(cls, thing: object) -> bool:
        compiler = _real(COMPILER)
        return compiler is not None and isinstance(thing, compiler.OptimizedModule)


class _OptimizedModule(metaclass=_Compiled):
    """What torch's compiler makes of a module, recognised without the compiler."""


def _not_compiled(function: Callable[..., Any], *options: Any, **more: Any) -> Callable[..., Any]:
    """Keep the compiler from looking into a function, once there is a compiler."""

    @functools.cache
    def disabled() -> Callable[..., Any]:
        return import_module(COMPILER).disable(function, *options, **more)  # type: ignore[no-any-return]

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return (disabled() if _real(COMPILER) else function)(*args, **kwargs)

    return called


@contextmanager
def _without(name: str, **contents: Any) -> Iterator[None]:
    stand_in = _StandIn(name, contents)
    sys.modules.setdefault(name, stand_in)
    try:
        yield
    finally:
        stand_in.leave()


# `disable` is asked for by what logs metrics; "from ... import" asks for `__path__`, too.
_without_compiler = _without(COMPILER, OptimizedModule=_OptimizedModule, disable=_not_compiled, __path__=())
_alone = threading.active_count() == 1  # else another thread may want a submodule of the compiler meanwhile
try:
    with _without("scipy.signal", hamming=None), _without_compiler if _alone else nullcontext():
        import_module("lightning.pytorch")
except ImportError:  # of one that needs more; what is below begins anew
    for begun in [name for name in sys.modules if name.partition(".")[0] == "lightning"]:
        del sys.modules[begun]

# ruff: noqa: E402
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
