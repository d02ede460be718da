"""HTTP requests to the Hub, with safeguards.

All requests go through a :class:`Session`, which shares nothing with clients used elsewhere in the same program.

- Plain http goes to the host of a plain ``HF_ENDPOINT`` alone, and to this machine if the Hub is on it.
- The token goes to the origin of ``HF_ENDPOINT`` alone, wherever a redirect points.
- An answer is bounded in bytes and in total time, and is never unpacked.
"""

from __future__ import annotations

import contextlib
import ipaddress
import platform
import socket
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from zoo._utils import VERSION, bounded
from zoo.errors import HubError
from zoo.hub import errors
from zoo.hub.locations import settings, unusable_settings
from zoo.registry.cards import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_ANSWER = 16_000_000
"""Bytes of an answer that is not a file."""

MAX_REDIRECTS = 5
MAX_WAIT = 10
"""Longest wait in seconds requested by the Hub that zoo accepts."""

TIMEOUTS = 6
"""An answer may take this many times what the Hub may take to begin it (``HF_HUB_ETAG_TIMEOUT``)."""

MIN_RATE = 10_000
"""Smallest average transfer rate in bytes per second."""

STALL = 3
"""A tenth of that rate must be reached within this many times ``HF_HUB_DOWNLOAD_TIMEOUT``, again and again."""

PAUSES = (0.5, 1.5)
"""Delays in seconds before a request is repeated."""

_PASSING = (500, 502, 503, 504)


@dataclass(frozen=True)
class Answer:
    """An answer of the Hub: status, headers (by lower-case name), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self, kind: type = dict, *, lenient: bool = False) -> Any:
        """Return the body as JSON; raises `HubError` if it is not JSON of this kind, or exceeds a bound."""
        try:
            value = bounded.parse_json(self.body, MAX_ANSWER, lenient=lenient)
        except bounded.MalformedError as error:
            raise HubError(errors.not_a_hub(str(error))) from error
        if not isinstance(value, kind):
            raise HubError(errors.not_a_hub(f"a JSON {type(value).__name__} in place of a {kind.__name__}"))
        return value


class Session:
    """Connections to the Hub; a context manager for use by one thread."""

    def __init__(self) -> None:
        self._http = _library()
        self._sockets: list[socket.socket] = []
        self._late = False
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        constants = settings()
        if constants.HF_HUB_OFFLINE:
            raise HubError("HF_HUB_OFFLINE is set; unset it to go online")
        headers = {"Accept-Encoding": "identity"}
        if not constants.HF_HUB_DISABLE_TELEMETRY:
            headers["User-Agent"] = f"{LIBRARY}/{VERSION}; python/{platform.python_version()}"
        try:
            from huggingface_hub import get_token  # noqa: F401 - reads HF_ENDPOINT

            self._client = self._http.Client(follow_redirects=False, headers=headers)
        except (ValueError, self._http.InvalidURL) as error:
            raise HubError(unusable_settings(error)) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        url: str,
        *,
        what: errors.Asked,
        timeout: float | None = None,
        ok: tuple[int, ...] = (),
        **body: Any,
    ) -> Answer:
        """Send a request and return its answer.

        Parameters
        ----------
        method, url : str
        what : Asked
            Subject of the request, for messages.
        timeout : float, optional
            Seconds until the answer begins; ``HF_HUB_ETAG_TIMEOUT`` by default.
        ok : tuple of int
            Statuses of 400 and above that are not errors.
        body
            ``json=``, ``content=`` and ``headers=`` of the request.

        Raises
        ------
        HubError
            If the Hub refuses, cannot be reached, or breaks a bound.
        """
        from huggingface_hub import constants

        timeout = timeout or constants.HF_HUB_ETAG_TIMEOUT
        size = len(body.get("content", b""))

        def once() -> Answer:
            blocks: list[bytes] = []
            count = 0
            with self._open(method, url, what, timeout, TIMEOUTS * timeout + size / MIN_RATE, ok, body) as response:
                self._allow(TIMEOUTS * timeout)
                for block in response.iter_raw():
                    count += len(block)
                    if count > MAX_ANSWER:
                        raise HubError(errors.not_a_hub(f"with more than {MAX_ANSWER:,} bytes"))
                    blocks.append(block)
            return Answer(response.status_code, dict(response.headers), b"".join(blocks))

        answer: Answer = self._patiently(once, repeat=method in ("GET", "HEAD"))
        return answer

    def download(
        self,
        url: str,
        *,
        what: errors.Asked,
        limit: int,
        write: Callable[[int, Iterator[bytes]], None],
        check: Callable[[bool, Mapping[str, str]], None],
        start: Callable[[], int],
    ) -> None:
        """Download a file, resuming after a broken connection.

        Parameters
        ----------
        url : str
        what : Asked
        limit : int
            Largest size in bytes.
        write : callable
            Receives the position of the first byte, and blocks of bytes.
        check : callable
            Receives whether an answer is a redirect, and its headers.
        start : callable
            Returns the number of bytes already present.

        Raises
        ------
        HubError
            If the Hub refuses, cannot be reached, or sends more than `limit` bytes or too slowly.
        """
        from huggingface_hub import constants

        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT

        def once() -> None:
            have = start()
            headers = {"Range": f"bytes={have}-"} if have else {}
            with self._open("GET", url, what, timeout, TIMEOUTS * timeout, (), {"headers": headers}, check) as response:
                resumed = response.status_code == 206 and str(response.headers.get("content-range", "")).startswith(
                    f"bytes {have}-"
                )
                said = str(response.headers.get("content-length", ""))
                position = have if resumed else 0
                if said.isdecimal() and len(said) < 20 and position + int(said) > limit:
                    raise HubError(errors.too_large(what, position + int(said), limit))
                write(position, self._limited(response.iter_raw(), what, limit, position, STALL * timeout))

        self._patiently(once, repeat=True)

    def _limited(
        self, blocks: Iterator[bytes], what: errors.Asked, limit: int, position: int, window: float
    ) -> Iterator[bytes]:
        """Yield blocks of bytes; raise an error if they are too many or too slow."""
        began = time.monotonic()
        end = began + window + (limit - position) / MIN_RATE
        self._allow(window)
        count = 0
        for block in blocks:
            count += len(block)
            position += len(block)
            if position > limit:
                raise HubError(errors.too_large(what, position, limit))
            now = time.monotonic()
            if now - began > window / 2 and count >= window * MIN_RATE / 10:
                self._allow(max(0, min(window, end - now)))
                count, began = 0, now
            yield block

    @contextlib.contextmanager
    def _open(
        self,
        method: str,
        url: str,
        what: errors.Asked,
        timeout: float,
        seconds: float,
        ok: tuple[int, ...],
        body: Mapping[str, Any],
        check: Callable[[bool, Mapping[str, str]], None] | None = None,
    ) -> Iterator[Any]:
        """Send a request, follow redirects, and give the answer, whose headers end within `seconds`.

        Whoever reads its body allows it more time; see :meth:`_allow`.
        """
        self._late = False
        self._allow(seconds)
        try:
            address = self._http.URL(url)
            for _ in range(MAX_REDIRECTS + 1):
                _check_address(address)
                headers = {**_authorization(address), **body.get("headers", {})}
                request = self._client.build_request(
                    method,
                    address,
                    timeout=timeout,
                    extensions={"trace": self._note_socket},
                    **{**body, "headers": headers},
                )
                with contextlib.closing(self._client.send(request, stream=True)) as response:
                    redirected = response.status_code in (301, 302, 303, 307, 308) and "location" in response.headers
                    if check is not None and response.status_code < 400:
                        check(redirected, response.headers)
                    if redirected:
                        if method not in ("GET", "HEAD") and response.status_code not in (307, 308):
                            raise HubError(errors.not_a_hub(f"status {response.status_code} to a {method}"))
                        address = address.join(response.headers["location"])
                        continue
                    if response.status_code >= 400 and response.status_code not in ok:
                        raise errors.RefusedError(
                            errors.refusal(response, what), response.status_code, _retry_after(response)
                        )
                    if str(response.headers.get("content-encoding", "identity")).lower() != "identity":
                        raise HubError(errors.not_a_hub("a compressed answer, although none was requested"))
                    yield response
                    if self._late:  # of an answer of unknown length, a cut looks like its end
                        raise HubError(errors.too_slow(what))
                    return
            raise HubError(f"{errors.endpoint()} redirects requests in a circle; check HF_ENDPOINT and the proxy")
        # The last one is of a host's name, a token or a time-out that cannot be one.
        except (self._http.HTTPError, self._http.InvalidURL, self._http.StreamError, ValueError) as error:
            if self._late:
                raise HubError(errors.too_slow(what)) from error
            raise errors.UnreachableError(errors.no_answer(error, self._http, what), _broke_off(error)) from error
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _allow(self, seconds: float) -> None:
        """Cut all connections in so many seconds, unless this is called again or the request ends before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def _note_socket(self, _event: str, info: Mapping[str, Any]) -> None:
        """Register each new connection, so that it can be closed."""
        stream: Any = info.get("return_value")
        if hasattr(stream, "get_extra_info") and (connection := stream.get_extra_info("socket")) is not None:
            self._sockets.append(connection)
        if self._late:
            self._cut()

    def _cut(self) -> None:
        """End all connections: whoever waits for bytes of them gets an error."""
        self._late = True
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own method, which changes what the other thread is reading from.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _patiently(self, call: Callable[[], Any], *, repeat: bool) -> Any:
        """Repeat a request after a broken connection, a temporary server error, or a short requested wait."""
        for pause in PAUSES if repeat else ():
            try:
                return call()
            except errors.UnreachableError as error:
                if not error.broke_off:
                    raise
                time.sleep(pause)
            except errors.RefusedError as error:
                if error.status not in (*_PASSING, 429):
                    raise
                if error.status == 429 and (error.wait is None or error.wait > MAX_WAIT):
                    raise
                time.sleep(pause if error.wait is None else min(error.wait, MAX_WAIT))
        return call()


def _library() -> Any:
    """Return the HTTP library of this huggingface_hub release: httpx or its successor."""
    try:
        return import_module("httpx2")
    except ModuleNotFoundError:
        return import_module("httpx")


def _origin(address: Any) -> tuple[str, str, int]:
    scheme, host = str(address.scheme).lower(), str(address.host).lower()
    return scheme, host, address.port or {"http": 80, "https": 443}.get(scheme, 0)


def _hub() -> Any:
    from huggingface_hub import constants

    return _library().URL(str(constants.ENDPOINT))


def _check_address(address: Any) -> None:
    """Refuse plain http, except where ``HF_ENDPOINT`` itself uses it."""
    scheme, host, _ = _origin(address)
    hub_scheme, hub_host, _ = _origin(_hub())
    near = host == hub_host or (_is_loopback(host) and _is_loopback(hub_host))
    if scheme != "https" and not (scheme == hub_scheme == "http" and near):
        raise HubError(
            f"{errors.endpoint()} redirects to {scheme}://{host}, where anybody on the network could read and change "
            "the data; nothing was sent. Set HF_ENDPOINT to a Hub that uses https throughout"
        )


def _authorization(address: Any) -> dict[str, str]:
    """Return the header with the token, only for the Hub itself."""
    from huggingface_hub import constants, get_token

    if _origin(address) != _origin(_hub()) or constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return {}
    token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _broke_off(error: Exception) -> bool:
    return type(error).__name__ in ("RemoteProtocolError", "ReadError")


def _retry_after(response: Any) -> int | None:
    """Return the wait in seconds requested by the Hub, if any."""
    value = str(response.headers.get("retry-after", "")).strip()
    return int(value) if value.isdecimal() and value.isascii() and len(value) < 8 else None
