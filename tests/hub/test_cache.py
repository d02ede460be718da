"""The Hub's cache on this machine, which zoo shares with the Hub's own client."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

import pytest
from support.hubmachine import COMMIT, FILES, REPO

from zoo.errors import HubError, IntegrityError
from zoo.hub import pull
from zoo.hub.cache import Expected, digests_of, discard, fetch, sha256
from zoo.hub.client import Client, git_sha1
from zoo.hub.locations import repository, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from support.hubmachine import Machine

CONFIG = FILES["config.json"]


def get(expected: Expected = Expected()) -> str:  # noqa: B008 - immutable
    with Client() as hub:
        return fetch(hub, REPO, COMMIT, "config.json", expected)


def test_a_file_that_is_as_expected(here: Machine) -> None:
    here.publish()
    digest = hashlib.sha256(CONFIG).hexdigest()
    for expected in (Expected(), Expected(len(CONFIG), digest), Expected(None, None, git_sha1(CONFIG))):
        assert get(expected) == digest
        assert digests_of(snapshot(REPO, COMMIT)) == {"config.json": digest}
        assert [path.name for path in repository(REPO).iterdir()] == ["snapshots"]


@pytest.mark.parametrize(
    ("expected", "error", "said"),
    [
        (Expected(sha256="0" * 64), IntegrityError, "but the Hub announces 000"),
        (Expected(sha256="0" * 64, pinned="net"), IntegrityError, "but its card pins 000"),
        (Expected(git_sha1="0" * 40), IntegrityError, "not the file that the Hub announces"),
        (Expected(size=len(CONFIG) - 1), HubError, "bytes or more, but at most 13 were expected"),
        (Expected(size=len(CONFIG) + 1), HubError, "broke off or has the wrong length"),
    ],
)
def test_a_file_that_is_not(here: Machine, expected: Expected, error: type[Exception], said: str) -> None:
    here.publish()
    with pytest.raises(error, match=said):
        get(expected)
    assert not list(here.cache.rglob("*config*"))
    assert not list(here.cache.rglob("*.incomplete"))


def test_what_a_killed_process_left_is_cleared_away(here: Machine) -> None:
    here.publish()
    repository(REPO).mkdir(parents=True)
    old, new = (repository(REPO) / f".zoo-{name}.incomplete" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"part")
    os.utime(old, (time.time() - 100_000,) * 2)
    get()
    assert (old.exists(), new.exists()) == (False, True)


def test_the_hubs_own_client_and_zoo_find_each_others_files(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import close_session, hf_hub_download, scan_cache_dir

    close_session()
    template = here.server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    here.publish()
    here.install()
    for name in FILES:
        hf_hub_download(REPO, name, revision=COMMIT, cache_dir=here.cache)
    assert (here.snapshot / "config.json").is_symlink()
    asked = len(here.server.requests)
    for ref in ("hardness-net", f"hf://{REPO}@{COMMIT}"):
        assert pull.pull(ref).origin == "cache"
    assert len(here.server.requests) == asked, "nothing is asked for"

    for name in FILES:
        discard(here.snapshot / name)
    assert here.files() == {}
    assert pull.pull(f"hf://{REPO}").origin == "hub"
    for revision in (COMMIT, "main"):
        found = hf_hub_download(REPO, "config.json", revision=revision, cache_dir=here.cache, local_files_only=True)
        assert found == str(here.snapshot / "config.json")
    (repo,) = scan_cache_dir(here.cache).repos
    assert (repo.repo_id, repo.size_on_disk) == (REPO, sum(map(len, FILES.values())))
    close_session()


def test_a_link_out_of_the_cache_is_removed_and_not_followed(here: Machine, tmp_path: Path) -> None:
    """As an ETag with a path in it had it made by earlier releases."""
    here.publish()
    here.install()
    here.snapshot.mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    (here.snapshot / "config.json").symlink_to(precious)
    assert pull.pull("hardness-net").origin == "hub"
    assert precious.read_bytes() == b"mine"
    assert (here.snapshot / "config.json").read_bytes() == CONFIG
    assert not (here.snapshot / "config.json").is_symlink()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="is missing; install or pull it again"):
        sha256(tmp_path / "none")
    with pytest.raises(IntegrityError, match="cannot be read: Is a directory"):
        sha256(tmp_path)
