"""The list of backbones that ``zoo list`` shows, kept so that unchanged cards are not read again.

Reading and checking cards takes a tenth of a second, mostly for imports. The list is therefore kept in zoo's cache, as
long as names, sizes and modification times of the cards and of this program stay the same.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo._utils import VERSION, files
from zoo.errors import PluginError
from zoo.hub.locations import WeightsLocation
from zoo.registry import backbones


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
        card = self.overview
        sizes = {file["name"]: file["size"] for file in card["files"]}
        return WeightsLocation(
            card["repo_id"], card["revision"], Path(self.folder) if self.folder else None, sizes
        ).status()


def shelf() -> list[Listed]:
    """Return what is shown about all readable cards, in the order of :func:`zoo.registry.backbones.cards`."""
    state, note = _state(), _note()
    if state is None or note is None:
        return _read()
    kept = _kept(note)
    if kept is not None and kept["of"] == state:
        return [Listed(**each) for each in kept["cards"]]
    found = _read()
    if len(found) == len(state["cards"]):  # otherwise one is broken, and a warning is due every time
        text = json.dumps({"of": state, "cards": [asdict(each) for each in found]})
        with suppress(OSError):
            files.write_text(note, f"{_digest(text)}\n{text}")
    return found


def _read() -> list[Listed]:
    return [
        Listed(
            card.overview(""), list(card.row("")[:-1]), str(backbones.weights_folder(card)) if card.bundled else None
        )
        for card in backbones.cards()
    ]


def _note() -> Path | None:
    """Return the file in which the list is kept, or None if there is no home folder."""
    try:
        return files.cache_folder("shelf") / "list.json"
    except RuntimeError:
        return None


def _kept(note: Path) -> Any:
    """Return the list that is kept, if there is one and it is intact."""
    try:
        digest, _, text = note.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return json.loads(text) if digest == _digest(text) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _state() -> dict[str, Any] | None:
    """Return what the list depends on, program and cards, as JSON values; None if a package is broken."""
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
