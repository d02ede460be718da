"""A table, and a model that was fine-tuned on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from support.commandline import zoo

if TYPE_CHECKING:
    from click.testing import Result

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty rows of the example; the fifth is broken."""
    frame = pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[:60].copy()
    frame.loc[4, "structure"] = "no crystal"
    path = tmp_path_factory.mktemp("table") / "k.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def fine_tuned(backbone: Path, table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("runs") / "k"
    options = ("--backbone", backbone, "--epochs", 1, "--compare", "scratch", "--baseline", "mean", "--seeds", 2)
    return zoo("finetune", "--task", "bulk-modulus", table, "--mode", "mixture", *options, "--out", out), out
