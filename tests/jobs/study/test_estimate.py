"""How long a study will take."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from click.testing import CliRunner
from zoo.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.study.result import Study
from dataclasses import replace

from zoo.jobs.study.estimate import Estimate


def test_a_dry_run_says_how_long_it_takes_and_writes_nothing(
    study: tuple[Study, Path], table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    command = ["study", str(table), "--task", "bulk-modulus", "--sizes", "20,40", "--seeds", "2", "--epochs", "2"]
    command += ["--backbones", "dEf-10k", "--modes", "full", "--baselines", "mean", "--workers", "1"]
    command += ["--out", str(out)]
    asked = CliRunner().invoke(main, [*command, "--dry-run"])
    assert asked.exit_code == 0, asked.output
    assert "12 cells, 0 done, 12 to do" in asked.stdout
    assert re.search(r"estimated time: [\d.]+ (s|min) with 1 worker", asked.stdout)
    assert "short trials" in asked.stdout
    assert not out.exists()
    shutil.copytree(study[1], out)
    again = CliRunner().invoke(main, [*command, "--seeds", "4", "--dry-run"])
    assert "24 cells, 18 done, 6 to do" in again.stdout
    assert "from finished cells" in again.stdout


def test_time_is_shared_by_the_workers_that_have_something_to_do() -> None:
    found = Estimate("150 rows", cells=10, done=8, seconds=120.0, workers=16, measured=1, tried=0)
    assert found.lines() == [
        "150 rows",
        "10 cells, 8 done, 2 to do",
        "estimated time: 60 s with 16 worker(s), 2.0 min of one core "
        "(from finished cells; excluding start-up, features and figures)",
    ]
    both = replace(found, tried=1)
    assert "(from finished cells and short trials;" in both.lines()[2]
    assert "(from nothing to do;" in replace(found, done=10, seconds=0.0, measured=0).lines()[2]
