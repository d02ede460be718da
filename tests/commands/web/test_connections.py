"""Connections that ask for nothing, or for something that is not HTTP, are closed; the others are not."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from zoo.commands.web import connections

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKING = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
PATIENCE = 0.2


async def slow(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer later than a connection without a request would be closed."""
    await asyncio.sleep(2 * PATIENCE)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "MAX_SECONDS", PATIENCE)
    settings = uvicorn.Config(slow, http=connections.Connection, log_level="critical", lifespan="off")
    server = uvicorn.Server(settings)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def answer(line: socket.socket) -> bytes:
    """Return what comes until the other end closes the connection."""
    found = b""
    with suppress(ConnectionResetError):
        while part := line.recv(1000):
            found += part
    return found


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (b"", 0),
        (b"GET / HTTP/1.1\r\nHost: loc", 0),
        (ASKING, 1),
        (ASKING + b"GET / HTTP/1.1\r\nHost: loc", 1),
        (ASKING + ASKING, 2),
    ],
    ids=["nothing", "half a request", "a request", "one and a half", "two"],
)
def test_one_that_asks_for_nothing_is_closed(port: int, sent: bytes, answers: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as line:
        line.sendall(sent)
        assert answer(line).count(b"HTTP/1.1 200 OK") == answers


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ten\r\n\r\n",
    ],
    ids=["TLS", "no version", "no length"],
)
def test_what_is_not_http_is_answered_in_json(port: int, sent: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as line:
        line.sendall(sent)
        head, _, body = answer(line).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/json" in head
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body) == {"error": "this is not a valid HTTP request", "rejected": []}
