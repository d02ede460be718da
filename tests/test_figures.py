"""``zoo.figures``, the public name of the figures, and ``python -m zoo.figures``."""

from __future__ import annotations

import subprocess
import sys

from zoo import figures
from zoo.analysis import figures as drawn


def test_it_offers_the_same_functions_and_no_others() -> None:
    assert figures.__all__ == drawn.__all__
    for name in figures.__all__:
        assert getattr(figures, name) is getattr(drawn, name)


def test_it_is_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "zoo.figures", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: ")
    assert "--target-unit" in done.stdout
