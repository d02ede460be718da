"""``zoo list`` and ``zoo show``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.commands.shelf import show_card
from zoo.registry import backbones

if TYPE_CHECKING:
    import pytest


def test_every_part_of_a_card_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    card = backbones.get("dEf-10k")
    show_card(card, "bundled")
    printed = capsys.readouterr().out
    for result in card.results:
        assert re.search(rf"^{result.metric} +{result.value:.4g} .*{result.rows} ", printed, re.MULTILINE)
    for file in card.files:
        assert printed.count(file.sha256) == 1
    assert printed.endswith(card.body + "\n")
    assert "None" not in printed.removesuffix(card.body + "\n")
