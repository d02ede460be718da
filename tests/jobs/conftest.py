"""A whole fine-tuning on sixty real bulk moduli, with a small backbone made for the test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune

if TYPE_CHECKING:
    from zoo.jobs.finetune.result import Result

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty rows of the example, one of them with a negative modulus and one with a broken structure."""
    table = pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[:60].copy()
    table.loc[3, "K_VRH"] = -5.0
    table.loc[7, "structure"] = "no crystal"
    path = tmp_path_factory.mktemp("data") / "k.csv"
    table.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def options(data: Path, backbone: Path) -> Options:
    return Options(
        "bulk-modulus",
        data,
        mode="mixture",
        backbone=str(backbone),
        seeds=2,
        epochs=2,
        val=0.2,
        compare_scratch=True,
        baselines=("mean",),
    )


@pytest.fixture(scope="session")
def run(options: Options, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("runs") / "run"
    return finetune(options, out, quiet=True), out
