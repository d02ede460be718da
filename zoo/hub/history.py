"""History of unpinned repositories: commit and digests at the last pull.

They are kept in one small JSON file per repository and Hub in zoo's cache, so that changed bytes under the same
revision are noticed at the next pull.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zoo._utils import bounded
from zoo._utils.files import cache_folder, write_text
from zoo.hub.errors import endpoint
from zoo.hub.locations import COMMIT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger("zoo")

KEPT = 100
"""Number of revisions remembered per repository."""


@dataclass(frozen=True)
class Snapshot:
    """State of a revision: its commit, the SHA-256 of each file, and the date (UTC)."""

    commit: str
    files: Mapping[str, str]
    date: str


def recall(repo: str, revision: str) -> Snapshot | None:
    """Return the state of a revision at its last pull; None if it was never pulled."""
    return _read(repo).get(revision)


def note(repo: str, revision: str, commit: str, files: Mapping[str, str]) -> None:
    """Record the state of a revision, under its name and under its commit.

    If the record cannot be written, a warning is logged and the pull continues.
    """
    seen = Snapshot(commit, dict(files), datetime.now(UTC).date().isoformat())
    known = _read(repo)
    if all(name in known and known[name].files == seen.files for name in (revision, commit)) and (
        known[revision].commit == commit
    ):
        return
    for name in (revision, commit):
        known.pop(name, None)
        known[name] = seen
    latest = dict(list(known.items())[-KEPT:])
    path = _path(repo)
    try:
        write_text(path, json.dumps({name: asdict(each) for name, each in latest.items()}, indent=1))
    except OSError as error:
        _log.warning("%s: cannot note what was pulled (%s); changes of %s will go unnoticed", path, error, repo)


def _path(repo: str) -> Path:
    # Separate per Hub: a mirror's repository of the same name is a different one.
    hub = hashlib.sha256(endpoint().encode()).hexdigest()[:8]
    return cache_folder("seen") / f"{repo.replace('/', '--')}-{hub}.json"


def _read(repo: str) -> dict[str, Snapshot]:
    path = _path(repo)
    try:
        data = bounded.read_json(path)
        found = {str(name): Snapshot(str(s["commit"]), dict(s["files"]), str(s["date"])) for name, s in data.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("%s cannot be read (%s); what was pulled before is forgotten", path, error)
        return {}
    return {name: seen for name, seen in found.items() if COMMIT.fullmatch(seen.commit)}
