"""Requests to the Hub: where they may go, what they carry, how long they may take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.hubmachine import REPO

from zoo.errors import HubError
from zoo.hub.errors import Asked, RefusedError
from zoo.hub.session import Session
from zoo.testing.hub_server import Handler

if TYPE_CHECKING:
    from support.hubmachine import Machine


def ask(url: str, method: str = "GET", **options: Any) -> Any:
    with Session() as session:
        return session.ask(method, url, what=Asked(REPO), **options)


@pytest.mark.parametrize(
    ("hub", "address", "allowed"),
    [
        ("https://hub.invalid", "https://elsewhere.invalid/x", True),
        ("https://hub.invalid", "http://hub.invalid/x", False),
        ("https://hub.invalid", "http://127.0.0.1:1/x", False),
        ("https://hub.invalid", "http://localhost:1/x", False),
        ("https://hub.invalid", "ftp://hub.invalid/x", False),
        ("http://hub.invalid", "http://hub.invalid/x", True),
        ("http://hub.invalid", "http://other.invalid/x", False),
        ("http://hub.invalid", "http://localhost:1/x", False),
        ("http://127.0.0.1:1", "http://localhost:1/x", True),
        ("http://127.0.0.1:1", "http://[::1]:1/x", True),
        ("http://127.0.0.1:1", "http://127.0.0.1.invalid/x", False),
    ],
)
def test_where_requests_may_go(
    here: Machine, hub: str, address: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub)
    with pytest.raises(HubError) as caught:
        ask(address)
    assert ("nothing was sent" in str(caught.value)) is not allowed


def test_an_answer(here: Machine) -> None:
    here.publish()
    answer = ask(f"{here.server.url}/api/models/{REPO}")
    assert answer.status == 200
    assert answer.json()["id"] == REPO
    with pytest.raises(HubError, match="a JSON dict in place of a list"):
        answer.json(list)
    with pytest.raises(RefusedError, match="there is no model") as caught:
        ask(f"{here.server.url}/api/models/nobody/nothing")
    assert caught.value.status == 401
    assert ask(f"{here.server.url}/api/models/nobody/nothing", ok=(401,)).status == 401


def test_an_answer_has_a_largest_size(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    here.publish()
    monkeypatch.setattr("zoo.hub.session.MAX_ANSWER", 100)
    with pytest.raises(HubError, match="with more than 100 bytes"):
        ask(f"{here.server.url}/api/models/{REPO}")


def test_what_is_repeated_and_what_is_not(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.hub.session.PAUSES", (0.01, 0.02))
    here.publish()
    here.server.fault = "out of order"
    for method, asked in (("GET", 3), ("POST", 1)):
        here.server.requests.clear()
        with pytest.raises(HubError, match="server error"):
            ask(f"{here.server.url}/api/models/{REPO}", method)
        assert here.server.asked(method) == asked
    here.server.fault, here.server.retry_after = "too many", 1
    here.server.requests.clear()
    began = time.monotonic()
    with pytest.raises(HubError, match="wait 1 seconds"):
        ask(f"{here.server.url}/api/models/{REPO}")
    assert here.server.asked("GET") == 3
    assert time.monotonic() - began >= 2


def test_offline_no_session_begins(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        ask(here.server.url)
    assert here.server.requests == []


def test_the_token_and_who_asks(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    here.publish()
    monkeypatch.setenv("HF_TOKEN", "hf_" + "a" * 20)
    ask(f"{here.server.url}/api/models/{REPO}")
    ask(f"http://localhost:{here.server.port}/api/models/{REPO}")
    assert here.server.authorized == [f"127.0.0.1:{here.server.port} /api/models/{REPO}"]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    ask(f"{here.server.url}/api/models/{REPO}")
    assert len(here.server.authorized) == 1


@pytest.mark.parametrize("host", ["a" * 300 + ".invalid", "a..b", "xn--\u00e9"])
def test_a_redirect_to_what_can_be_no_host(here: Machine, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Handler,
        "answer",
        lambda handler: handler.send(302, Location=f"https://{host}/".encode().decode("latin-1")),
    )
    with pytest.raises(HubError, match="cannot be reached"):
        ask(here.server.url)


def test_a_file_may_be_large_and_still_not_trickle(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for its headers, and from one block to the next, does not grow with the size that it may have."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 1.2)
    monkeypatch.setattr("zoo.hub.session.TIMEOUTS", 1)
    monkeypatch.setattr("zoo.hub.session.STALL", 1)
    here.publish()
    for fault in ("a byte a second", "headers a byte a second"):
        here.server.fault = fault  # type: ignore[assignment]
        began = time.monotonic()
        with Session() as session, pytest.raises(HubError, match="too slowly"):
            session.download(
                f"{here.server.url}/{REPO}/resolve/main/config.json",
                what=Asked(REPO, "main", "config.json"),
                limit=200_000_000,
                write=lambda _position, blocks: [None for _ in blocks] and None,
                check=lambda _redirected, _headers: None,
                start=lambda: 0,
            )
        assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "variable",
    ["HF_ENDPOINT=http://[::1", "HF_ENDPOINT=http://127.0.0.1:99999", "HF_HUB_ETAG_TIMEOUT=x", "ALL_PROXY=x://y"],
)
def test_environment_variables_that_make_no_sense(machine: Machine, variable: str) -> None:
    name, _, value = variable.partition("=")
    done = machine.run(f"hf://{REPO}", **{name: value})
    assert done.returncode == 2
    assert done.stderr.startswith("HubError: the environment variables of the Hub cannot be used (")
    assert done.stderr.count("\n") == 1
