"""A whole pretraining on forty real bulk moduli."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.tinyrecipe import EXAMPLE, write

from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.run import pretrain

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.pretrain.card import Report


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Report], Path]:
    folder = tmp_path_factory.mktemp("pretraining")
    report = pretrain(read_recipe(write(folder / "recipe")), [EXAMPLE], folder / "tiny", quiet=True)
    assert sorted(path.name for path in folder.iterdir()) == ["recipe", "tiny"]
    return report, folder / "tiny"
