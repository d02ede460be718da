"""The model card of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.finetune.result import Result
from zoo.registry.cards import Card


def test_card_names_backbone_data_and_results(run: tuple[Result, Path], data: Path) -> None:
    result, out = run
    card = Card.read(out / "README.md")
    text = (out / "README.md").read_text()
    assert result.table.sha256 in text
    assert result.start.backbone.digest in text
    assert card.test_mae == pytest.approx(result.summary()[result.model]["mae"]["mean"], rel=5e-4), "four digits"
    assert [file.name for file in card.files] == ["model.safetensors", "config.json"]
