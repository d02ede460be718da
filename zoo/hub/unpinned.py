"""Repositories that no card pins, ``hf://owner/repo``: what they are is noted, and changes are noticed."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from zoo.errors import HubError, IntegrityError
from zoo.hub import client, history
from zoo.hub.cache import (
    COMMIT,
    OPTIONAL,
    Origin,
    Pulled,
    cached_commit,
    card_beside,
    digests_of,
    fetch,
    is_whole,
    limit_of,
    sha256,
)
from zoo.hub.errors import offline
from zoo.hub.locations import snapshot
from zoo.registry.cards import REQUIRED_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger("zoo")


def from_reference(repo: str, revision: str | None, *, force: bool) -> Pulled:
    """Take a repository that no card pins; see :func:`zoo.hub.pull.pull`."""
    pinned = revision is not None and COMMIT.fullmatch(revision) is not None
    if revision and pinned and not force and is_whole(snapshot(repo, revision)) and not _rotten(repo, revision):
        return _as_pulled(repo, revision, revision, "cache")
    there = revision if pinned else cached_commit(repo, revision or "main")
    if offline() and there and not force and is_whole(snapshot(repo, there)) and not _rotten(repo, there):
        note = "" if pinned else f"HF_HUB_OFFLINE is set. Took commit {there[:12]}, the last one that was pulled."
        return _as_pulled(repo, None, there, "cache", note)
    try:
        remote = client.resolve(repo, revision)
    except HubError as error:
        if force or not there or not is_whole(snapshot(repo, there)) or _rotten(repo, there):
            raise
        return _as_pulled(repo, None, there, "cache", f"{error}. Took commit {there[:12]} from the cache.")
    if pinned and remote.commit != revision:
        raise HubError(f"{repo}: asked for commit {revision}, but got {remote.commit}; check HF_ENDPOINT")
    missing = [name for name in REQUIRED_FILES if name not in remote.files]
    if missing:
        raise HubError(f"{repo} holds no {' and no '.join(missing)}; zoo loads nothing else")
    # A card that is too large is left out; weights and configuration must be there, and must fit.
    cards = [name for name in OPTIONAL if name in remote.files and (remote.files[name].size or 0) <= limit_of(name)]
    names = [*REQUIRED_FILES, *cards]
    for name in names:
        size = remote.files[name].size
        if size is not None and size > limit_of(name):
            raise HubError(
                f"{name} of {repo} has {size:,} bytes, but zoo takes {limit_of(name):,}; nothing was downloaded: "
                "no checkpoint of zoo's is so large"
            )
    folder = snapshot(repo, remote.commit)
    cached = not force and all((folder / name).is_file() for name in names) and not _rotten(repo, remote.commit)
    for name in names:
        # By the revision's own name: the client then notes its commit, for the day without a network.
        path = fetch(repo, revision or "main", remote.commit, name, limit=limit_of(name), force=force)
        _check_announced(repo, path, remote.files[name].sha256)
    if not pinned:
        _warn_unpinned(repo, remote.commit)
    return _as_pulled(repo, revision or "main", remote.commit, "cache" if cached else "hub")


def _as_pulled(repo: str, revision: str | None, commit: str, origin: Origin, note: str = "") -> Pulled:
    """Describe a repository in the cache; compare it with what it was, and note what it is under `revision`."""
    folder = snapshot(repo, commit)
    digests = digests_of(folder)
    for name, digest in digests.items():
        _log.info("%s@%s: %s has SHA-256 %s", repo, commit[:12], name, digest)
    if revision:
        _compare_with_commit(repo, commit, digests)
        before = history.recall(repo, revision)
        changed = _changed(before.files, digests) if before else []
        if before and changed:
            _log.warning(
                "%s@%s holds other bytes than on %s: %s. What you had then is hf://%s@%s",
                repo,
                revision,
                before.date,
                "; ".join(changed),
                repo,
                before.commit,
            )
        history.note(repo, revision, commit, digests)
    return Pulled(repo, folder, origin, card_beside(folder), commit, note, digests)


def _check_announced(repo: str, path: Path, announced: str | None) -> None:
    """Delete a file that is not what the Hub itself says it is, and raise an error."""
    if announced is None and path.is_symlink() and re.fullmatch("[0-9a-f]{64}", path.readlink().name):
        announced = path.readlink().name  # the client names large files after the SHA-256 in the Hub's ETag
    found = sha256(path)
    if announced is not None and found != announced:
        client.discard(path)
        raise IntegrityError(
            f"{repo}: {path.name} has SHA-256 {found}, but the Hub announces {announced}; the file was deleted. "
            "Pull again, and distrust the source if this stays"
        )


def _compare_with_commit(repo: str, commit: str, digests: Mapping[str, str]) -> None:
    """Raise an error if a commit, which never changes, has changed; such files are deleted."""
    before = history.recall(repo, commit)
    changed = _changed(before.files, digests) if before else []
    if before and changed:
        for name in digests:
            client.discard(snapshot(repo, commit) / name)
        raise IntegrityError(
            f"{repo}@{commit} holds other bytes than on {before.date}, which a commit never does: {'; '.join(changed)}"
            ". The files were deleted; distrust the source"
        )


def _rotten(repo: str, commit: str) -> bool:
    """Whether the cache holds other bytes than were pulled; then they are deleted, and pulled again."""
    folder = snapshot(repo, commit)
    before = history.recall(repo, commit)
    found = digests_of(folder)
    rotten = [name for name in found if before and before.files.get(name, found[name]) != found[name]]
    for name in rotten:
        _log.warning("%s in the cache has changed since it was pulled; deleted, pulling it again", folder / name)
        client.discard(folder / name)
    return bool(rotten)


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Say which files of a checkpoint differ; its card may change."""
    return [
        f"{name} had SHA-256 {before[name]}, and now {now.get(name, 'is missing')}"
        for name in REQUIRED_FILES
        if name in before and before[name] != now.get(name)
    ]


@lru_cache(maxsize=256)
def _warn_unpinned(repo: str, commit: str) -> None:
    """Warn once that the bytes may be others tomorrow."""
    _log.warning("the bytes of %s are not pinned; hf://%s@%s always means these", repo, repo, commit)
