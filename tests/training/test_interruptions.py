"""Checkpoints of unfinished training are whole, or the ones before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from zoo.errors import InputError
from zoo.training.interruptions import LAST, WholeFiles

if TYPE_CHECKING:
    from pathlib import Path


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before_it(tmp_path: Path) -> None:
    """The system refuses the file in the middle, as a full disk does."""
    resource = pytest.importorskip("resource")
    files = WholeFiles()
    files.save_checkpoint({"weights": torch.ones(10)}, tmp_path / LAST)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(
            InputError, match=r"last\.ckpt cannot be written: File too large; last\.ckpt is still"
        ) as caught:
            files.save_checkpoint({"weights": torch.ones(10_000)}, tmp_path / LAST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [LAST]
    assert len(torch.load(tmp_path / LAST, weights_only=True)["weights"]) == 10
