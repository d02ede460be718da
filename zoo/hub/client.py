"""The one place that calls the Hugging Face Hub's client."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zoo._utils.version import VERSION
from zoo.errors import HubError
from zoo.hub._limits import PATIENCE, Wanted, bounded_bar, wanted_now, watched
from zoo.hub.errors import answer_to, broke_off, cache_root, endpoint, retry_after, translated
from zoo.registry.cards import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["cache_root", "endpoint"]

T = TypeVar("T")

_PAUSES = (0.5, 1.5)
_PASSING = (500, 502, 503, 504)


@dataclass(frozen=True)
class Remote:
    """A repository's state at one commit.

    Parameters
    ----------
    commit : str
    files : mapping of str to File
        What the Hub says of each file: size in bytes, and the SHA-256 or git's SHA-1, as far as it tells.
    """

    commit: str
    files: Mapping[str, RemoteFile]


@dataclass(frozen=True)
class RemoteFile:
    """What the Hub says of a file; None for what it does not say."""

    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None


def resolve(repo: str, revision: str | None) -> Remote:
    """Ask which commit a revision is and which files it has.

    The client itself repeats a failed request for half a minute, which is too long to find out that there is
    no network, so this question goes first. Only a server that is out of order is asked up to three times.
    """
    from huggingface_hub import constants

    with watched(), translated(repo, revision):
        info = _patiently(
            lambda: _api().model_info(
                repo, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT
            )
        )
        if not re.fullmatch("[0-9a-f]{40}", info.sha or ""):
            raise ValueError("no commit in the answer")
        files = {
            file.rfilename: RemoteFile(
                file.size if file.size is not None else (file.lfs.size if file.lfs else None),
                file.lfs.sha256 if file.lfs else None,
                None if file.lfs else file.blob_id,
            )
            for file in info.siblings or []
        }
        return Remote(str(info.sha), files)


def download(repo: str, revision: str, name: str, *, limit: int, force: bool) -> Path:
    """Fetch one file of at most `limit` bytes into the client's cache; returns ``snapshots/COMMIT/NAME`` there."""
    from huggingface_hub import hf_hub_download

    wanted = Wanted(repo, name, limit)
    token = wanted_now.set(wanted)
    try:
        with watched(), translated(repo, revision, name):
            path = _patiently(
                lambda: hf_hub_download(
                    repo,
                    name,
                    revision=revision,
                    force_download=force,
                    library_name=LIBRARY,
                    library_version=VERSION,
                    tqdm_class=bounded_bar(wanted),
                )
            )
    finally:
        wanted_now.reset(token)
    return Path(path)


def create(repo: str, *, private: bool, branch: str | None) -> None:
    """Create a repository, and a branch in it, unless they exist.

    Raises
    ------
    HubError
        If it is not allowed; or if it should be private and exists, open to all.
    """
    with watched(), translated(repo, branch, writing=True):
        _api().create_repo(repo, private=private or None, exist_ok=True)
        if private and _api().model_info(repo).private is False:
            raise HubError(
                f"{repo} exists on {endpoint()} and is public; nothing was sent. "
                "Make it private there, choose another name, or leave --private out"
            )
        if branch and branch != "main":
            _api().create_branch(repo, branch=branch, exist_ok=True)


def commit(
    repo: str, files: Mapping[str, bytes], *, message: str, revision: str | None, create_pr: bool
) -> tuple[str, str, str | None]:
    """Send files as one commit; returns the commit, the address to see it at, and that of the pull request."""
    from huggingface_hub import CommitOperationAdd

    # As streams: the client then sends over http, which every Hub takes and which is watched here, and not by Xet.
    operations = [CommitOperationAdd(name, io.BytesIO(data)) for name, data in files.items()]
    with watched(), translated(repo, revision, writing=True):
        done = _api().create_commit(repo, operations, commit_message=message, revision=revision, create_pr=create_pr)
        if not re.fullmatch("[0-9a-f]{40}", done.oid or ""):
            raise ValueError("no commit in the answer")
        return str(done.oid), str(done.commit_url), done.pr_url


def models(*, limit: int) -> list[dict[str, Any]]:
    """Return the models of our library; each with id, commit, downloads, tags and the metadata of its card."""
    from huggingface_hub import constants

    ping(constants.HF_HUB_ETAG_TIMEOUT)  # as in `resolve`: without a network a list is asked for six times
    with watched(), translated("", None):
        found = _patiently(lambda: list(_api().list_models(filter=LIBRARY, limit=limit, full=True, cardData=True)))
        return [
            {
                "id": str(model.id),
                "commit": model.sha,
                "downloads": model.downloads,
                "tags": list(model.tags or []),
                "card": dict(vars(model.card_data)) if model.card_data else {},
            }
            for model in found
        ]


def ping(timeout: float) -> int:
    """Send the Hub one small request and return the status of its answer."""
    from huggingface_hub import constants, get_session

    with watched(), translated("", None):
        return int(get_session().head(f"{constants.ENDPOINT}/api/models", timeout=timeout).status_code)


def discard(path: Path) -> None:
    """Delete a cached file: the link in the snapshot, and the repository's bytes that it points to.

    Raises
    ------
    HubError
        If it cannot be deleted.
    """
    repository = path.parents[2]  # REPOSITORY/snapshots/COMMIT/NAME
    snapshot = path.parent
    while True:
        target = Path(os.path.normpath(path.parent / path.readlink())) if path.is_symlink() else None
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise HubError(f"{path} is damaged and cannot be deleted: {error.strerror}; delete it") from error
        if target is None or not target.is_relative_to(repository):
            break
        path = target
    with contextlib.suppress(OSError):  # other files are left in it
        snapshot.rmdir()


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Show no progress bars of the client's, unless ``HF_HUB_DISABLE_PROGRESS_BARS=0`` insists on them."""
    from huggingface_hub import constants
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if constants.HF_HUB_DISABLE_PROGRESS_BARS is not None or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _api() -> Any:
    from huggingface_hub import HfApi

    return HfApi(library_name=LIBRARY, library_version=VERSION)


def _patiently(call: Callable[[], T]) -> T:
    """Repeat a call that breaks off, or that a server fails at for a moment or asks to wait for a short time."""
    for pause in _PAUSES:
        try:
            return call()
        except Exception as error:
            answer = answer_to(error)
            if answer is None and broke_off(error):  # older clients do not resume by themselves
                time.sleep(pause)
                continue
            if answer is None or answer.status_code not in (*_PASSING, 429):
                raise
            asked = retry_after(answer)
            if answer.status_code == 429 and (asked is None or asked > PATIENCE):
                raise
            time.sleep(pause if asked is None else min(asked, PATIENCE))
    return call()


def git_sha1(data: bytes) -> str:
    """Return the name that git gives to a file of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def same(remote: Remote, name: str, data: bytes, sha256: str) -> bool:
    """Say whether the Hub has these bytes under this name, as far as it tells."""
    there = remote.files.get(name)
    return there is not None and (there.sha256 == sha256 or (bool(there.git_sha1) and there.git_sha1 == git_sha1(data)))
