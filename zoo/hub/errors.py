"""What the Hugging Face Hub's client raises, in our words.

Every error becomes a `HubError` of one line that names the next step. No message repeats a header, a token or
a password in an address.
"""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import HubError, ZooError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG_IN = "log in with 'hf auth login' or set HF_TOKEN"


def cache_root() -> Path:
    """Return the Hub's cache folder, as ``HF_HOME`` and ``HF_HUB_CACHE`` set it."""
    from huggingface_hub import constants  # a few milliseconds; the client itself is not imported

    return Path(constants.HF_HUB_CACHE).expanduser().resolve()


def endpoint() -> str:
    """Return the Hub's address (``HF_ENDPOINT``), without a user name or password that may be in it."""
    from huggingface_hub import constants

    return without_password(str(constants.ENDPOINT))


def offline() -> bool:
    """Say whether ``HF_HUB_OFFLINE`` is set."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def without_password(text: str) -> str:
    """Take user names and passwords out of the addresses in a text.

    >>> without_password("GET https://me:secret@mirror.example/api")
    'GET https://mirror.example/api'
    """
    return re.sub(r"//[^/@\s]*@", "//", text)


def without_secrets(text: str) -> str:
    """Take passwords, tokens of the Hub's form, and the token in use out of a text."""
    from huggingface_hub import get_token

    token = get_token()
    text = without_password(text)
    return TOKEN.sub("(token)", text.replace(token, "(token)") if token else text)


TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}\b")
"""What the Hub's tokens look like."""


@contextlib.contextmanager
def translated(repo: str, revision: str | None, name: str = "", *, writing: bool = False) -> Iterator[None]:
    """Turn whatever the client raises into a `HubError`.

    Parameters
    ----------
    repo, revision, name : str
        What was asked for; empty if it was no repository or no file.
    writing : bool
        Whether the request was to change something on the Hub.
    """
    from huggingface_hub.errors import HfHubHTTPError

    # The client builds on httpx or on its successor, depending on the release.
    http_error: Any = HfHubHTTPError.__bases__[0]
    http: Any = sys.modules[http_error.__module__.partition(".")[0]]
    try:
        yield
    # The last five: an answer that is not of the Hub's form, on which the client's parsing fails; and what its
    # threads make of an error.
    except (
        http_error,
        http.InvalidURL,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
    ) as error:
        if isinstance(error.__cause__, ZooError):
            raise error.__cause__ from error
        if type(error) is RuntimeError and error.__cause__ is None:  # nothing that the client wraps
            raise
        raise HubError(_explain(error, http, repo, revision, name, writing=writing)) from error


def answer_to(error: BaseException) -> Any:
    """Return the Hub's answer that an error is about, through what the client wraps around it, if any."""
    from huggingface_hub.errors import HfHubHTTPError

    while error.__cause__ is not None and not isinstance(error, HfHubHTTPError):
        error = error.__cause__
    return error.response if isinstance(error, HfHubHTTPError) else None


def broke_off(error: BaseException) -> bool:
    """Say whether a connection ended in the middle of an answer."""
    return type(error).__name__ in ("RemoteProtocolError", "ReadError")


def too_many(seconds: int | None) -> str:
    """Say that the Hub wants fewer requests."""
    wait = f"wait {seconds} seconds" if seconds else "wait a few minutes"
    return f"{endpoint()} has had too many requests from here (429); {wait}, or {_LOG_IN}"


def _explain(
    error: BaseException, http: Any, repo: str, revision: str | None, name: str, *, writing: bool = False
) -> str:
    """Say in one line what happened and what to do next."""
    from huggingface_hub import errors

    hub = endpoint()
    at = f" at revision {revision}" if revision else ""
    if isinstance(error, errors.OfflineModeIsEnabled):
        wanted = f" and {repo} is not in the cache ({cache_root()})" if repo and not writing else ""
        return f"HF_HUB_OFFLINE is set{wanted}; unset it to go online"
    # The client wraps the failure of its first question; what it wraps says more.
    wrapped = isinstance(error, errors.LocalEntryNotFoundError | ValueError | RuntimeError)
    if wrapped and isinstance(error.__cause__, http.HTTPError | OSError):
        return _explain(error.__cause__, http, repo, revision, name, writing=writing)
    if isinstance(error, errors.GatedRepoError):  # a child of RepositoryNotFoundError, so it comes first
        return f"{repo} is gated: ask for access at {hub}/{repo}, then {_LOG_IN}"
    if isinstance(error, errors.DisabledRepoError):
        return f"{repo} has been disabled by the Hub; see {hub}/{repo}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repo} has no revision {revision}; see {hub}/{repo}/commits/main"
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return f"{repo} has no file {name}{at}; see {hub}/{repo}/tree/{revision or 'main'}"
    if isinstance(error, errors.RepositoryNotFoundError):
        if writing:
            return f"{hub} does not let you write to {repo}: {_LOG_IN}, with a token that may write"
        return f"there is no model {repo} at {hub}, or it is private: check the name, or {_LOG_IN}"
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_status(error, hub, repo, writing=writing)
    if isinstance(error, http.TooManyRedirects):
        return f"{hub} sends requests around in a circle (redirects); check HF_ENDPOINT and the proxy"
    if isinstance(error, http.TimeoutException):
        more = "HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT"
        return f"{hub} does not answer in time; try again, or allow it more seconds with {more}"
    if name and broke_off(error):
        return f"the download of {name} from {repo} broke off; check the network, and pull it again"
    if isinstance(error, http.TransportError):
        reason = str(error).strip().splitlines()
        said = f" ({reason[0][:100]})" if reason and "@" not in reason[0] else ""
        return f"{hub} cannot be reached{said}; check the network, the proxy and HF_ENDPOINT"
    if isinstance(error, OSError) and error.errno:  # the system's own error; a network's would be http's
        return f"cannot use the cache {cache_root()}: {error.strerror}; make room there or set HF_HOME"
    if isinstance(error, OSError) and "Consistency check" in str(error):
        return f"the download of {name} from {repo} broke off or has the wrong length; pull it again"
    if isinstance(error, ValueError) and "Invalid metadata in README.md" in str(error):
        said = " ".join(without_secrets(str(error)).split())
        return f"{hub} does not accept the card of {repo}: {said[:300]}; mend its front matter"
    return f"{hub} does not answer as a Hub does ({type(error).__name__}); check HF_ENDPOINT and the proxy"


def _explain_status(error: Any, hub: str, repo: str, *, writing: bool) -> str:
    """Put a status that has no error of its own into words."""
    from huggingface_hub import get_token

    status = int(error.response.status_code)
    if status == 401 and get_token() is None:
        return f"{hub} wants to know who asks for this (401); {_LOG_IN}"
    if status == 401:
        return f"{hub} does not accept the token that was sent; {_LOG_IN} again"
    if status == 403:
        to = "write to" if writing else "access to"
        return f"{hub} forbids {to} {repo} (403); check the token's permissions, or {_LOG_IN}"
    if status in (409, 412) and writing:
        return f"{repo} has changed on {hub} meanwhile ({status}); push again"
    if status == 429:
        return too_many(retry_after(error.response))
    if status >= 500:
        return f"{hub} is out of order (status {status}); try again later, or set HF_ENDPOINT to a mirror"
    said = without_secrets(" ".join(str(error.server_message or "").split()))[:200]
    return f"{hub} refused {repo} (status {status}{f': {said}' if said else ''}); see {hub}/{repo}"


def retry_after(response: Any) -> int | None:
    """Return the seconds that the Hub asks to wait, if it names them."""
    value = str(response.headers.get("retry-after", "")).strip()
    return int(value) if value.isdecimal() and len(value) < 8 else None
