"""The shelf as ``zoo list`` shows it, without reading cards that have not changed.

Reading and checking cards takes a tenth of a second, most of it for imports. So what the list shows is kept in zoo's
cache while the names, sizes and modification times of the cards and of this program stay the same.
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
        return WeightsLocation(
            card["repo_id"], card["revision"], Path(self.folder) if self.folder else None, sizes
        ).status()


def shelf() -> list[Listed]:
    """Return what is shown of all readable cards, in the order of :func:`zoo.registry.backbones.cards`."""
    state, note = _state(), _note()
    if state is None or note is None:
        return _read()
    kept = _kept(note)
    if kept is not None and kept["of"] == state:
        return [Listed(**each) for each in kept["cards"]]
    found = _read()
    if len(found) == len(state["cards"]):  # else one is broken, which is said every time
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
    """Return where what is shown is kept, or None where nobody has a home."""
    try:
        return files.cache_folder("shelf") / "list.json"
    except RuntimeError:
        return None


def _kept(note: Path) -> Any:
    """Read a note that is as it was written, if there is one."""
    try:
        digest, _, text = note.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return json.loads(text) if digest == _digest(text) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _state() -> dict[str, Any] | None:
    """Return what the list hangs on, program and cards, as JSON values; None if a package is broken."""
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
