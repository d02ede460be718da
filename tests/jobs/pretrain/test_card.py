"""The card of a pretrained backbone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from support.tinyrecipe import EXAMPLE, RECIPE, example, ids, write

from zoo.jobs.pretrain.card import Report, training_command
from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.run import pretrain
from zoo.registry import backbones
from zoo.registry.cards import Card

if TYPE_CHECKING:
    from pathlib import Path


def test_a_registered_backbone_that_is_trained_anew_is_not_the_one_on_the_shelf(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, RECIPE.replace('"tiny"', '"dEf-10k"').replace("epochs = 2", "epochs = 1")))
    pretrain(recipe, [EXAMPLE], tmp_path / "anew", quiet=True)
    card = Card.read(tmp_path / "anew" / "README.md")
    assert card.body == backbones.get("dEf-10k").body
    assert (card.bundled, card.revision) == (False, None)
    assert backbones.training_ids(card) == set(ids()["train"])


def test_the_card_has_digests_figures_and_the_command(run: tuple[list[Report], Path]) -> None:
    report, out = run
    card = Card.read(out / "README.md")
    assert (card.name, card.target, card.unit, card.transform) == ("tiny", "K_VRH", "GPa", "log10")
    assert backbones.training_ids(card) == set(ids()["train"])
    for file in card.files:
        assert file.sha256 == hashlib.sha256((out / file.name).read_bytes()).hexdigest()
    assert card.training.rows is not None
    assert (card.training.rows.train, card.training.rows.val, card.training.rows.test) == (28, 6, 6)
    assert card.test_mae == pytest.approx(report[2].errors["mae"], abs=1e-4)
    assert {result.rows for result in card.results} == {"6 test rows", "6 validation rows"}
    assert card.command == "zoo pretrain tiny.toml --data bulk_modulus.csv"
    assert str(out.parent) not in (out / "README.md").read_text() + (out / "config.json").read_text()
    assert card.architecture is not None
    assert (card.architecture.width, card.architecture.convolutions) == (8, 2)
    from pymatgen.core import Composition

    formulas = example().set_index("material_id").formula[ids()["train"]]
    assert set(card.elements) == {element.symbol for text in formulas for element in Composition(text).elements}


def test_the_command_on_the_card_says_how_many_crystals_a_step_has(tmp_path: Path) -> None:
    recipe, tables = read_recipe(write(tmp_path)), [tmp_path / "a.csv", tmp_path / "b.parquet"]
    command = f"zoo pretrain {recipe.path.name} --data a.csv --data b.parquet"
    assert training_command(recipe, tables, 1, 1) == command
    assert training_command(recipe, tables, 4, 2) == f"{command} --devices 4 --num-nodes 2"
