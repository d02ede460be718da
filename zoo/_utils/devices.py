"""The device on which a network runs."""

from __future__ import annotations

import ctypes
import sys
from importlib.metadata import version
from typing import Literal, get_args

from zoo.errors import DependencyError, InputError

Device = Literal["auto", "cpu", "cuda"]


def choose_device(device: Device) -> str:
    """Resolve "auto" to an available device; torch is imported only if there may be a GPU.

    Raises
    ------
    InputError
        If there is no device of that name.
    DependencyError
        If CUDA is asked for and this torch sees no CUDA device.
    """
    if device not in get_args(Device):
        raise InputError(f"device {device!r}: use one of {', '.join(get_args(Device))}")
    if device == "cpu" or (device == "auto" and not _may_have_cuda()):
        return "cpu"
    import torch

    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise DependencyError(
            f"--device cuda: torch {torch.__version__} sees no CUDA device; use --device cpu, or install a CUDA build"
        )
    return "cuda" if available else "cpu"


def _may_have_cuda() -> bool:
    """Return whether torch could find a GPU: it was built for CUDA, and the driver library is present."""
    build = version("torch").partition("+")[2]
    if build == "cpu" or "rocm" in build:
        return build != "cpu"
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
