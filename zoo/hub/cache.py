"""The Hub's cache on this machine: where a commit's files lie, how they get there, and what is in them."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from zoo.errors import CardError, HubError, IntegrityError
from zoo.hub import client
from zoo.hub.locations import repository
from zoo.registry.cards import REQUIRED_FILES, Card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger("zoo")

Origin = Literal["bundled", "cache", "hub", "directory"]

IDS = "splits.json"
"""What a run was trained on: fine-tuning from it counts the test rows that it knows."""

OPTIONAL = ("README.md", IDS)
COMMIT = re.compile(r"[0-9a-f]{40}")

MAX_WEIGHTS = 200_000_000
"""Bytes of weights that are fetched at most, unless a card pins more; a backbone of the shelf has half a million."""

MAX_TEXT = 1_000_000
"""Bytes of any other file that are fetched at most."""


@dataclass(frozen=True)
class Pulled:
    """A checkpoint that lies on this machine.

    Parameters
    ----------
    name : str
        Registered name, ``owner/repo``, or the directory's name.
    directory : Path
        Holds ``model.safetensors`` and ``config.json``.
    origin : {"bundled", "cache", "hub", "directory"}
        Where it was taken from.
    card : Card or None
        Its card; None if it came without a readable one.
    revision : str or None
        Commit on the Hub, if it came from there.
    note : str
        What the user should be told about the choice of origin; often empty.
    digests : mapping of str to str
        SHA-256 of each file; empty for a local directory.
    """

    name: str
    directory: Path
    origin: Origin
    card: Card | None
    revision: str | None
    note: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; raises `IntegrityError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise IntegrityError(f"{path} is missing; install or pull it again") from None
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read: {error.strerror or error}") from error


def digests_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a checkpoint that is there."""
    return {name: sha256(folder / name) for name in (*REQUIRED_FILES, *OPTIONAL) if (folder / name).is_file()}


def limit_of(name: str) -> int:
    """Return how many bytes of a file are fetched at most if nobody pins its size."""
    return MAX_WEIGHTS if name.endswith(".safetensors") else MAX_TEXT


def fetch(repo: str, revision: str, commit: str, name: str, *, limit: int, force: bool) -> Path:
    """Download one file, and see that it is of the commit that was asked for."""
    path = client.download(repo, revision, name, limit=limit, force=force)
    if path.parent.name != commit:
        client.discard(path)
        raise HubError(
            f"{repo}: asked for commit {commit}, but got {path.parent.name}; pull again or check HF_ENDPOINT"
        )
    return path


def cached_commit(repo: str, revision: str) -> str | None:
    """Return the commit that a branch or tag was when it was last pulled."""
    try:
        commit = (repository(repo) / "refs" / revision).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return commit if COMMIT.fullmatch(commit) else None


def is_whole(folder: Path) -> bool:
    """Say whether a folder holds all files of a checkpoint."""
    return all((folder / name).is_file() for name in REQUIRED_FILES)


def card_beside(folder: Path) -> Card | None:
    """Read the card of a checkpoint that needs none."""
    readme = folder / "README.md"
    if not readme.is_file():
        return None
    try:
        return Card.read(readme)
    except CardError as error:
        _log.debug("no card: %s", error)
        return None
