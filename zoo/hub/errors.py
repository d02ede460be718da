"""Error messages about the Hub: one line each, with the next step.

No message contains a header, a token, or a password from an address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from zoo.errors import HubError

LOG_IN = "log in with 'hf auth login' or set HF_TOKEN"

TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}\b")
"""Pattern of the Hub's tokens."""


class RefusedError(HubError):
    """The Hub returned an error.

    Parameters
    ----------
    message : str
    status : int
        Of the answer.
    wait : int or None
        Seconds to wait, as requested by the Hub.
    """

    def __init__(self, message: str, status: int, wait: int | None) -> None:
        super().__init__(message)
        self.status, self.wait = status, wait


class UnreachableError(HubError):
    """The Hub did not answer; `broke_off` if the connection ended in the middle of an answer."""

    def __init__(self, message: str, broke_off: bool) -> None:
        super().__init__(message)
        self.broke_off = broke_off


@dataclass(frozen=True)
class Asked:
    """Subject of a request, for messages.

    Parameters
    ----------
    repo, revision, name : str
        Empty if it is not about a repository, a revision or a file.
    writing : bool
        Whether it changes something on the Hub.
    """

    repo: str = ""
    revision: str = ""
    name: str = ""
    writing: bool = False


def endpoint() -> str:
    """Return the Hub's address (``HF_ENDPOINT``), without any user name or password in it."""
    from huggingface_hub import constants

    return without_password(str(constants.ENDPOINT))


def without_password(text: str) -> str:
    """Remove user names and passwords from the addresses in a text.

    >>> without_password("GET https://me:secret@mirror.example/api")
    'GET https://mirror.example/api'
    """
    return re.sub(r"//[^/@\s]*@", "//", text)


def without_secrets(text: str) -> str:
    """Remove passwords, anything that looks like a Hub token, and the token in use from a text."""
    from huggingface_hub import get_token

    token = get_token()
    text = without_password(text)
    return TOKEN.sub("(token)", text.replace(token, "(token)") if token else text)


def not_a_hub(reason: str) -> str:
    """Return the message for an answer that does not come from a Hub."""
    return f"{endpoint()} is not a Hugging Face Hub ({reason}); check HF_ENDPOINT and the proxy"


def too_large(what: Asked, size: int, limit: int) -> str:
    """Return the message for a file that exceeds its size limit."""
    return (
        f"{what.name} of {what.repo} has {size:,} bytes or more, but at most {limit:,} were expected; "
        "it was not downloaded"
    )


def too_slow(what: Asked) -> str:
    """Return the message for an answer that began but did not end in time."""
    sent = f"{what.name} of {what.repo}" if what.name else "its answer"
    return (
        f"{endpoint()} sends {sent} too slowly; try again, or increase the time-out with "
        f"{'HF_HUB_DOWNLOAD_TIMEOUT' if what.name else 'HF_HUB_ETAG_TIMEOUT'}"
    )


def no_answer(error: Exception, http: Any, what: Asked) -> str:
    """Return the message for a missing or incomplete answer.

    Parameters
    ----------
    error : Exception
        Of the HTTP library.
    http : module
        The HTTP library.
    what : Asked
    """
    hub = endpoint()
    if isinstance(error, http.TimeoutException):
        more = "HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT"
        return f"{hub} does not answer in time; try again, or increase the time-out with {more}"
    if what.name and not isinstance(error, http.ConnectError | http.InvalidURL):
        return f"the download of {what.name} from {what.repo} broke off; check the network, and pull it again"
    lines = str(error).strip().splitlines()
    said = f" ({lines[0][:100]})" if lines and "@" not in lines[0] else ""
    return f"{hub} cannot be reached{said}; check the network, the proxy and HF_ENDPOINT"


def refusal(response: Any, what: Asked) -> str:
    """Return the message for an answer with an error status."""
    from huggingface_hub import get_token

    hub, repo, status = endpoint(), what.repo, int(response.status_code)
    code = str(response.headers.get("x-error-code", ""))
    said = "".join(letter for letter in str(response.headers.get("x-error-message", "")) if letter.isprintable())
    at = f" at revision {what.revision}" if what.revision else ""
    if repo and code == "GatedRepo":
        return f"{repo} is gated: ask for access at {hub}/{repo}, then {LOG_IN}"
    if repo and said == "Access to this resource is disabled.":
        return f"{repo} has been disabled by the Hub; see {hub}/{repo}"
    if repo and code == "RevisionNotFound":
        return f"{repo} has no revision {what.revision or 'main'}; see {hub}/{repo}/commits/main"
    if repo and code == "EntryNotFound":
        return f"{repo} has no file {what.name}{at}; see {hub}/{repo}/tree/{what.revision or 'main'}"
    if repo and (code == "RepoNotFound" or (status == 404 and not code)):
        if what.writing:
            return f"{hub} does not let you write to {repo}: {LOG_IN}, with a token that may write"
        return f"there is no model {repo} at {hub}, or it is private: check the name, or {LOG_IN}"
    if status == 401 and get_token() is None:
        return f"{hub} requires authentication (401); {LOG_IN}"
    if status == 401:
        return f"{hub} does not accept the token that was sent; {LOG_IN} again"
    if status == 403:
        to = "write to" if what.writing else "access to"
        return f"{hub} forbids {to} {repo or 'this'} (403); check the token's permissions, or {LOG_IN}"
    if status in (409, 412) and what.writing:
        return f"{repo} has changed on {hub} meanwhile ({status}); push again"
    if status == 429:
        wait = str(response.headers.get("retry-after", "")).strip()
        wait = f"wait {wait} seconds" if wait.isdecimal() and len(wait) < 8 else "wait a few minutes"
        return f"{hub} has received too many requests from here (429); {wait}, or {LOG_IN}"
    if status >= 500:
        return f"{hub} has a server error (status {status}); try again later, or set HF_ENDPOINT to a mirror"
    said = without_secrets(" ".join(said.split()))[:200]
    return f"{hub} refused {repo or 'this'} (status {status}{f': {said}' if said else ''}); see {hub}/{repo}"
