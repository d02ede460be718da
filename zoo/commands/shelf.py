"""``zoo list`` and ``zoo show``: the registered backbones and their cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zoo.commands.console import show_json, show_prose, show_table, show_text
from zoo.commands.options import common, json_option, names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.registry.cards import Card


@click.command("list")
@json_option
@common
def list_backbones(as_json: bool) -> None:
    """List the registered backbones."""
    from zoo.jobs.shelf import shelf

    cards = shelf()
    if as_json:
        show_json([{**card.overview, "weights": card.status} for card in cards])
        return
    header = ("name", "target", "unit", "training rows", "test MAE", "size", "weights")
    show_table(header, ([*card.cells, card.status] for card in cards), keep=("name", "weights"))
    for card in cards:
        if labels := card.overview["training"]["labels"]:
            show_text(f"{card.overview['name']}: {labels}")


@click.command()
@click.argument("name", shell_complete=names("backbone"))
@json_option
@common
def show(name: str, as_json: bool) -> None:
    """Show the model card of NAME: a backbone, a run's folder, or hf://owner/repo@rev."""
    from zoo.hub.card import look_up

    card, status = look_up(name)
    if as_json:
        show_json({**card.overview(status), "card": card.body})
        return
    show_card(card, status)


def show_card(card: Card, status: str) -> None:
    """Print a model card: its fields and its figures as tables, then its prose."""
    counts = card.training.rows
    rows = [
        ("name", card.name),
        ("also", ", ".join(card.aliases)),
        ("title", card.title),
        ("predicts", f"{card.target} ({card.unit})" if card.unit else card.target),
        ("transform", "" if card.transform == "identity" else card.transform),
        ("weights", f"{status}, {card.size / 1e6:.2f} MB" if card.size else status),
        ("Hub", f"{card.repo_id}, {f'commit {card.revision}' if card.revision else 'no commit pinned yet'}"),
        ("license", card.hub.license),
        ("network", _named(card.architecture.model_dump() if card.architecture else {}).removeprefix("network ")),
        ("graph", _named(card.graph.model_dump() if card.graph else {})),
        ("elements", ", ".join(card.elements)),
        ("trained on", f"{card.training.source} ({card.training.license})"),
        ("labels", card.training.labels or ""),
        ("rows", f"{counts.train:,} training, {counts.val:,} validation, {counts.test:,} test" if counts else ""),
        ("ids", card.training.ids or ""),
        ("recipe", card.training.recipe if isinstance(card.training.recipe, str) else _named(card.training.recipe)),
        ("made by", card.command or ""),
        *((file.name, f"{file.size:,} bytes, SHA-256 {file.sha256}") for file in card.files),
        ("notes", card.notes),
    ]
    show_table(("", ""), [row for row in rows if row[1]])
    if card.results:
        header = ("metric", "value", "unit", "rows", "number")
        show_text()
        show_table(header, ([r.metric, f"{r.value:.4g}", r.unit, r.rows, f"{r.n:,}"] for r in card.results))
    show_text()
    show_prose(card.body)


def _named(values: Mapping[str, object] | None) -> str:
    """Write names and values on one line, such as ``width 64, convolutions 4``; leave out those that are None."""
    shown = {name.replace("_", " "): value for name, value in (values or {}).items() if value is not None}
    return ", ".join(f"{name} {value}" for name, value in shown.items())
