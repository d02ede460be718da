"""The model card of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.tinyrecipe import example

from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune

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


def test_a_card_of_one_seed_and_few_rows_claims_no_deviation_and_no_interval(backbone: Path, tmp_path: Path) -> None:
    example()[:24].to_csv(tmp_path / "k.csv", index=False)
    options = Options("bulk-modulus", tmp_path / "k.csv", backbone=str(backbone), mode="full", epochs=1, seeds=1)
    result = finetune(options, tmp_path / "run", quiet=True)
    text = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "standard deviation over 1 seed" not in text
    assert "Errors of 1 seed, with its own random split (" in text
    assert "No interval at 90 %: 2 calibration rows are too few." in text
    assert not result.reliability.measured_levels
    assert "coverage.png" not in text
    assert not (tmp_path / "run" / "coverage.png").exists()
