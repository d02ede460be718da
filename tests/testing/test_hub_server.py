"""The Hub for tests, as the Hub's own client and plain requests see it."""

from __future__ import annotations

import gzip
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from zoo.testing import HubServer, hub_server

FILES = {"config.json": b"{}", "model.safetensors": b"x" * 1000}


def get(server: HubServer, path: str, **headers: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(urllib.request.Request(server.url + path, headers=headers), timeout=10)


def test_what_was_put_is_there() -> None:
    with hub_server() as server:
        commit = server.put("ada/net", FILES)
        info = json.load(get(server, "/api/models/ada/net"))
        assert (info["sha"], [each["rfilename"] for each in info["siblings"]]) == (commit, list(FILES))
        assert get(server, f"/ada/net/resolve/{commit}/config.json").headers["X-Repo-Commit"] == commit
        assert get(server, "/ada/net/resolve/main/model.safetensors").read() == FILES["model.safetensors"]
        part = get(server, "/ada/net/resolve/main/model.safetensors", Range="bytes=990-")
        assert (part.status, part.headers["Content-Range"], part.read()) == (206, "bytes 990-999/1000", b"x" * 10)
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(server, "/api/models/no/net")
        assert caught.value.headers["X-Error-Code"] == "RepoNotFound"
        assert server.asked("GET /api/models/ada/net") == 1


def test_each_commit_keeps_its_files() -> None:
    with hub_server() as server:
        first = server.put("ada/net", {"a.txt": b"1"})
        trial = server.put("ada/net", {"a.txt": b"2"}, "trial")
        second = server.put("ada/net", {"b.txt": b"3"})
        for revision, name, content in ((first, "a.txt", b"1"), ("trial", "a.txt", b"2"), (second, "b.txt", b"3")):
            assert get(server, f"/ada/net/resolve/{revision}/{name}").read() == content
        assert len({first, trial, second}) == 3


def test_some_faults_as_a_client_meets_them() -> None:
    with hub_server() as server:
        server.put("ada/net", FILES)
        server.fault = "packed"
        packed = get(server, "/ada/net/resolve/main/config.json")
        body = packed.read()
        assert packed.headers["Content-Encoding"] == "gzip"
        assert len(gzip.decompress(body)) > 500 * len(body)
        server.fault = "etag is a path"
        assert "../" in get(server, "/ada/net/resolve/main/config.json").headers["ETag"]
        server.fault = "nested"
        with pytest.raises(RecursionError):
            json.load(get(server, "/api/models/ada/net"))
        server.fault, server.retry_after = "too many", 7
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(server, "/api/models/ada/net")
        assert (caught.value.code, caught.value.headers["Retry-After"]) == (429, "7")


def test_it_stops_even_while_somebody_waits() -> None:
    with hub_server() as server:
        server.put("ada/net", FILES)
        server.fault = "a byte a second"
        answer = get(server, "/ada/net/resolve/main/config.json")
        server.stop()
        assert len(answer.read(1)) <= 1
