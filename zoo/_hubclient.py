"""The one place that calls the Hugging Face Hub's client, and puts its errors into our words.

Every error becomes a `HubError` of one line that names the next step. No message repeats a header, a token or
a password in an address.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import __version__
from zoo.card import LIBRARY
from zoo.errors import HubError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG_IN = "log in with 'hf auth login' or set HF_TOKEN"


@dataclass(frozen=True)
class Remote:
    """A repository's state at one commit: the commit and the names of its files."""

    commit: str
    files: frozenset[str]


def cache_root() -> Path:
    """Return the Hub's cache folder, as ``HF_HOME`` and ``HF_HUB_CACHE`` set it."""
    from huggingface_hub import constants  # a few milliseconds; the client itself is not imported

    return Path(constants.HF_HUB_CACHE).expanduser().resolve()


def endpoint() -> str:
    """Return the Hub's address (``HF_ENDPOINT``), without a user name or password that may be in it."""
    from huggingface_hub import constants

    return re.sub(r"//[^/@]*@", "//", str(constants.ENDPOINT))


def resolve(repo: str, revision: str | None) -> Remote:
    """Ask which commit a revision is and which files it has; one request, not repeated.

    The client itself repeats a failed request for half a minute, which is too long to find out that there is
    no network, so this question goes first.
    """
    from huggingface_hub import HfApi, constants

    with _translated(repo, revision):
        info = HfApi(library_name=LIBRARY, library_version=__version__).model_info(
            repo, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
        if not re.fullmatch("[0-9a-f]{40}", info.sha or ""):
            raise ValueError("no commit in the answer")
        return Remote(str(info.sha), frozenset(file.rfilename for file in info.siblings or []))


def download(repo: str, revision: str, name: str, *, force: bool) -> Path:
    """Fetch one file into the client's cache and return its path there, ``snapshots/COMMIT/NAME``."""
    from huggingface_hub import hf_hub_download

    with _translated(repo, revision, name):
        path = hf_hub_download(
            repo,
            name,
            revision=revision,
            force_download=force,
            library_name=LIBRARY,
            library_version=__version__,
        )
    return Path(path)


def ping(timeout: float) -> int:
    """Send the Hub one small request and return the status of its answer."""
    from huggingface_hub import constants, get_session

    with _translated("", None):
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
def _translated(repo: str, revision: str | None, name: str = "") -> Iterator[None]:
    """Turn whatever the client raises into a `HubError`."""
    from huggingface_hub.errors import HfHubHTTPError

    # The client builds on httpx or on its successor, depending on the release.
    http_error: Any = HfHubHTTPError.__bases__[0]
    http: Any = sys.modules[http_error.__module__.partition(".")[0]]
    try:
        yield
    # The last four: an answer that is not of the Hub's form, on which the client's parsing fails.
    except (http_error, http.InvalidURL, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HubError(_explain(error, http, repo, revision, name)) from error


def _explain(error: BaseException, http: Any, repo: str, revision: str | None, name: str) -> str:
    """Say in one line what happened and what to do next."""
    from huggingface_hub import errors

    hub = endpoint()
    at = f" at revision {revision}" if revision else ""
    if isinstance(error, errors.OfflineModeIsEnabled):
        wanted = f" and {repo} is not in the cache ({cache_root()})" if repo else ""
        return f"HF_HUB_OFFLINE is set{wanted}; unset it to go online"
    # The client wraps the failure of its first question; what it wraps says more.
    wrapped = isinstance(error, errors.LocalEntryNotFoundError | ValueError)
    if wrapped and isinstance(error.__cause__, http.HTTPError | OSError):
        return _explain(error.__cause__, http, repo, revision, name)
    if isinstance(error, errors.GatedRepoError):  # a child of RepositoryNotFoundError, so it comes first
        return f"{repo} is gated: ask for access at {hub}/{repo}, then {_LOG_IN}"
    if isinstance(error, errors.DisabledRepoError):
        return f"{repo} has been disabled by the Hub; see {hub}/{repo}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repo} has no revision {revision}; see {hub}/{repo}/commits/main"
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return f"{repo} has no file {name}{at}; see {hub}/{repo}/tree/{revision or 'main'}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no model {repo} at {hub}, or it is private: check the name, or {_LOG_IN}"
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_status(error.response.status_code, hub, repo)
    if isinstance(error, http.TimeoutException):
        more = "HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT"
        return f"{hub} does not answer in time; try again, or allow it more seconds with {more}"
    if isinstance(error, http.TransportError):
        reason = str(error).strip().splitlines()
        said = f" ({reason[0][:100]})" if reason and "@" not in reason[0] else ""
        return f"{hub} cannot be reached{said}; check the network, the proxy and HF_ENDPOINT"
    if isinstance(error, OSError) and error.errno:  # the system's own error; a network's would be http's
        return f"cannot use the cache {cache_root()}: {error.strerror}; make room there or set HF_HOME"
    if isinstance(error, OSError) and "Consistency check" in str(error):
        return f"the download of {name} from {repo} broke off or has the wrong length; pull it again"
    return f"{hub} does not answer as a Hub does ({type(error).__name__}); check HF_ENDPOINT and the proxy"


def _explain_status(status: int, hub: str, repo: str) -> str:
    """Put a status that has no error of its own into words."""
    if status == 401:
        return f"{hub} does not accept the token that was sent; {_LOG_IN} again"
    if status == 403:
        return f"{hub} forbids access to {repo} (403); check the token's permissions, or {_LOG_IN}"
    if status == 429:
        return f"{hub} has had too many requests from here (429); wait a few minutes, or {_LOG_IN}"
    if status >= 500:
        return f"{hub} is out of order (status {status}); try again later, or set HF_ENDPOINT to a mirror"
    return f"{hub} refused {repo} (status {status}); see {hub}/{repo}"
