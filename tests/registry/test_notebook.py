"""Model cards in a notebook."""

from __future__ import annotations

import html

from zoo.registry import backbones


def test_a_notebook_shows_the_card_in_short() -> None:
    for card in backbones.cards():
        shown = card._repr_html_()
        assert html.escape(f"{card.name}: {card.title}") in shown
        assert html.escape(card.training.source) in shown
        assert len(shown) < 5000
        assert "http" not in shown
