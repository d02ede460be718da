"""Repositories that no card pins: what they are is noted, and changes are noticed."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from support.hubmachine import COMMIT, FILES, REPO, make_card
from zoo.cli import main

from zoo._utils import files
from zoo.errors import HubError, InputError, IntegrityError
from zoo.hub import history, pull
from zoo.registry import backbones
from zoo.registry.cards import Card

if TYPE_CHECKING:
    from support.hubmachine import Machine


def test_a_repository_by_reference(here: Machine, caplog: pytest.LogCaptureFixture) -> None:
    readme = make_card().encode()
    here.publish(README_md=readme, weights_pkl=b"a pickle that nobody asked for")
    with caplog.at_level(logging.INFO, logger="zoo"):
        pulled = pull.pull(f"hf://{REPO}")
        again = pull.pull(f"hf://{REPO}")
    assert (pulled.name, pulled.origin, pulled.revision) == (REPO, "hub", COMMIT)
    assert again.origin == "cache"
    assert here.server.asked("GET /cdn/") == 1
    assert pulled.card == Card.parse(readme.decode(), str(here.snapshot / "README.md"))
    assert {path.name for path in here.snapshot.iterdir()} == {*FILES, "README.md"}, "and no pickle"
    assert here.server.asked("pkl") == 0
    assert pulled.digests["config.json"] == hashlib.sha256(FILES["config.json"]).hexdigest()
    assert caplog.text.count("are not pinned") == 1, "said once"
    assert f"hf://{REPO}@{COMMIT}" in caplog.text
    assert pulled.digests["model.safetensors"] in caplog.text

    here.server.stop()
    offline = pull.pull(f"hf://{REPO}@main")
    assert (offline.origin, offline.revision) == ("cache", COMMIT)
    assert "cannot be reached" in offline.note
    assert "Took commit 0123456789ab from the cache" in offline.note
    with pytest.raises(HubError, match="cannot be reached"):
        pull.pull(f"hf://{REPO}", force=True)
    with pytest.raises(HubError, match="cannot be reached"):
        pull.pull(f"hf://{REPO}@v2")


def test_a_reference_to_a_commit_is_pinned_and_needs_no_second_look(
    here: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    here.publish()
    assert pull.pull(f"hf://{REPO}@{COMMIT}").origin == "hub"
    before = list(here.server.requests)
    pulled = pull.pull(f"hf://{REPO}@{COMMIT}")
    assert (pulled.origin, pulled.card) == ("cache", None)
    assert here.server.requests == before
    assert "not pinned" not in caplog.text


def test_a_repository_without_safe_weights(here: Machine) -> None:
    here.publish()
    del here.server.repositories[REPO].files["model.safetensors"]
    with pytest.raises(HubError, match=r"holds no model\.safetensors; zoo loads nothing else"):
        pull.pull(f"hf://{REPO}")
    assert here.files() == {}


@pytest.mark.parametrize(
    "ref", ["hf://", "hf://one", "hf://a/b/c", "hf://a/b@", "hf://a/b@../../etc", "hf://../b", "hf://a/b@x y"]
)
def test_what_is_no_reference(ref: str) -> None:
    with pytest.raises(InputError, match="hf://owner/repo@revision"):
        pull.pull(ref)


OTHER = {"model.safetensors": FILES["model.safetensors"][:-4] + b"abcd", "config.json": b'{"format": 2}\n'}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_other_bytes_under_the_same_branch_are_noticed(here: Machine, caplog: pytest.LogCaptureFixture) -> None:
    here.publish()
    pull.pull(f"hf://{REPO}")
    noted = history.recall(REPO, "main")
    assert noted is not None
    assert (noted.commit, noted.files) == (COMMIT, {name: digest(data) for name, data in FILES.items()})
    (file,) = files.cache_folder("seen").iterdir()
    assert json.loads(file.read_text())["main"]["commit"] == COMMIT, (
        "one file for people to read, and none half-written"
    )

    other = here.server.put(REPO, OTHER)
    pulled = pull.pull(f"hf://{REPO}")
    assert pulled.revision == other
    (said,) = [record.getMessage() for record in caplog.records if "other bytes" in record.getMessage()]
    assert said.startswith(f"{REPO}@main holds other bytes than on {noted.date}: ")
    for name in FILES:
        assert f"{name} had SHA-256 {digest(FILES[name])}, and now {digest(OTHER[name])}" in said
    assert said.endswith(f"What you had then is hf://{REPO}@{COMMIT}")
    assert pull.pull(f"hf://{REPO}@{COMMIT}").digests["config.json"] == digest(FILES["config.json"]), "and still there"

    caplog.clear()
    assert pull.pull(f"hf://{REPO}").origin == "cache"
    here.server.put(REPO, {"README.md": b"better words"})
    assert pull.pull(f"hf://{REPO}").origin == "hub"
    assert "other bytes" not in caplog.text, "a card may be mended"


def test_other_bytes_under_the_same_commit_are_an_error(here: Machine) -> None:
    here.publish()
    pull.pull(f"hf://{REPO}")
    shutil.rmtree(here.cache)
    here.server.repositories[REPO].files = OTHER
    for ref in (f"hf://{REPO}", f"hf://{REPO}@{COMMIT}"):
        with pytest.raises(IntegrityError, match="but commits never change") as caught:
            pull.pull(ref)
        assert caught.value.exit_code == 3
        assert digest(FILES["config.json"]) in str(caught.value)
        assert digest(OTHER["config.json"]) in str(caught.value)
        assert here.files() == {}, "nothing of it stays"
    here.publish()
    assert pull.pull(f"hf://{REPO}").origin == "hub"


def test_a_cache_that_was_changed_is_pulled_again(here: Machine, caplog: pytest.LogCaptureFixture) -> None:
    here.publish()
    for ref in (f"hf://{REPO}", f"hf://{REPO}@{COMMIT}"):
        pull.pull(ref)
        (here.snapshot / "config.json").resolve().write_bytes(b"changed")
        caplog.clear()
        pulled = pull.pull(ref)
        assert (pulled.origin, pulled.digests["config.json"]) == ("hub", digest(FILES["config.json"]))
        assert "config.json in the cache has changed since it was pulled" in caplog.text
    (here.snapshot / "config.json").resolve().write_bytes(b"changed")
    here.server.stop()
    with pytest.raises(HubError, match="cannot be reached"):
        pull.pull(f"hf://{REPO}")


def test_the_hub_cannot_lead_out_of_the_cache(here: Machine) -> None:
    """Names of files in a repository are not followed; only four names are ever asked for."""
    here.publish(**{"../../evil.json": b"{}"})
    here.server.repositories[REPO].files["sub/model.safetensors"] = b"x"
    pull.pull(f"hf://{REPO}")
    assert {path.name for path in here.snapshot.iterdir()} == set(FILES)
    assert here.server.asked("evil") == 0


def test_show_takes_what_pull_takes(here: Machine) -> None:
    ours = backbones.weights_folder(backbones.get("dEf-10k"))
    files = {name: (ours / name).read_bytes() for name in FILES}
    card = make_card().replace("Prose.", "Prose.\x1b[2J").encode()
    commit = here.server.put("eve/net", {**files, "README.md": card})
    shown = CliRunner().invoke(main, ["show", f"hf://eve/net@{commit}"])
    assert shown.exit_code == 0, shown.output
    assert "Vickers hardness" in shown.output
    assert f"commit {commit}" in shown.output
    assert "\x1b" not in shown.output, "no control characters reach the terminal"

    bare = CliRunner().invoke(main, ["show", str(ours)])
    assert bare.exit_code == 0, bare.output
    assert "formation_energy_per_atom (eV/atom)" in bare.output
    assert "cutoff 8.0, neighbors 12" in bare.output
    overview = json.loads(CliRunner().invoke(main, ["show", "--json", str(ours)]).output)
    assert overview["architecture"]["convolutions"] == 4
    assert overview["weights"] == str(ours)
    unknown = CliRunner().invoke(main, ["show", "dEf-11k"])
    assert unknown.exit_code == 2
    assert "did you mean" in unknown.output


def test_pull_looks_into_what_nobody_vouches_for(here: Machine) -> None:
    ours = backbones.weights_folder(backbones.get("dEf-10k"))
    files = {name: (ours / name).read_bytes() for name in FILES}
    here.server.put("eve/net", files)
    assert CliRunner().invoke(main, ["pull", "hf://eve/net"]).exit_code == 0
    config = json.loads(files["config.json"])
    config["architecture"]["width"] = 10**9
    here.server.put("eve/evil", {**files, "config.json": json.dumps(config).encode()})
    refused = CliRunner().invoke(main, ["pull", "hf://eve/evil"])
    assert refused.exit_code == 2
    assert "architecture.width" in refused.output


def test_a_card_that_is_too_large_is_left_where_it_is(here: Machine) -> None:
    here.publish(**{"README.md": b"#" * 1_000_001})
    assert pull.pull(f"hf://{REPO}").card is None
    assert {path.name for path in here.snapshot.iterdir()} == set(FILES)
    assert here.server.asked("README") == 0


def test_ten_megabytes_of_json_are_not_fetched(here: Machine) -> None:
    here.publish(**{"config.json": b" " * 10_000_000})
    with pytest.raises(
        HubError, match=r"config\.json of .* has 10,000,000 bytes, but zoo takes 1,000,000; nothing was"
    ):
        pull.pull(f"hf://{REPO}")
    assert here.files() == {}
