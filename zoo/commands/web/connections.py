"""Connections: those that ask for nothing, or for something that is not HTTP, are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from zoo.commands.web.guard import MAX_SECONDS, error

if TYPE_CHECKING:
    import asyncio


class Connection(H11Protocol):
    """A connection that is closed unless a request, the first or a further one, begins in time.

    Each takes one of the places that the server has.
    """

    _waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says the same
        """Answer what is not HTTP with an error in JSON, like every other error, and close the connection."""
        answer = error(400, "this is not a valid HTTP request", {"connection": "close"})
        start = h11.Response(status_code=400, headers=answer.raw_headers, reason=b"Bad Request")
        for event in (start, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request, which may have come already, or until the client has taken the answer."""
        self._wait()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)
        if self._waits:
            self._waits.cancel()

    def _wait(self) -> None:
        if self._waits:
            self._waits.cancel()
        self._waits = self.loop.call_later(MAX_SECONDS, self._give_up, self.cycle)

    def _give_up(self, last: object) -> None:
        if self.cycle is last:  # each request has a cycle of its own
            self.transport.abort()
