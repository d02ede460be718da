"""``zoo serve``: what it refuses before it listens."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.commandline import refused

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


def test_a_taken_port_is_named(backbone: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refused("serve", backbone, "--port", port) == (
            f"Error: port {port} is taken; choose another with --port, or --port 0 for a free one"
        )


def test_a_model_that_does_not_exist_is_named() -> None:
    assert refused("serve", "dEf-10", "--port", 0).startswith(
        "Error: no backbone is called 'dEf-10'; did you mean dEf-10k"
    )


def test_other_mistakes(backbone: Path) -> None:
    assert "--interval 90" in refused("serve", backbone, "--port", 0, "--interval", 90)
    assert "does not predict 'hardness'" in refused("serve", backbone, "--port", 0, "--target", "hardness")
    assert "is given twice" in refused("serve", backbone, backbone, "--port", 0)
    assert "there is no such address" in refused("serve", backbone, "--host", "no.such.host.invalid")


def test_without_the_extra_it_says_what_to_install(backbone: Path) -> None:
    code = "import sys; sys.modules['uvicorn'] = None; from zoo.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", str(backbone)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == 'Error: zoo serve needs uvicorn: pip install "crystal-zoo[web]"\n'
