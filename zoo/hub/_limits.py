"""Requests of the Hub's client, watched while a call of ours runs.

Plain http goes to the loopback interface and to a plain ``HF_ENDPOINT`` alone, wherever a redirect points; no
answer may be larger than what was asked for can be; nobody waits an hour because a server says so; and no secret
gets into the client's log.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoo.errors import HubError
from zoo.hub.errors import endpoint, retry_after, too_many, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = 16_000_000
"""Bytes that an answer may have if it is no file."""

PATIENCE = 10
"""Seconds that the Hub may ask us to wait before we give up."""

ATTEMPTS = 8
"""Requests after which a file whose connection breaks off again and again is given up."""


@dataclass
class Wanted:
    """The file that this thread is downloading, and how much of it may come."""

    repo: str
    name: str
    limit: int
    requests: int = 0

    def check(self, size: int) -> None:
        if size > self.limit:
            raise HubError(
                f"{self.name} of {self.repo} has {size:,} bytes or more, but zoo takes {self.limit:,} at most; "
                "it was not downloaded. No checkpoint of zoo's is so large"
            )


@dataclass
class _Watch:
    """How many calls of ours run now; the client's connections are shared with others, whom we leave alone."""

    calls: int = 0
    installed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


_watch = _Watch()
wanted_now: ContextVar[Wanted | None] = ContextVar("wanted", default=None)


def bounded_bar(wanted: Wanted) -> Any:
    """Return the client's own class of progress bars, which counts what has come and refuses too much."""
    from huggingface_hub import utils

    class Bar(utils.tqdm):  # type: ignore[misc, type-arg, name-defined, unused-ignore]
        received = 0

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "desc": f"{wanted.repo}/{wanted.name}"})

        def update(self, n: float | None = 1) -> bool | None:
            self.received += int(n or 0)
            wanted.check(self.received)
            return super().update(n)  # type: ignore[no-any-return, unused-ignore]

    return Bar


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Watch the client's requests while a call of ours runs."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    with _watch.lock:
        if not _watch.installed:
            # Around whatever factory is there: a program that embeds zoo may have its own proxies or certificates.
            inner = _http._GLOBAL_CLIENT_FACTORY

            def make() -> Any:
                client = inner()
                hooks = client.event_hooks
                client.event_hooks = {
                    "request": [_check_request, *hooks["request"]],
                    "response": [*hooks["response"], _check_response],
                }
                return client

            set_client_factory(make)
            for name in ("_commit_api", "file_download", "hf_api", "lfs", "utils._http"):
                logging.getLogger(f"huggingface_hub.{name}").addFilter(_clean_log)
            _watch.installed = True
        _watch.calls += 1
    try:
        yield
    finally:
        with _watch.lock:
            _watch.calls -= 1


def _check_request(request: Any) -> None:
    """Refuse plain http, except to this machine and where ``HF_ENDPOINT`` itself says so."""
    if not _watch.calls:
        return
    from huggingface_hub import constants

    chosen = urlsplit(str(constants.ENDPOINT))
    host = str(request.url.host).lower()
    plain_by_choice = chosen.scheme == "http" and host == (chosen.hostname or "").lower()
    if request.url.scheme != "https" and not plain_by_choice and not _is_loopback(host):
        raise HubError(
            f"{endpoint()} sends us to {request.url.scheme}://{host}, where anybody on the way could read and change "
            "what is sent; nothing was sent there. Set HF_ENDPOINT to a Hub that uses https throughout"
        )
    if wanted := wanted_now.get():
        wanted.requests += request.method == "GET"
        if wanted.requests > ATTEMPTS:
            raise HubError(
                f"the download of {wanted.name} from {wanted.repo} broke off {ATTEMPTS} times; "
                "check the network, and pull it again"
            )


def _check_response(response: Any) -> None:
    """Refuse an answer that is too large by its own account, bound one that gives none, and long waits."""
    if not _watch.calls:
        return
    if response.status_code == 429 and (asked := retry_after(response)) and asked > PATIENCE:
        raise HubError(too_many(asked))
    wanted = wanted_now.get()
    for header in ("content-length", "x-linked-size"):
        said = str(response.headers.get(header, ""))
        if said.isdecimal():
            if wanted and not response.is_error:
                wanted.check(int(said))
            elif int(said) > ANSWER:
                raise HubError(f"{endpoint()} answers with {int(said):,} bytes; check HF_ENDPOINT and the proxy")
    response.stream = _counted(response.stream, wanted.limit if wanted else ANSWER, wanted)


def _counted(stream: Any, limit: int, wanted: Wanted | None) -> Any:
    """Return a stream that ends with an error when it goes past its limit."""
    base: Any = next(kind for kind in type(stream).__mro__ if kind.__name__ == "SyncByteStream")

    class Counted(base):  # type: ignore[misc, unused-ignore]
        def __iter__(self) -> Iterator[bytes]:
            count = 0
            for block in stream:
                count += len(block)
                if wanted:
                    wanted.check(count)
                elif count > limit:
                    raise HubError(f"{endpoint()} answers with more than {limit:,} bytes; check HF_ENDPOINT")
                yield block

        def close(self) -> None:
            stream.close()

    return Counted()


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _clean_log(record: logging.LogRecord) -> bool:
    """Keep secrets out of the client's own messages, and one message that says what we do on purpose."""
    message = record.getMessage()
    record.msg, record.args = without_secrets(message), None
    return not message.startswith("Uploading files as a binary IO buffer")
