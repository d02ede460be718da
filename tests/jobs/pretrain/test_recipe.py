"""Reading recipes, what is said of broken ones, and those that ship."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest
import torch
from support.tinyrecipe import RECIPE, ROOT, write

from zoo.data.tables.conditions import Condition
from zoo.errors import InputError
from zoo.jobs.pretrain.recipe import read_recipe
from zoo.jobs.pretrain.rows import PARTS
from zoo.models.checkpoint import weights
from zoo.registry import backbones, plugins

if TYPE_CHECKING:
    from pathlib import Path

RECIPES = sorted((ROOT / "cards" / "recipes").glob("*.toml"))
SHIPPED = [path for path in RECIPES if path.stem in backbones.named()]


def test_a_recipe_is_read_with_its_defaults(tmp_path: Path) -> None:
    path = write(tmp_path)
    recipe = read_recipe(path)
    assert (recipe.name, recipe.task, recipe.unit, recipe.seed) == ("tiny", "bulk-modulus", "GPa", 3)
    assert (recipe.fit.epochs, recipe.fit.clip, recipe.fit.patience) == (2, 1.0, None)
    assert recipe.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("epochs = 2", "epoch = 2", "fit.epochs: is missing"),
        ("epochs = 2", "epochs = 2\nmomentum = 0.9", "fit.momentum: there is no such key"),
        ("epochs = 2", 'epochs = "two"', "fit.epochs: must be a whole number"),
        ("epochs = 2", "epochs = 0", "fit.epochs: must be at least 1"),
        ("learning_rate = 1e-2", "learning_rate = -1.0", "fit.learning_rate: "),
        ("width = 8", "width = 100000", "network.width: must be at most 1024"),
        ('ties = "environment"', 'ties = "coin"', "graph.ties: "),
        ('name = "tiny"', 'name = "../tiny"', "name: String should match pattern"),
        ('name = "tiny"', "", "name: is missing"),
        ('name = "tiny"', 'name = "tiny"\nepochs = 3', "epochs: there is no such key"),
        ('ids = "ids.json"', 'ids = "ids.json"\nfetch = {database = "oqmd", fields = ["x"]}', "data.fetch.database: "),
        ("seed = 3", "seed = 3\nstart = 3", "start: must be a list"),
        ("[network]", "[network", "is not valid TOML: "),
        ('ids = "ids.json"', "", "data: give ids or split, and not both"),
        ('ids = "ids.json"', 'ids = "ids.json"\nwhere = [{column = "x", above = 0}]', "where goes with split"),
        (
            'ids = "ids.json"',
            "split = {test = 0.1, validation = 1.5}",
            "data.split.validation: must be less than 1",
        ),
        (
            'ids = "ids.json"',
            'split = {test = 0.1, validation = 0.1}\nwhere = [{column = "x"}]',
            "data.where.0: give one of above, at_most and equals",
        ),
    ],
)
def test_a_broken_recipe_names_its_key(before: str, after: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, RECIPE.replace(before, after, 1))
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start", ['"dEf-10k"', '["dEf-10k"]'])
def test_a_single_start_may_be_given_as_text(start: str, tmp_path: Path) -> None:
    path = write(tmp_path, RECIPE.replace("seed = 3", f"seed = 3\nstart = {start}"))
    assert read_recipe(path).start == ("dEf-10k",)


def test_a_recipe_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    read = "cannot be read"
    for name, message in (("missing.toml", read), ("binary.toml", "is not valid TOML"), ("", read)):
        with pytest.raises(InputError, match=message):
            read_recipe(tmp_path / name)


def test_conditions_hold_for_numbers_and_texts() -> None:
    above, equal = Condition(column="gap", above=0.0), Condition(column="source", equals="pbe")
    assert [above.holds(value) for value in (0.1, "0.1", 0, -1, None, "", float("nan"), "wide")] == [True, True] + [
        False
    ] * 6
    assert [equal.holds(value) for value in ("pbe", "PBE", None)] == [True, False, False]


def test_half_precision_is_taken_where_the_gpu_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auto = read_recipe(write(tmp_path / "auto")).fit
    plain = read_recipe(write(tmp_path / "plain", RECIPE + 'precision = "32-true"\n')).fit
    for there, expected in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda there=there: there)
        assert auto.settings("cuda").precision == expected
        assert auto.settings("cpu").precision == plain.settings("cuda").precision == "32-true"


# --- what ships ---


def test_there_are_recipes() -> None:
    assert "dEf-10k" in [path.stem for path in SHIPPED]


def test_a_recipe_that_was_not_trained_is_one_that_needs_a_key() -> None:
    others = [read_recipe(path) for path in RECIPES if not backbones.get(path.stem).files]
    assert [recipe.name for recipe in others] == ["dEf-113k-mp"]
    assert all(recipe.data.fetch for recipe in others)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_agree_with_their_cards(path: Path) -> None:
    recipe = read_recipe(path)
    card = backbones.get(recipe.name)
    assert card.name == recipe.name == path.stem
    assert (card.target, card.unit) == (plugins.task(recipe.task).target, recipe.unit)
    if not card.files:
        return
    assert card.training.rows is not None
    counts = (card.training.rows.train, card.training.rows.val, card.training.rows.test)
    if recipe.data.ids is not None:
        parts = json.loads((path.parent / recipe.data.ids).read_text())
        assert tuple(len(parts[part]) for part in PARTS) == counts
    assert card.architecture is not None
    assert card.graph is not None
    assert card.architecture.model_dump() == recipe.network.model_dump(exclude={"gaussian_end"})
    assert card.graph.model_dump() == recipe.graph.model_dump()
    assert card.command is not None
    assert card.command.startswith(f"zoo pretrain {path.relative_to(ROOT).as_posix()} --data ")
    # The weights were made by this very recipe.
    config = weights.read_config(backbones.weights_folder(card))
    assert config.provenance["recipe_sha256"] == recipe.digest
    errors = config.provenance["errors"]
    headline = (
        next(errors[f"test, {subset}"] for subset in recipe.data.subsets) if recipe.data.subsets else errors["test"]
    )
    assert headline["mae"] == pytest.approx(card.test_mae, abs=1e-4)
