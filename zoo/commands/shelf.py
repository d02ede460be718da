"""``zoo list`` and ``zoo show``: the registered backbones and their cards."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo._utils import VERSION, files
from zoo.commands.console import show_json, show_prose, show_table, show_text, terminal_width
from zoo.commands.options import Command, common, json_option, names
from zoo.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.registry.cards import Card


WIDE = 110
"""Number of columns from which the list has room for every word."""


@click.command(
    "list",
    cls=Command,
    examples=[
        ("What is there, one line a backbone", "zoo list"),
        ("All that the cards say, for a program", "zoo list --json"),
    ],
)
@json_option
@common
def list_backbones(as_json: bool) -> None:
    """List the registered backbones."""
    cards = listed()
    if as_json:
        show_json([{**card.overview, "weights": card.status} for card in cards])
        return
    header = ("name", "target", "unit", "training rows", "test MAE", "size", "weights")
    drop = ("size", "training rows", "weights", "test MAE")
    width = terminal_width(sys.stdout)
    brief = {"not published yet": "unpublished"} if width and width < WIDE else {}
    rows = ([*card.cells, brief.get(card.status, card.status)] for card in cards)
    show_table(header, rows, keep=("name",), drop=drop)
    for card in cards:
        if labels := card.overview["training"]["labels"]:
            show_text(f"{card.overview['name']}: {labels}")


@click.command(
    cls=Command,
    examples=[
        ("A backbone: what it was trained on, its errors and limits", "zoo show multi-113k"),
        ("A run of your own", "zoo show runs/dielectric-multi-113k"),
    ],
)
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
    shortened = (lambda digest: f"{digest[:16]}…") if terminal_width(sys.stdout) else str  # pipes get the digests whole
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
        *((file.name, f"{file.size:,} bytes, SHA-256 {shortened(file.sha256)}") for file in card.files),
        ("notes", card.notes),
    ]
    show_table(("", ""), [row for row in rows if row[1]])
    if card.results:
        show_text()
        header = ("target", "metric", "value", "unit", "rows", "number")
        results = [
            [r.target or card.target, r.metric, f"{r.value:.4g}", r.unit, r.rows, f"{r.n:,}"] for r in card.results
        ]
        first = 0 if card.other_targets else 1  # one target needs no column
        show_table(header[first:], [row[first:] for row in results], drop=("number",))
    show_text()
    show_prose(card.body)


def _named(values: Mapping[str, object] | None) -> str:
    """Format names and values on one line, such as ``width 64, convolutions 4``, omitting None."""
    shown = {name.replace("_", " "): value for name, value in (values or {}).items() if value is not None}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


@dataclass(frozen=True)
class Listed:
    """What is shown about a backbone.

    Parameters
    ----------
    overview : dict
        All fields of its card but the prose, as JSON values.
    cells : list of str
        Its row of the table, without the last cell.
    folder : str or None
        Folder of the weights, if they are bundled.
    """

    overview: dict[str, Any]
    cells: list[str]
    folder: str | None

    @property
    def status(self) -> str:
        """Where the weights are."""
        from zoo.hub.locations import WeightsLocation

        card = self.overview
        sizes = {file["name"]: file["size"] for file in card["files"]}
        return WeightsLocation(
            card["repo_id"], card["revision"], Path(self.folder) if self.folder else None, sizes
        ).status()


def listed() -> list[Listed]:
    """Return what is shown about all readable cards, in the order of :func:`zoo.registry.backbones.cards`.

    Reading and checking cards takes a tenth of a second, mostly for imports. The list is therefore kept in zoo's cache,
    as long as names, sizes and modification times of the cards and of this program stay the same.
    """
    state, note = _state(), _note()
    if state is None or note is None:
        return _read()
    kept = _kept(note)
    if kept is not None and kept["of"] == state:
        return [Listed(**each) for each in kept["cards"]]
    found = _read()
    if len(found) == len(state["cards"]):  # otherwise a card is broken and must be reported every time
        text = json.dumps({"of": state, "cards": [asdict(each) for each in found]})
        with suppress(OSError):
            files.write_text(note, f"{_digest(text)}\n{text}")
    return found


def _read() -> list[Listed]:
    from zoo.registry import backbones

    return [
        Listed(
            card.overview(""), list(card.row("")[:-1]), str(backbones.weights_folder(card)) if card.bundled else None
        )
        for card in backbones.cards()
    ]


def _note() -> Path | None:
    """Return the path of the cached list, or None if there is no home folder."""
    try:
        return files.cache_folder("shelf") / "list.json"
    except RuntimeError:
        return None


def _kept(note: Path) -> Any:
    """Return the cached list if it exists and is intact."""
    try:
        digest, _, text = note.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return json.loads(text) if digest == _digest(text) else None


def _digest(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode()).hexdigest()


def _state() -> dict[str, Any] | None:
    """Return the state of the program and the cards on which the list depends; None if a package is broken."""
    from zoo.registry import backbones

    here = Path(__file__)
    program = [here, *(here.parents[1] / "registry" / name for name in ("cards.py", "backbones.py"))]
    try:
        cards = [_file(path) for path in backbones.files()]
        return {"version": VERSION, "program": [_file(path) for path in program], "cards": cards}
    except (PluginError, OSError):
        return None


def _file(path: Path) -> list[Any]:
    state = path.stat()
    return [str(path), state.st_mtime_ns, state.st_size]
