"""The card that a checkpoint's configuration and files determine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from zoo.models.checkpoint import weights
from zoo.models.checkpoint.card import describe_checkpoint, described_by
from zoo.registry.cards import Card

if TYPE_CHECKING:
    from pathlib import Path


def test_it_agrees_with_the_configuration_and_the_bytes(backbone: Path) -> None:
    config = weights.read_config(backbone)
    card = describe_checkpoint(config, backbone, title="made for a test")
    assert Card.parse(card.render()).model_dump(exclude={"hub"}) == card.model_dump(exclude={"hub"})
    assert (card.name, card.title, card.target, card.unit) == ("tiny", "made for a test", "e", "eV/atom")
    assert (card.elements, card.transform, card.other_targets) == (["O"], "identity", [])
    assert card.architecture is not None
    assert (card.architecture.width, card.architecture.convolutions, card.architecture.head) == (8, 2, 8)
    for file in card.files:
        data = (backbone / file.name).read_bytes()
        assert (file.size, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert [file.name for file in card.files] == ["model.safetensors", "config.json"]


def test_a_name_that_no_card_can_have_is_replaced(backbone: Path) -> None:
    config = weights.read_config(backbone).model_copy(update={"name": "ΔEf, my run"})
    card = describe_checkpoint(config, unnamed="run")
    assert (card.name, card.repo_id, card.files) == ("run", "local/run", [])
    assert card.body == "# ΔEf, my run"


def test_the_fields_are_those_of_a_card(backbone: Path) -> None:
    assert set(described_by(weights.read_config(backbone), backbone)) <= set(Card.model_fields)
