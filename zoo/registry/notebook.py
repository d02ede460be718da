"""A model card as HTML, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo._utils.wording import as_html, counted, with_unit

if TYPE_CHECKING:
    from zoo.registry.cards import Card

MOST_RESULTS = 6
"""Number of errors shown; the headline is the first."""


def card_html(card: Card) -> str:
    """Return the fields and errors of a card, without its prose."""
    rows = card.training.rows
    facts = {
        "predicts": with_unit(card.target, card.unit),
        "also": ", ".join(card.other_targets),
        "trained on": card.training.source,
        "rows": f"{rows.train:,} training, {rows.val:,} validation, {rows.test:,} test" if rows else "",
        "elements": counted(len(card.elements), "element") if card.elements else "",
        "size": f"{card.size / 1e6:.2f} MB" if card.size else "",
        "license": card.hub.license,
        "notes": card.notes,
    }
    shown = card.results[:MOST_RESULTS]
    results = [[each.metric, f"{each.value:.4g} {each.unit}".rstrip(), each.rows] for each in shown]
    return as_html(f"{card.name}: {card.title}", facts, ("error", "value", "rows") if results else (), results)
