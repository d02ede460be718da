"""What the Hub for tests answers, faults included."""

from __future__ import annotations

import gzip
import json
import urllib.error

import pytest
from support.plainhttp import get

from zoo.testing import hub_server

FILES = {"config.json": b"{}", "model.safetensors": b"x" * 1000}


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


def test_the_list_of_models_and_what_is_nowhere() -> None:
    with hub_server() as server:
        server.put("ada/net", FILES)
        server.put("bob/net", FILES)
        assert [each["id"] for each in json.load(get(server, "/api/models"))] == ["ada/net", "bob/net"]
        for path, code in (
            ("/ada/net/resolve/main/no.txt", "EntryNotFound"),
            (f"/ada/net/resolve/{'1' * 40}/config.json", "RevisionNotFound"),
        ):
            with pytest.raises(urllib.error.HTTPError) as caught:
                get(server, path)
            assert (caught.value.code, caught.value.headers["X-Error-Code"]) == (404, code)
