"""Repositories without a pinning card (``hf://owner/repo``): digests are recorded and changes detected."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from zoo.errors import HubError, IntegrityError
from zoo.hub import history
from zoo.hub.cache import (
    OPTIONAL,
    Expected,
    Origin,
    Pulled,
    card_beside,
    digests_of,
    discard,
    fetch,
    is_whole,
    limit_of,
    note_commit,
)
from zoo.hub.client import Client, Remote
from zoo.hub.locations import COMMIT, noted_commit, settings, snapshot
from zoo.registry.cards import REQUIRED_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("zoo")


def from_reference(repo: str, revision: str | None, *, force: bool) -> Pulled:
    """Take a repository that no card pins; see :func:`zoo.hub.pull.pull`."""
    constants = settings()
    pinned = revision is not None and COMMIT.fullmatch(revision) is not None
    there = revision if pinned else noted_commit(repo, revision or "main")

    def is_usable(commit: str | None) -> bool:
        return commit is not None and not force and is_whole(snapshot(repo, commit)) and not _has_changed(repo, commit)

    if there and (pinned or constants.HF_HUB_OFFLINE) and is_usable(there):
        note = "" if pinned else f"HF_HUB_OFFLINE is set. Took commit {there[:12]}, the last one that was pulled."
        return _as_pulled(repo, revision if pinned else None, there, "cache", note)
    if constants.HF_HUB_OFFLINE:
        raise HubError(f"HF_HUB_OFFLINE is set and {repo} is not in the cache; unset it to go online")
    with Client() as hub:
        try:
            remote = hub.resolve(repo, revision)
        except HubError as error:
            if there is None or not is_usable(there):
                raise
            return _as_pulled(repo, None, there, "cache", f"{error}. Took commit {there[:12]} from the cache.")
        if pinned and remote.commit != revision:
            raise HubError(f"{repo}: asked for commit {revision}, but got {remote.commit}; check HF_ENDPOINT")
        names = _names(repo, remote)
        folder = snapshot(repo, remote.commit)
        cached = not force and all((folder / name).is_file() for name in names)
        if not cached or _has_changed(repo, remote.commit):
            cached = False
            for name in names:
                if force or not (folder / name).is_file():
                    said = remote.files[name]
                    fetch(hub, repo, remote.commit, name, Expected(said.size, said.sha256, said.git_sha1))
    if not pinned:
        warn_unpinned(repo, remote.commit)
        note_commit(repo, revision or "main", remote.commit)
    return _as_pulled(repo, revision or "main", remote.commit, "cache" if cached else "hub")


def _names(repo: str, remote: Remote) -> list[str]:
    """Return the files to fetch; raises `HubError` if one is missing or too large."""
    missing = [name for name in REQUIRED_FILES if name not in remote.files]
    if missing:
        raise HubError(f"{repo} holds no {' and no '.join(missing)}; zoo loads nothing else")
    for name in REQUIRED_FILES:
        size = remote.files[name].size
        if size is not None and size > limit_of(name):
            raise HubError(
                f"{name} of {repo} has {size:,} bytes, but zoo takes {limit_of(name):,}; nothing was downloaded: "
                "no checkpoint of zoo's is so large"
            )
    # A card that is too large is skipped; weights and configuration must exist and be within limits.
    cards = [name for name in OPTIONAL if name in remote.files and (remote.files[name].size or 0) <= limit_of(name)]
    return [*REQUIRED_FILES, *cards]


def _as_pulled(repo: str, revision: str | None, commit: str, origin: Origin, note: str = "") -> Pulled:
    """Describe a cached repository, compare it with its last state, and record its state under `revision`."""
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


def _compare_with_commit(repo: str, commit: str, digests: Mapping[str, str]) -> None:
    """Raise an error if the files of a commit have changed, and delete them."""
    before = history.recall(repo, commit)
    changed = _changed(before.files, digests) if before else []
    if before and changed:
        for name in digests:
            discard(snapshot(repo, commit) / name)
        raise IntegrityError(
            f"{repo}@{commit} has other bytes than on {before.date}, but commits never change: {'; '.join(changed)}"
            ". The files were deleted; do not trust the source"
        )


def _has_changed(repo: str, commit: str) -> bool:
    """Return whether cached files have changed since they were pulled, and delete those that have."""
    folder = snapshot(repo, commit)
    before = history.recall(repo, commit)
    found = digests_of(folder)
    changed = [name for name in found if before and before.files.get(name, found[name]) != found[name]]
    for name in changed:
        _log.warning("%s in the cache has changed since it was pulled; deleted, pulling it again", folder / name)
        discard(folder / name)
    return bool(changed)


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return which files of a checkpoint differ; its card may change."""
    return [
        f"{name} had SHA-256 {before[name]}, and now {now.get(name, 'is missing')}"
        for name in REQUIRED_FILES
        if name in before and before[name] != now.get(name)
    ]


@lru_cache(maxsize=256)
def warn_unpinned(repo: str, commit: str) -> None:
    """Warn that the bytes are not pinned and may change."""
    _log.warning("the bytes of %s are not pinned; hf://%s@%s always means these", repo, repo, commit)
