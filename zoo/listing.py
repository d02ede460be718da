"""The shelf as ``zoo list`` shows it, without reading cards that have not changed.

To read and check cards takes a tenth of a second, nearly all of it the imports of what does so. So what is shown of
them is kept in zoo's cache, for as long as their files and this program are the same.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo import __version__, files, places, registry
from zoo.errors import PluginError
from zoo.whereabouts import Weights


@dataclass(frozen=True)
class Listed:
    """What is shown of a card.

    Parameters
    ----------
    overview : dict
        All of it but the prose, as JSON values.
    cells : list of str
        A row of the table, but for where the weights are.
    folder : str or None
        Where the weights lie if they are bundled.
    """

    overview: dict[str, Any]
    cells: list[str]
    folder: str | None

    @property
    def status(self) -> str:
        """Where the weights are."""
        card = self.overview
        sizes = {file["name"]: file["size"] for file in card["files"]}
        return Weights(card["repo_id"], card["revision"], Path(self.folder) if self.folder else None, sizes).status()


def shelf() -> list[Listed]:
    """Return what is shown of all readable cards, in the order of :func:`zoo.registry.cards`."""
    note, state = places.cache("shelf") / "list.json", _state()
    with suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(note.read_text(encoding="utf-8"))
        if state is not None and kept["of"] == state:
            return [Listed(**each) for each in kept["cards"]]
    found = [
        Listed(card.overview(""), list(card.row("")[:-1]), str(registry.weights_folder(card)) if card.bundled else None)
        for card in registry.cards()
    ]
    if state is not None and len(found) == len(state) - 1:  # else one is broken, which is said every time
        with suppress(OSError):
            files.write_text(note, json.dumps({"of": state, "cards": [asdict(each) for each in found]}))
    return found


def _state() -> list[list[Any]] | None:
    """Return what the list hangs on, as JSON values: program and cards, as files; None if a package is broken."""
    program = Path(__file__).with_name("card.py")
    try:
        states = [(path, path.stat()) for path in (program, *registry.files())]
    except (PluginError, OSError):
        return None
    return [[__version__, str(path), state.st_mtime_ns, state.st_size] for path, state in states]
