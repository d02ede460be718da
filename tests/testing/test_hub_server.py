"""The Hub for tests, as the Hub's own client and plain requests see it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from support.plainhttp import get

from zoo.testing import hub_server

FILES = {"config.json": b"{}", "model.safetensors": b"x" * 1000}


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


def test_it_stops_even_while_somebody_waits() -> None:
    with hub_server() as server:
        server.put("ada/net", FILES)
        server.fault = "a byte a second"
        answer = get(server, "/ada/net/resolve/main/config.json")
        server.stop()
        assert len(answer.read(1)) <= 1
