"""A study of 150 bulk moduli: two sizes, three seeds, one backbone and a mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.tinystudy import options, write_table

from zoo.jobs.study.run import run_study

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.study.result import Study


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def study(table: Path) -> tuple[Study, Path]:
    out = table.with_name("study")
    return run_study(options(table), out, workers=1, report=False, quiet=True), out
