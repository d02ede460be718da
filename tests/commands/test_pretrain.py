"""``zoo pretrain``: what it prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.tinyrecipe import EXAMPLE, write
from zoo.cli import main

from zoo.registry.cards import Card


def test_the_command_prints_a_table_and_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("recipes"))
    result = CliRunner().invoke(main, ["pretrain", "recipes/tiny.toml", "--data", str(EXAMPLE), "-q"])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "tiny"
    assert re.split(r"  +", lines[1]) == ["part", "rows", "MAE (GPa)", "RMSE (GPa)", "R²"]
    test = re.split(r"  +", lines[5])
    assert test[:2] == ["test", "6"]
    assert lines[6] == "checkpoint  runs/tiny"
    card = Card.read(tmp_path / "runs/tiny/README.md")
    (mae,) = [each.value for each in card.results if (each.metric, each.rows) == ("mae", "6 test rows")]
    assert float(test[2]) == pytest.approx(mae, rel=1e-3)
    assert card.command == "zoo pretrain recipes/tiny.toml --data bulk_modulus.csv"
