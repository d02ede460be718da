"""What zoo asks the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.hubmachine import COMMIT, FILES, REPO

from zoo.errors import HubError
from zoo.hub.client import Client, git_sha1
from zoo.hub.errors import Asked
from zoo.testing.hub_server import Handler

if TYPE_CHECKING:
    from support.hubmachine import Machine


def test_git_names_files() -> None:
    assert git_sha1(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"  # git hash-object /dev/null


def test_a_repository(here: Machine) -> None:
    here.publish()
    with Client() as hub:
        remote = hub.resolve(REPO, "main")
        assert hub.resolve(REPO, COMMIT) == hub.resolve(REPO, None) == remote
        assert hub.ping(5) == 200
    assert (remote.commit, remote.private) == (COMMIT, False)
    assert {name: file.size for name, file in remote.files.items()} == {n: len(d) for n, d in FILES.items()}
    config, weights = remote.files["config.json"], remote.files["model.safetensors"]
    assert (config.sha256, config.git_sha1) == (None, git_sha1(FILES["config.json"]))
    assert config.is_of(FILES["config.json"], "")
    assert not config.is_of(b"other", "0" * 64)
    assert weights.sha256 is not None
    assert weights.is_of(b"", weights.sha256)


def test_search_goes_from_page_to_page(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"": [{"id": "a/a"}, 7, {"id": 1}], "2": [{"id": "b/b"}], "3": [{"id": "c/c"}]}
    following = {"": f"{here.server.url}/api/models?page=2", "2": "http://127.0.0.1:1/api/models?page=3"}

    def listing(handler: Any) -> None:
        import json

        page = handler.query.get("page", [""])[0]
        link = {"Link": f'<{following[page]}>; rel="next"'} if page in following else {}
        handler.send(200, json.dumps(pages[page]).encode(), **link)

    monkeypatch.setattr(Handler, "listing", listing)
    with Client() as hub:
        assert [each["id"] for each in hub.models(limit=1)] == ["a/a"]
        with pytest.raises(HubError, match="the next page is said to be elsewhere"):
            hub.models(limit=10)
        del following["2"]
        assert [each["id"] for each in hub.models(limit=10)] == ["a/a", "b/b"]


def test_a_card_that_the_hub_does_not_accept(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Handler.write

    def refuse(handler: Any, path: str) -> None:
        if path == "/api/validate-yaml":
            handler.send_json({"errors": [{"message": '"license" must be one of\n mit'}]}, 400)
        else:
            write(handler, path)

    monkeypatch.setattr(Handler, "write", refuse)
    with Client() as hub, pytest.raises(HubError, match='not accept the card of a/b: "license" must be one of mit; '):
        hub.check_card("a/b", "---\nlicense: x\n---\n")


def test_what_exists_is_not_created_again(here: Machine) -> None:
    with Client() as hub:
        hub.create("ada/net", private=True, branch="trial")
        hub.create("ada/net", private=True, branch="trial")
        assert hub.resolve("ada/net", "trial").commit == hub.resolve("ada/net", None).commit
    assert here.server.repositories["ada/net"].private


def test_progress_bars_can_be_hidden_for_one_thread_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    from zoo.hub.client import no_bars, progress

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", None)
    enable_progress_bars()
    try:
        with no_bars(), progress(Asked("a/b", "", "x"), 10) as bar:
            assert bar is None
        with progress(Asked("a/b", "", "x"), 10) as bar:
            bar.update(10)
        assert capsys.readouterr().err == ""  # not a terminal
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", False)
        with progress(Asked("a/b", "", "x"), 10) as bar:
            bar.update(10)
        assert "a/b/x: 100%" in capsys.readouterr().err
    finally:
        disable_progress_bars()


def test_pages_without_end(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    again = {"Link": f'<{here.server.url}/api/models?again>; rel="next"'}
    monkeypatch.setattr(Handler, "listing", lambda handler: handler.send(200, b"[7]", **again))
    with Client() as hub:
        assert hub.models(limit=1000) == []
    assert here.server.asked("/api/models") == 20
