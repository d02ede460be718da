"""Cards of checkpoints, as they go to the Hub and as they come from anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from zoo.errors import UnknownNameError, ZooError
from zoo.hub import card as hubcard
from zoo.hub import pull
from zoo.models.checkpoint import weights
from zoo.registry import backbones
from zoo.registry.cards import Card

OURS = "dEf-10k"


def test_the_card_of_any_reference(tmp_path: Path) -> None:
    assert hubcard.look_up(OURS) == (backbones.get(OURS), "bundled")
    folder = pull.pull(OURS).directory
    card, where = hubcard.look_up(str(folder))
    assert (card.target, card.elements, where) == (
        "formation_energy_per_atom", backbones.get(OURS).elements, str(folder),
    )  # fmt: skip
    with pytest.raises(UnknownNameError):
        hubcard.look_up("nothing")


def test_a_card_on_its_way_to_the_hub() -> None:
    card = backbones.get(OURS)
    config = weights.read_config(pull.pull(OURS).directory)
    sent = hubcard.describe(config, card, "ada/copy", card.files, "mit", ids="splits.json", recipe="recipe.toml")
    assert (sent.name, sent.repo_id, sent.revision, sent.bundled, sent.aliases) == ("copy", "ada/copy", None, False, [])
    assert (sent.training.ids, sent.training.recipe) == ("splits.json", "recipe.toml")
    again = Card.parse(hubcard.render(sent))
    assert again.hub.license == "mit"
    assert again.training == sent.training
    entry = hubcard.entry(again, "0" * 40)
    assert (entry.revision, entry.training.ids, entry.training.recipe) == ("0" * 40, None, None)
    without = hubcard.describe(config, card, "ada/copy", card.files, None)
    assert (without.training.ids, without.training.recipe) == (None, None), "paths that lead nowhere there"


def test_a_card_without_the_fields_is_not_pinned() -> None:
    with pytest.raises(ZooError, match="has no line '  revision: …'"):
        hubcard.published("---\nzoo:\n  repo_id: a/b\n---\n", "a/b", "0" * 40)


def test_every_card_of_the_shelf_says_that_it_is_not_on_the_hub() -> None:
    for card in backbones.shelf():
        if card.files and not card.revision:
            assert hubcard.NOT_THERE in " ".join(card.body.split()), card.name


def test_a_published_card_keeps_its_form() -> None:
    text = Path(backbones.get("dEf-10k").source).read_text()
    pinned = hubcard.published(text, "ada/dEf-10k", "0" * 40)
    lines = zip(text.splitlines(), pinned.splitlines(), strict=True)
    changed = [(old, new) for old, new in lines if old != new]
    assert len(changed) == 3
    assert changed[0][1] == "  repo_id: ada/dEf-10k"
    assert yaml.safe_load(pinned.split("---")[1])["zoo"]["revision"] == "0" * 40
