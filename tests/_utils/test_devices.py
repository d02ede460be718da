"""Which device is chosen, and that torch is asked only where there may be a GPU."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from zoo._utils import devices
from zoo._utils.devices import choose_device
from zoo.errors import DependencyError, InputError


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_not_there() -> None:
    assert choose_device("auto") == "cpu"
    with pytest.raises(DependencyError, match="--device cpu"):
        choose_device("cuda")


def test_what_is_no_device_is_refused() -> None:
    with pytest.raises(InputError, match="device 'tpu': use one of auto, cpu, cuda"):
        choose_device("tpu")  # type: ignore[arg-type]


def test_a_build_for_cpus_is_known_without_importing_torch() -> None:
    code = """
import sys
from zoo._utils import devices
devices.version = lambda name: "2.13.0+cpu"
assert devices.choose_device("auto") == devices.choose_device("cpu") == "cpu"
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("build", "driver", "expected"), [("", True, "cuda"), ("", False, "cpu"), ("+rocm6.4", False, "cuda")]
)
def test_a_build_for_nvidia_gpus_needs_a_driver(
    monkeypatch: pytest.MonkeyPatch, build: str, driver: bool, expected: str
) -> None:
    def library(name: str) -> object:
        assert name == "libcuda.so.1"
        if not driver:
            raise OSError(name)
        return object()

    monkeypatch.setattr(devices, "version", lambda _name: f"2.13.0{build}")
    monkeypatch.setattr(devices.ctypes, "CDLL", library)
    monkeypatch.setattr(devices.sys, "platform", "linux")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == expected
