"""A table of two moduli, in which some rows lack one of them, or both; and a run on both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zoo._utils import workers
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.reports.saved_runs import JointResult

EXAMPLES = Path(__file__).parents[4] / "examples"
TARGETS = ("K_VRH", "G_VRH")


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit the folds in this process: with so few rows, starting others takes longer."""
    monkeypatch.setattr(workers, "cores", lambda: 1)


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """Sixty rows: ten without K, another ten without G, one with neither; a column of folds."""
    table = pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[:60].reset_index(drop=True)
    table.loc[:9, "K_VRH"] = np.nan
    table.loc[20:29, "G_VRH"] = np.nan
    table.loc[5, "G_VRH"] = np.nan
    table["part"] = np.where(np.arange(60) % 5 == 0, "test", "train")
    return table


@pytest.fixture(scope="session")
def data(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "moduli.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def options(data: Path, backbone: Path) -> Options:
    return Options(
        data=data,
        target=TARGETS,
        unit=("GPa", "GPa"),
        backbone=str(backbone),
        mode="full",
        epochs=2,
        split_column="part",
    )


@pytest.fixture(scope="session")
def run(options: Options, tmp_path_factory: pytest.TempPathFactory) -> tuple[JointResult, Path]:
    out = tmp_path_factory.mktemp("runs") / "moduli"
    result = finetune(options, out, quiet=True)
    assert isinstance(result, JointResult)
    return result, out
