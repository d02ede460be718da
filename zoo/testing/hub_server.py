"""A Hugging Face Hub on the loopback interface, for tests: the routes that the real client uses, without Xet.

Model information, search, ``resolve`` with the Hub's headers, a redirect to another host name for large files,
ETags and ranges; creating repositories and branches, preupload, commits, the LFS batch and upload; and faults that
can be switched on. What the server is asked is kept in :attr:`HubServer.requests`.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Literal, Self

from zoo.testing._hub_routes import Handler

Fault = Literal[
    "gated",  # information is public, files are not
    "no repository",
    "no revision",
    "no file",
    "bad token",
    "forbidden",
    "too many",  # with Retry-After, if `retry_after` is set
    "out of order",
    "out of order once",
    "html",  # a log-in page of some proxy, with status 200
    "json",  # an answer of another service
    "wrong bytes",  # of the right length
    "cut once",  # the connection ends in the middle of the first large file
    "cut always",
    "wrong length",
    "other commit",
    "silent",  # accepts the connection and never answers
    "slow",  # a kilobyte of a large file at a time, with pauses
    "redirect loop",
    "redirect to plain http",  # to a host that is not this machine
    "says 100 GB",  # in every header and answer, of large files
    "sends 100 GB",  # without saying so
]


@dataclass
class Repository:
    """Files and the commit that all refs point at; each commit keeps its files."""

    files: dict[str, bytes]
    commit: str
    refs: tuple[str, ...] = ("main",)
    private: bool = False
    history: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: int = 0
    branches: dict[str, str] = field(default_factory=dict)

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Return commit and files of a revision; None if there is none."""
        commit = self.branches.get(revision, self.commit if revision in self.refs else revision)
        if commit == self.commit:
            return commit, self.files
        return (commit, self.history[commit]) if commit in self.history else None


@dataclass
class HubServer:
    """The server; a context manager that listens on a free port of the loopback interface.

    Parameters
    ----------
    repositories : dict of str to Repository
        By ``owner/name``.
    fault : str or None
        What goes wrong.
    token : str or None
        Token that writing needs; None lets everybody write.
    retry_after : int or None
        Seconds that the fault "too many" asks to wait.
    requests : list of str
        Method and path of every request.
    authorized : list of str
        Those of them that carried a token.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    fault: Fault | None = None
    token: str | None = None
    retry_after: int | None = None
    requests: list[str] = field(default_factory=list)
    authorized: list[str] = field(default_factory=list)
    large: dict[str, bytes] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)
    connections: set[socket.socket] = field(default_factory=set)

    def __enter__(self) -> Self:
        handler = type("Bound", (Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Address for ``HF_ENDPOINT``."""
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

    def put(self, repo: str, files: dict[str, bytes], branch: str = "main", *, request: bool = False) -> str:
        """Commit files to a repository, which is made if need be; return the commit.

        Parameters
        ----------
        repo : str
        files : dict of str to bytes
            Added or replaced; the others stay.
        branch : str
        request : bool
            Make a pull request instead.
        """
        found = self.repositories.setdefault(repo, Repository({}, "0" * 40))
        parent, before = found.at(branch) or (found.commit, found.files)
        after = {**before, **files}
        listing = "".join(f"{name} {hashlib.sha256(data).hexdigest()}\n" for name, data in sorted(after.items()))
        commit = hashlib.sha1(f"{parent}\n{listing}".encode(), usedforsecurity=False).hexdigest()
        found.history |= {parent: before, commit: after}
        if request:
            found.requests += 1
            found.branches[f"refs/pr/{found.requests}"] = commit
        elif branch in found.refs:
            found.commit, found.files = commit, after
        else:
            found.branches[branch] = commit
        return commit
