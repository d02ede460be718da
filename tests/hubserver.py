"""A Hugging Face Hub on the loopback interface: the routes that the real client uses to download.

Model information, ``resolve`` with the Hub's headers, a redirect to another host name for large files, ETags,
ranges; and faults that can be switched on. What the server is asked is kept in :attr:`HubServer.requests`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self

Fault = Literal[
    "gated",  # information is public, files are not
    "no repository",
    "no revision",
    "no file",
    "bad token",
    "forbidden",
    "too many",
    "out of order",
    "html",  # a log-in page of some proxy, with status 200
    "json",  # an answer of another service
    "wrong bytes",  # of the right length
    "cut once",  # the connection ends in the middle of the first large file
    "wrong length",
    "other commit",
    "silent",  # accepts the connection and never answers
]

_API = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)(/revision/(?P<revision>.+))?$")
_RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)$")


@dataclass
class Repository:
    """Files and the commit that all refs point at."""

    files: dict[str, bytes]
    commit: str
    refs: tuple[str, ...] = ("main",)


@dataclass
class HubServer:
    """The server; a context manager that listens on a free port."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    fault: Fault | None = None
    requests: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    connections: set[socket.socket] = field(default_factory=set)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Close the port and every connection; a second call does nothing."""
        if self._thread.is_alive():
            self.released.set()
            for connection in list(self.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def asked(self, text: str) -> int:
        """Count the requests that contain `text`."""
        return sum(text in request for request in self.requests)


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.hub.connections.add(self.connection)

    def finish(self) -> None:
        self.hub.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status: int, code: str = "", message: str = "") -> None:
        headers = {"X_Error_Code": code} if code else {}
        self.send(status, b"", X_Error_Message=message or code, **headers)

    def answer(self) -> None:
        path = self.path.partition("?")[0]
        fault = self.hub.fault
        self.hub.requests.append(f"{self.command} {path}")
        if fault == "silent":
            self.hub.released.wait(30)
            self.close_connection = True
        elif fault == "out of order":
            self.error(503)
        elif fault == "too many":
            self.error(429)
        elif fault == "html":
            self.send(200, b"<html><title>Log in to the network</title></html>", Content_Type="text/html")
        elif fault == "json":
            self.send(200, b'["hello"]', Content_Type="application/json")
        elif fault == "bad token":
            self.error(401, message="Invalid credentials in Authorization header")
        elif fault == "forbidden":
            self.error(403, message="your token has no right to read this")
        elif path.startswith("/cdn/"):
            self.content(path.removeprefix("/cdn/"))
        elif match := _API.match(path):
            self.information(match["repo"], match["revision"] or "main")
        elif match := _RESOLVE.match(path):
            self.resolve(match["repo"], match["revision"], match["file"])
        elif path == "/api/models":
            self.send(200, b"[]", Content_Type="application/json")
        else:
            self.error(404)

    def find(self, repo: str, revision: str) -> Repository | None:
        found = self.hub.repositories.get(repo)
        if found is None or self.hub.fault == "no repository":
            # What the Hub tells somebody who is not logged in: the repository may exist and be private.
            self.error(401, "RepoNotFound", "Repository not found")
            return None
        if revision not in (found.commit, *found.refs) or self.hub.fault == "no revision":
            self.error(404, "RevisionNotFound", "Invalid rev id")
            return None
        return found

    def information(self, repo: str, revision: str) -> None:
        if found := self.find(repo, revision):
            files = [{"rfilename": name} for name in found.files]
            info = {"id": repo, "modelId": repo, "sha": found.commit, "siblings": files, "tags": []}
            self.send(200, json.dumps(info).encode(), Content_Type="application/json")

    def resolve(self, repo: str, revision: str, file: str) -> None:
        found = self.find(repo, revision)
        if found is None:
            return
        if self.hub.fault == "gated":
            self.error(401, "GatedRepo", "Access to this model is restricted")
            return
        if file not in found.files or self.hub.fault == "no file":
            self.error(404, "EntryNotFound", "Entry not found")
            return
        body = found.files[file]
        commit = "0" * 40 if self.hub.fault == "other commit" else found.commit
        if file.endswith(".safetensors"):
            digest = hashlib.sha256(body).hexdigest()
            self.send(
                302,
                X_Repo_Commit=commit,
                X_Linked_ETag=f'"{digest}"',
                X_Linked_Size=str(len(body)),
                Location=f"http://localhost:{self.hub.port}/cdn/{digest}",
            )
        else:
            blob = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
            self.send(200, self.spoilt(body), X_Repo_Commit=commit, ETag=f'"{blob}"')

    def content(self, digest: str) -> None:
        files = [body for repo in self.hub.repositories.values() for body in repo.files.values()]
        body = next((body for body in files if hashlib.sha256(body).hexdigest() == digest), None)
        if body is None:
            self.error(404)
            return
        body = self.spoilt(body)
        start = int(re.sub(r"\D", "", self.headers.get("Range", "0").partition("-")[0]))
        if self.hub.fault == "cut once":
            self.hub.fault = None
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif start:
            span = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.send(206, body[start:], Content_Range=span)
        else:
            self.send(200, body)

    def spoilt(self, body: bytes) -> bytes:
        if self.hub.fault == "wrong bytes":
            return bytes(byte ^ 0xFF for byte in body)
        return body + b"!" if self.hub.fault == "wrong length" and self.command == "GET" else body
