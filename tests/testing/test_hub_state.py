"""Commits, branches and pull requests of the Hub for tests."""

from __future__ import annotations

from support.plainhttp import get

from zoo.testing import hub_server


def test_each_commit_keeps_its_files() -> None:
    with hub_server() as server:
        first = server.put("ada/net", {"a.txt": b"1"})
        trial = server.put("ada/net", {"a.txt": b"2"}, "trial")
        second = server.put("ada/net", {"b.txt": b"3"})
        for revision, name, content in ((first, "a.txt", b"1"), ("trial", "a.txt", b"2"), (second, "b.txt", b"3")):
            assert get(server, f"/ada/net/resolve/{revision}/{name}").read() == content
        assert len({first, trial, second}) == 3


def test_a_pull_request_leaves_the_branch_alone() -> None:
    with hub_server() as server:
        server.put("ada/net", {"a.txt": b"1"})
        proposed = server.put("ada/net", {"a.txt": b"2"}, request=True)
        assert get(server, "/ada/net/resolve/main/a.txt").read() == b"1"
        assert get(server, f"/ada/net/resolve/{proposed}/a.txt").read() == b"2"
