"""``python -m zoo.figures``: two columns of a table."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats
from support.pictures import ENERGIES, GAPS

from zoo.analysis.figures.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_two_columns_of_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame({"ef": ENERGIES, "gap": GAPS, "structure": "not read"})
    table.loc[0, "gap"] = np.nan
    table.to_parquet(tmp_path / "mp.parquet")
    words = [str(tmp_path / "mp.parquet"), "ef", "gap", "--out", str(tmp_path), "--target-unit", "eV", "--name", "fig1"]
    assert main(words) == 0
    r = stats.pearsonr(ENERGIES[1:], GAPS[1:]).statistic
    assert f"9 crystals; Pearson's r = {r:.2f}" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "fig1.csv")) == 9


def test_a_column_that_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("ef,gap\n-1,0\n-2,wide\n")
    for words, message in (
        (["ef", "gap"], f"Error: {tmp_path}/t.csv row 2, gap: 'wide' is not a number\n"),
        (["ef", "egap"], f"Error: {tmp_path}/t.csv has no column 'egap'; it has ef, gap\n"),
        (["ef", "ef"], f"Error: {tmp_path}/t.csv: 2 of 2 pairs can be shown; at least three are needed\n"),
    ):
        command = [sys.executable, "-m", "zoo.figures", str(tmp_path / "t.csv"), *words]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (found.returncode, found.stderr) == (2, message)
