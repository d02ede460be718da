"""What was pulled before is noted, one small file per repository and Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.hubmachine import COMMIT, REPO

from zoo._utils import files
from zoo.hub import history, pull

if TYPE_CHECKING:
    from support.hubmachine import Machine

FILES = {"config.json": "0" * 64}


def test_what_is_noted_is_recalled(here: Machine) -> None:
    assert history.recall(REPO, "main") is None
    history.note(REPO, "main", COMMIT, FILES)
    noted = history.recall(REPO, "main")
    assert noted is not None
    assert (noted.commit, noted.files) == (COMMIT, FILES)
    assert history.recall(REPO, COMMIT) == noted
    assert history.recall("other/net", "main") is None


def test_another_hubs_repository_is_another_one(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    history.note(REPO, "main", COMMIT, FILES)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://mirror.invalid")
    assert history.recall(REPO, "main") is None


def test_the_oldest_are_forgotten(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.hub.history.KEPT", 3)
    for number in range(5):
        history.note(REPO, f"v{number}", COMMIT, FILES | {"README.md": str(number)})
    assert [history.recall(REPO, f"v{number}") is not None for number in range(5)] == [False, False, False, True, True]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"main": 1}', b'{"main": {"commit": "x"}}', b"[" * 9999])
def test_notes_that_cannot_be_read_are_begun_anew(
    here: Machine, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    here.publish()
    pull.pull(f"hf://{REPO}")
    (file,) = files.cache_folder("seen").iterdir()
    file.write_bytes(content)
    assert pull.pull(f"hf://{REPO}").origin == "cache"
    assert "what was pulled before is forgotten" in caplog.text
    assert history.recall(REPO, "main") is not None


def test_notes_that_cannot_be_written_cost_a_warning(
    here: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.publish()
    here.home.mkdir()
    (here.home / "zoo").write_text("a file where the folder should be")
    assert pull.pull(f"hf://{REPO}").origin == "hub"
    assert "changes of strangers/hardness-net will go unnoticed" in caplog.text
