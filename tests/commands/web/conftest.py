"""A server on the loopback interface, as ``zoo serve`` starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from zoo.testing import sample_crystals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Server:
    """A running server."""

    address: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@pytest.fixture(scope="session")
def server(backbone: Path) -> Iterator[Server]:
    """A backbone of the shelf, and one that was never trained."""
    command = [sys.executable, "-m", "zoo", "serve", "dEf-113k", str(backbone), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found is not None, line + process.communicate(timeout=30)[1]
    yield Server(found[0], process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "Traceback" not in said, said


@pytest.fixture(scope="session")
def cifs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sample crystals as CIFs."""
    folder = tmp_path_factory.mktemp("cifs")
    for name, structure in sample_crystals.crystals().items():
        structure.to(filename=str(folder / f"{name}.cif"))
    return {path.stem: path for path in folder.iterdir()}
