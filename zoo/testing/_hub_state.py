"""State of the test Hub: repositories and the active fault."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import socket

Fault = Literal[
    "gated",  # metadata is public, files are not
    "no repository",
    "no revision",
    "no file",
    "bad token",
    "forbidden",
    "too many",  # with Retry-After, if `retry_after` is set
    "out of order",
    "out of order once",
    "html",  # the login page of a proxy, with status 200
    "json",  # the response of another service
    "wrong bytes",  # corrupted content of the correct length
    "cut once",  # the connection ends in the middle of the first large file
    "cut always",
    "wrong length",
    "other commit",
    "silent",  # accepts the connection and never answers
    "slow",  # large files in blocks of a kilobyte, with pauses
    "redirect loop",
    "redirect to plain http",  # to a remote host
    "says 100 GB",  # as the size of large files, in every header and response
    "sends 100 GB",  # despite a smaller announced size
    "sends 100 GB unannounced",  # and the repository's list has no sizes and no digests
    "etag is a path",  # paths that leave the cache: upwards and absolute
    "xet",  # headers that direct the client to another transport on another host
    "packed",  # responses that decompress to a thousand times their size
    "a byte a second",
    "headers a byte a second",
    "odd sizes",  # strings, lists and 400-digit numbers in place of sizes and digests
    "nested",  # JSON nested a hundred thousand levels deep
]


@dataclass
class Repository:
    """Files of every commit, and the commit that all refs point to."""

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
class HubState:
    """Repositories, the active fault, and the requests received.

    Parameters
    ----------
    repositories : dict of str to Repository
        By ``owner/name``.
    fault : str or None
        Active fault.
    token : str or None
        Token required for writing; None allows anonymous writes.
    retry_after : int or None
        Waiting time, in seconds, in the responses of the fault "too many".
    requests : list of str
        Method and path of every request.
    authorized : list of str
        Host and path of every request with a token.
    port : int
        Port of the server; 0 if it is not running.
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
    port: int = 0

    @property
    def url(self) -> str:
        """URL for ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self.port}"

    def asked(self, text: str) -> int:
        """Count the requests that contain `text`."""
        return sum(text in request for request in self.requests)

    def put(self, repo: str, files: dict[str, bytes], branch: str = "main", *, request: bool = False) -> str:
        """Commit files to a repository, created if necessary; return the commit.

        Parameters
        ----------
        repo : str
        files : dict of str to bytes
            Files to add or replace; others are kept.
        branch : str
        request : bool
            Open a pull request instead.
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
