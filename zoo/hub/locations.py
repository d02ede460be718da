"""Locations of weights: next to their card, in the local Hub cache, or only on the Hub.

This module imports nothing slow, because ``zoo list`` uses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import HubError

if TYPE_CHECKING:
    from collections.abc import Mapping

Status = Literal["bundled", "cached", "on the Hub", "not published yet"]

COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class WeightsLocation:
    """Location of a backbone's weights according to its card.

    Parameters
    ----------
    repo_id : str
        ``owner/repo`` on the Hub.
    revision : str or None
        Pinned commit, if they are published.
    folder : Path or None
        Their folder if they are bundled.
    sizes : mapping of str to int
        File names and sizes in bytes.
    """

    repo_id: str
    revision: str | None
    folder: Path | None
    sizes: Mapping[str, int]

    def status(self) -> Status:
        """Return where they are, judged by names and sizes."""
        if self.folder is not None and self._complete(self.folder):
            return "bundled"
        if self.revision is None:  # a card with a revision also lists files
            return "not published yet"
        return "cached" if self._complete(snapshot(self.repo_id, self.revision)) else "on the Hub"

    def _complete(self, folder: Path) -> bool:
        """Whether all files are there."""
        try:
            return all((folder / name).stat().st_size == size for name, size in self.sizes.items())
        except OSError:
            return False


def settings() -> Any:
    """Return the settings of the Hub's own client, which it takes from the environment variables.

    Raises
    ------
    HubError
        If one of them cannot be used.
    """
    try:
        from huggingface_hub import constants  # a few milliseconds; the client itself is not imported
    except ValueError as error:
        raise HubError(unusable_settings(error)) from error
    return constants


def unusable_settings(error: ValueError) -> str:
    """Say that an environment variable makes no sense."""
    return f"the environment variables of the Hub cannot be used ({error}); check HF_ENDPOINT, HF_HUB_… and the proxy's"


def cache_root() -> Path:
    """Return the Hub's cache folder, as ``HF_HOME`` and ``HF_HUB_CACHE`` set it."""
    return Path(settings().HF_HUB_CACHE).expanduser().resolve()


def repository(repo: str) -> Path:
    """Return the folder of a repository in the Hub's cache."""
    return cache_root() / f"models--{repo.replace('/', '--')}"


def snapshot(repo: str, commit: str) -> Path:
    """Return the folder of a commit in the Hub's cache."""
    return repository(repo) / "snapshots" / commit


def noted_commit(repo: str, revision: str) -> str | None:
    """Return the commit of a branch or tag at its last pull by zoo or ``huggingface_hub``."""
    try:
        with (repository(repo) / "refs" / revision).open(encoding="ascii") as file:
            commit = file.read(100).strip()
    except (OSError, UnicodeDecodeError):
        return None
    return commit if COMMIT.fullmatch(commit) else None
