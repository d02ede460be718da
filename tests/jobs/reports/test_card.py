"""The model card of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.tinyrecipe import example

from zoo.errors import InputError
from zoo.hub import pull
from zoo.jobs import lineage
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.registry.cards import Card

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.jobs.finetune.result import Result


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


def test_a_baseline_does_not_start_from_the_backbone_that_measures_distances(
    moduli: Callable[[int], Path], tmp_path: Path
) -> None:
    request = Options("bulk-modulus", moduli(60), backbone="dEf-10k", mode="mean")
    result = finetune(request, tmp_path / "run", quiet=True)
    text = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    used = result.start.backbone
    assert used is not None
    assert "Predicts Bulk modulus" in text
    assert f"by the baseline `mean`. The network of dEf-10k (weights SHA-256 {used.digest}) only tells how far" in text
    assert "Started from" not in text
    assert "`spread` is the standard deviation over the fits without a fold each" in text
    assert Card.read(tmp_path / "run" / "README.md").title == "bulk-modulus by mean"
    # That this network has seen test rows says nothing about the errors, but it does about those of a later run.
    assert (result.warned, result.overlap, result.leaks) == ([], None, {})
    known = lineage.training_ids(used.pulled)
    assert known
    assert lineage.training_ids(pull.pull(tmp_path / "run")) == known | {
        result.records[row].id for row in result.crossfits[0].rows
    }
    with pytest.raises(InputError, match="backbone all compares backbones, and mode mean reads none; leave out"):
        Options("bulk-modulus", request.data, backbone="all", mode="mean")
