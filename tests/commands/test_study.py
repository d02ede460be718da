"""``zoo study``: what it refuses; what it computes is tested with the study."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner
from support.tinystudy import EXAMPLE, write_table
from zoo.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("study"))


def test_all_of_the_table_rejected(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    rows = pd.read_csv(EXAMPLE, comment="#", dtype={"material_id": str}).iloc[:30]
    rows.assign(K_VRH=-1.0).to_csv(path, index=False)
    out = ["--task", "bulk-modulus", "--out", str(tmp_path / "study")]
    result = CliRunner().invoke(main, ["study", str(path), *out])
    assert result.exit_code == 2
    assert "30 of 30 rows cannot be used" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "study").exists()


def test_the_task_must_be_named(table: Path) -> None:
    result = CliRunner().invoke(main, ["study", str(table)])
    assert (result.exit_code, "--task is missing" in result.stderr) == (2, True)


def test_an_engine_that_is_not_installed(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    command = ["study", str(table), "--task", "bulk-modulus", "--engine", "ray"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert '--engine ray needs Ray: pip install "crystal-zoo[ray]"' in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "20,x"], "not a list of integers"),
        (["--sizes", ""], "--sizes: must have at least 1 item"),
        (
            ["--sizes", "5000"],
            "5000: at most 120 of the 150 usable rows can be training rows",
        ),
        (["--backbones", "dEf-10"], "did you mean dEf-10k"),
        (["--sizes", "20", "--baselines", "svm"], "no baseline is called 'svm'"),
        (["--modes", "all"], "use blend, mixture, full, head, layerwise, frozen-ridge and so on"),
        (["--seeds", "0"], "--seeds 0: must be at least 1"),
        (["--seeds", "1", "--significance", "0.01"], "a paired test over seeds needs at least 3 of them"),
        (["--significance", "5"], "--significance 5.0: must be less than 1"),
        (["--engine", "slurm"], "--engine slurm: use one of local, ray, dask"),
        (["--workers", "0"], "--workers 0: must be at least 1"),
        (["--modes", "frozen-svm"], "no baseline is called 'svm'"),
        (["--where", "K_VRH=3"], "write COLUMN>NUMBER, COLUMN<=NUMBER or COLUMN==TEXT"),
        (["--where", "colour==red"], "--where: there is no column 'colour'"),
        (["--where", "K_VRH>9999"], "no row is left"),
        (
            ["--target", "G_VRH", "--max-rejected", "0.01", "--where", "K_VRH>0", "--epochs", "0"],
            "--epochs 0: must be at least 1",
        ),
        (["--data-dir", "."], "--data-dir goes with a study's file"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments: list[str], message: str, table: Path, tmp_path: Path) -> None:
    out = ["--task", "bulk-modulus", "--out", str(tmp_path / "study")]
    result = CliRunner().invoke(main, ["study", str(table), *out, *arguments])
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
