"""Bounds on requests: whom they are addressed to, how large they are, how long they take, how many wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from zoo.commands.web.uploads import LIMITS

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_WAITING = 64
"""Requests that are read, wait or are computed at the same time; more are refused."""

MAX_SECONDS = 60.0
"""Time within which the body of a request must arrive."""

_OVERHEAD = 200_000
"""Bytes of a request besides the files: names, borders between the parts."""

_MAX_JSON = 1_000_000
"""Bytes of a request without files: a crystal of 10,000 atoms has fewer."""

_DRAINED = 300_000_000
"""Bytes of a body that are read, and thrown away, so that a client that is still sending sees the answer."""

_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class Guard:
    """An application behind bounds; those that exceed them get an error in JSON.

    Parameters
    ----------
    app : ASGI application
    hosts : collection of str or None
        Names by which the server may be addressed, so that a page from elsewhere whose name was pointed to this machine
        cannot read it; None for all.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None = None) -> None:
        self._app, self._hosts = app, hosts
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        headers = Headers(scope=scope)
        files = headers.get("content-type", "").startswith("multipart/form-data")
        most = LIMITS.bytes + _OVERHEAD if files else _MAX_JSON
        refusal = self._refusal(headers, most)
        if refusal is None and scope["method"] == "POST" and self._waiting >= MAX_WAITING:
            refusal = error(503, "the server is busy; try again in a few seconds", {"retry-after": "3"})
        if refusal is not None:
            if "expect" not in headers:  # the client waits for leave to send
                await _drain(receive)
            await refusal(scope, receive, sending)
            return
        self._waiting += scope["method"] == "POST"
        try:
            await self._app(scope, _bounded(receive, most), sending)
        finally:
            self._waiting -= scope["method"] == "POST"

    def _refusal(self, headers: Headers, most: int) -> JSONResponse | None:
        if self._hosts is not None and _name(headers.get("host", "")).lower() not in self._hosts:
            return error(400, "this server answers to the name localhost alone; zoo serve --host changes that")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            return error(400, "the header Content-Length is not a number")
        return error(413, _too_large(most)) if int(length) > most else None


def error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the answer to a request that cannot be met."""
    return JSONResponse({"error": message, "rejected": []}, status, headers)


def _too_large(most: int) -> str:
    advice = "" if most == _MAX_JSON else "; send fewer files at once, or use zoo predict"
    return f"more than {most // 1_000_000} MB{advice}"


def _name(host: str) -> str:
    """Return the name in the header Host, without the port."""
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]


def _bounded(receive: Receive, most: int) -> Receive:
    """Return a function that receives as `receive` does, until the body is too large or too slow."""
    received, end = 0, asyncio.get_running_loop().time() + MAX_SECONDS
    complete = False

    async def bounded() -> Message:
        nonlocal received, complete
        if complete:  # waits for the end of the connection
            return await receive()
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"the request did not arrive within {MAX_SECONDS:g} seconds") from None
        complete = not message.get("more_body", False)
        received += len(message.get("body", b""))
        if received > most:
            await _drain(receive)
            raise HTTPException(413, _too_large(most))
        return message

    return bounded


async def _drain(receive: Receive) -> None:
    """Throw the rest of a body away."""
    left = _DRAINED
    try:
        async with asyncio.timeout(MAX_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b"")) or 1
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
