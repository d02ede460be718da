"""Where a backbone's weights are: beside its card, in the Hub's cache, or neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.hub.errors import cache_root

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Status = Literal["bundled", "cached", "on the Hub", "not published yet"]


@dataclass(frozen=True)
class Weights:
    """What a card says of a backbone's weights.

    Parameters
    ----------
    repo_id : str
        ``owner/repo`` on the Hub.
    revision : str or None
        Pinned commit, if they are published.
    folder : Path or None
        Where they lie if they are bundled.
    sizes : mapping of str to int
        Names of their files, and bytes of each.
    """

    repo_id: str
    revision: str | None
    folder: Path | None
    sizes: Mapping[str, int]

    def status(self) -> Status:
        """Say where they are, from names and sizes alone."""
        if self.folder is not None and self._complete(self.folder):
            return "bundled"
        if self.revision is None:  # a card that has one has files, too
            return "not published yet"
        return "cached" if self._complete(snapshot(self.repo_id, self.revision)) else "on the Hub"

    def _complete(self, folder: Path) -> bool:
        """Whether all files are there."""
        try:
            return all((folder / name).stat().st_size == size for name, size in self.sizes.items())
        except OSError:
            return False


def repository(repo: str) -> Path:
    """Return the folder of a repository in the Hub's cache."""
    return cache_root() / f"models--{repo.replace('/', '--')}"


def snapshot(repo: str, commit: str) -> Path:
    """Return the folder of a commit in the Hub's cache."""
    return repository(repo) / "snapshots" / commit
