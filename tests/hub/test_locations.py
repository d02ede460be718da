"""Where weights are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.hubmachine import COMMIT, REPO

from zoo.hub.locations import WeightsLocation, cache_root, noted_commit, repository, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from support.hubmachine import Machine


def test_where_weights_are(here: Machine, tmp_path: Path) -> None:
    assert cache_root() == here.cache
    sizes = {"config.json": 3}
    planned = WeightsLocation(REPO, None, None, sizes)
    published = WeightsLocation(REPO, COMMIT, None, sizes)
    bundled = WeightsLocation(REPO, COMMIT, tmp_path, sizes)
    assert [each.status() for each in (planned, published, bundled)] == [
        "not published yet", "on the Hub", "on the Hub",
    ]  # fmt: skip
    snapshot(REPO, COMMIT).mkdir(parents=True)
    (snapshot(REPO, COMMIT) / "config.json").write_bytes(b"abc")
    (tmp_path / "config.json").write_bytes(b"abcd")
    assert [each.status() for each in (published, bundled)] == ["cached", "cached"]
    (tmp_path / "config.json").write_bytes(b"abc")
    assert bundled.status() == "bundled"


@pytest.mark.parametrize(("content", "commit"), [(COMMIT, COMMIT), (f"{COMMIT}\n", COMMIT), ("x", None), ("é", None)])
def test_the_commit_that_was_noted(here: Machine, content: str, commit: str | None) -> None:
    assert noted_commit(REPO, "main") is None
    (repository(REPO) / "refs").mkdir(parents=True)
    (repository(REPO) / "refs" / "main").write_text(content, encoding="utf-8")
    assert noted_commit(REPO, "main") == commit
