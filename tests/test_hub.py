"""Pulling registered backbones, each pinned by its card."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hubmachine import COMMIT, FILES, REPO, WEIGHTS, make_card
from safetensors.numpy import load_file

from zoo import hub, registry
from zoo.card import Card
from zoo.errors import HubError, InputError, IntegrityError, NotPublishedError, UnknownNameError, ZooError

if TYPE_CHECKING:
    from hubmachine import Machine


# Registered backbones, through processes of their own


def test_a_fresh_pull_and_a_second_one_without_any_socket(machine: Machine) -> None:
    machine.publish()
    machine.install()
    control = machine.run(FORBID="1")
    assert control.returncode != 0, "the guard that the second pull runs under must bite"
    assert "a socket was opened" in control.stderr

    first = machine.run()
    assert first.returncode == 0, first.stderr
    directory, origin, note, revision, _ = json.loads(first.stdout)
    assert (Path(directory), origin, note, revision) == (machine.snapshot, "hub", "", COMMIT)
    assert {path.name: path.read_bytes() for path in machine.snapshot.iterdir()} == FILES
    np.testing.assert_array_equal(
        load_file(machine.snapshot / "model.safetensors")["conv.weight"], WEIGHTS["conv.weight"]
    )
    assert machine.server.asked("GET /strangers/hardness-net/resolve/" + COMMIT) == 1
    assert machine.server.asked("GET /cdn/") == 1

    machine.server.stop()
    second = machine.run(FORBID="1")
    assert second.returncode == 0, second.stderr
    directory, origin, note, revision, client = json.loads(second.stdout)
    assert (Path(directory), origin, note, revision) == (machine.snapshot, "cache", "", COMMIT)
    assert client == [], "the client is not even imported"


def test_wrong_bytes_end_with_code_3_and_leave_no_trace(machine: Machine) -> None:
    machine.publish()
    machine.install()
    machine.server.fault = "wrong bytes"
    done = machine.run()
    assert done.returncode == 3
    digest = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    spoilt = hashlib.sha256(bytes(b ^ 0xFF for b in FILES["model.safetensors"])).hexdigest()
    assert done.stderr.strip() == (
        f"IntegrityError: hardness-net: model.safetensors from {REPO} has SHA-256 {spoilt}, "
        f"but its card pins {digest}; the file was deleted. Pull again, and distrust the source if this stays"
    )
    assert machine.files() == {}
    machine.server.fault = None
    assert machine.run().returncode == 0
    assert set(machine.files().values()) == set(FILES.values())


def test_a_bundle_needs_no_hub_published_or_not(machine: Machine) -> None:
    machine.publish()
    folder = machine.install(bundled=True)
    done = machine.run(FORBID="1")
    assert done.returncode == 0, done.stderr
    directory, origin, note, revision, _ = json.loads(done.stdout)
    assert (Path(directory), origin, revision, note) == (folder / "weights" / "hardness-net", "bundled", None, "")

    there = machine.run(source="hub")
    assert json.loads(there.stdout)[:2] == [str(machine.snapshot), "hub"]
    machine.server.stop()
    assert machine.run(source="hub", FORBID="1").returncode == 0, "it is in the cache now"
    strict = machine.run(source="hub", HF_HOME=str(machine.home / "empty"))
    assert strict.returncode == 2
    assert strict.stderr.startswith(f"HubError: {machine.server.url} cannot be reached")
    assert "--source bundled" in strict.stderr
    assert strict.stderr.count("\n") == 1, "one line, no traceback"


def test_offline_mode(machine: Machine) -> None:
    machine.publish()
    machine.install()
    offline = machine.run(HF_HUB_OFFLINE="1", FORBID="1")
    assert offline.returncode == 2
    assert "HF_HUB_OFFLINE is set and strangers/hardness-net is not in the cache" in offline.stderr
    assert machine.server.requests == []
    assert machine.run().returncode == 0
    assert machine.run(HF_HUB_OFFLINE="1", FORBID="1").returncode == 0


# Faults of the Hub, in this process

WORDS = {
    "gated": "is gated: ask for access at http://127.0.0.1:{port}/" + REPO + ", then log in with 'hf auth login'",
    "no repository": "there is no model " + REPO + " at http://127.0.0.1:{port}, or it is private",
    "no revision": "has no revision " + COMMIT,
    "no file": "has no file model.safetensors at revision " + COMMIT,
    "bad token": "wants to know who asks for this (401); log in with 'hf auth login'",
    "forbidden": "forbids access to " + REPO + " (403)",
    "too many": "too many requests from here (429); wait",
    "out of order": "is out of order (status 503); try again later",
    "html": "does not answer as a Hub does (JSONDecodeError); check HF_ENDPOINT",
    "json": "does not answer as a Hub does (TypeError); check HF_ENDPOINT",
    "wrong length": "the download of model.safetensors from " + REPO + " broke off or has the wrong length",
    "other commit": "asked for commit " + COMMIT + ", but got " + "0" * 40,
    "silent": "does not answer in time",
}


@pytest.mark.parametrize("fault", WORDS)
def test_each_fault_has_its_words_and_leaves_nothing_that_looks_whole(
    here: Machine, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 0.3)
    here.publish()
    here.install()
    here.server.fault = fault
    with pytest.raises(HubError) as caught:
        hub.pull("hardness-net")
    assert WORDS[fault].format(port=here.server.port) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert not (here.snapshot / "model.safetensors").exists()
    assert not [name for name in here.files() if name.endswith(".incomplete")]

    here.server.fault = None
    assert hub.pull("hardness-net").origin == "hub"
    assert {path.name: path.read_bytes() for path in here.snapshot.iterdir()} == FILES


@pytest.mark.parametrize("fault", ["no repository", "gated", "out of order"])
def test_a_hub_that_refuses_reminds_of_the_bundle(here: Machine, fault: str) -> None:
    here.publish()
    here.install(bundled=True)
    here.server.fault = fault
    with pytest.raises(HubError, match="or take the bundled weights, which are the same, with --source bundled"):
        hub.pull("hardness-net", source="hub")
    assert hub.pull("hardness-net").origin == "bundled"


def test_a_connection_cut_in_the_middle_is_resumed(here: Machine) -> None:
    here.publish()
    here.install()
    here.server.fault = "cut once"
    assert hub.pull("hardness-net").origin == "hub"
    assert (here.snapshot / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert here.server.asked("GET /cdn/") == 2


def test_a_cache_that_has_rotted_is_pulled_again(here: Machine, caplog: pytest.LogCaptureFixture) -> None:
    here.publish()
    card = here.install() and registry.get("hardness-net")
    assert hub.status(card) == "on the Hub"
    assert hub.pull("hardness-net").origin == "hub"
    assert hub.status(card) == "cached"
    blob = (here.snapshot / "config.json").resolve()
    blob.write_bytes(b"x" * len(FILES["config.json"]))
    with caplog.at_level(logging.WARNING, logger="zoo"):
        pulled = hub.pull("hardness-net")
    assert pulled.origin == "hub"
    assert "config.json in the cache has changed" in caplog.text
    assert (here.snapshot / "config.json").read_bytes() == FILES["config.json"]
    assert here.server.asked("GET /cdn/") == 1, "the file that was in order is not fetched again"


def test_force_downloads_again(here: Machine) -> None:
    here.publish()
    here.install()
    hub.pull("hardness-net")
    assert hub.pull("hardness-net").origin == "cache"
    assert hub.pull("hardness-net", force=True).origin == "hub"
    assert here.server.asked("GET /cdn/") == 2
    here.server.fault = "wrong bytes"
    with pytest.raises(IntegrityError):
        hub.pull("hardness-net", force=True)
    assert not (here.snapshot / "model.safetensors").exists(), "wrong bytes do not stay, even over right ones"


def test_a_cache_that_cannot_be_written(here: Machine) -> None:
    here.publish()
    here.install()
    here.home.mkdir()
    here.cache.write_text("a file where the folder should be")
    with pytest.raises(ZooError) as caught:
        hub.pull("hardness-net")
    assert str(caught.value) == f"cannot use the cache {here.cache}: Not a directory; make room there or set HF_HOME"


def test_no_password_of_the_address_is_repeated(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    here.install()
    here.server.stop()
    monkeypatch.setattr(constants, "ENDPOINT", here.server.url.replace("//", "//me:secret@"))
    with pytest.raises(HubError, match="cannot be reached") as caught:
        hub.pull("hardness-net")
    assert "secret" not in str(caught.value)


# The bundle


def test_a_bundle_that_is_not_published(here: Machine) -> None:
    folder = here.install(bundled=True, revision=None)
    pulled = hub.pull("hardness-net")
    assert (pulled.origin, pulled.note, pulled.revision) == ("bundled", "", None)
    assert pulled.directory == folder / "weights" / "hardness-net"
    assert pulled.digests == {name: hashlib.sha256(body).hexdigest() for name, body in FILES.items()}
    assert hub.status(registry.get("hardness-net")) == "bundled"
    assert hub.pull("hardness-net", source="bundled") == pulled
    with pytest.raises(NotPublishedError, match="bundled, but not on the Hub yet"):
        hub.pull("hardness-net", source="hub")
    assert here.server.requests == []


def test_a_bundle_is_checked_on_every_load(here: Machine) -> None:
    folder = here.install(bundled=True, revision=None)
    hub.pull("hardness-net")
    weights = folder / "weights" / "hardness-net" / "model.safetensors"
    spoilt = bytearray(weights.read_bytes())
    spoilt[-1] ^= 1
    weights.write_bytes(spoilt)
    with pytest.raises(IntegrityError, match="but its card pins") as caught:
        hub.pull("hardness-net")
    assert caught.value.exit_code == 3
    assert hashlib.sha256(spoilt).hexdigest() in str(caught.value)
    assert weights.exists(), "a file of an installed package is not ours to delete"
    weights.unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        hub.pull("hardness-net")


@pytest.mark.parametrize("source", ["auto", "hub", "bundled"])
def test_what_is_not_published_is_said_plainly(here: Machine, source: hub.Source) -> None:
    here.install(bundled=True, revision=None)
    assert hub.status(registry.get("dEf-NM")) == "not published yet"
    with pytest.raises(NotPublishedError) as caught:
        hub.pull("ΔEf-NM", source=source)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith("dEf-NM is ")
    assert "there is: " in str(caught.value)
    assert "hardness-net" in str(caught.value)
    assert here.server.requests == []


# Repositories that no card pins


def test_a_repository_by_reference(here: Machine, caplog: pytest.LogCaptureFixture) -> None:
    readme = make_card().encode()
    here.publish(README_md=readme, weights_pkl=b"a pickle that nobody asked for")
    with caplog.at_level(logging.INFO, logger="zoo"):
        pulled = hub.pull(f"hf://{REPO}")
        again = hub.pull(f"hf://{REPO}")
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
    offline = hub.pull(f"hf://{REPO}@main")
    assert (offline.origin, offline.revision) == ("cache", COMMIT)
    assert "cannot be reached" in offline.note
    assert "Took commit 0123456789ab from the cache" in offline.note
    with pytest.raises(HubError, match="cannot be reached"):
        hub.pull(f"hf://{REPO}", force=True)
    with pytest.raises(HubError, match="cannot be reached"):
        hub.pull(f"hf://{REPO}@v2")


def test_a_reference_to_a_commit_is_pinned_and_needs_no_second_look(
    here: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    here.publish()
    assert hub.pull(f"hf://{REPO}@{COMMIT}").origin == "hub"
    before = list(here.server.requests)
    pulled = hub.pull(f"hf://{REPO}@{COMMIT}")
    assert (pulled.origin, pulled.card) == ("cache", None)
    assert here.server.requests == before
    assert "not pinned" not in caplog.text


def test_a_repository_without_safe_weights(here: Machine) -> None:
    here.publish()
    del here.server.repositories[REPO].files["model.safetensors"]
    with pytest.raises(HubError, match=r"holds no model\.safetensors; zoo loads nothing else"):
        hub.pull(f"hf://{REPO}")
    assert here.files() == {}


@pytest.mark.parametrize(
    "ref", ["hf://", "hf://one", "hf://a/b/c", "hf://a/b@", "hf://a/b@../../etc", "hf://../b", "hf://a/b@x y"]
)
def test_what_is_no_reference(ref: str) -> None:
    with pytest.raises(InputError, match="hf://owner/repo@revision"):
        hub.pull(ref)


# Directories


def test_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "my-run"
    run.mkdir()
    with pytest.raises(InputError, match=r"holds no model\.safetensors and no config\.json"):
        hub.pull(run)
    for name, body in FILES.items():
        (run / name).write_bytes(body)
    pulled = hub.pull(run)
    assert (pulled.name, pulled.directory, pulled.origin, pulled.card) == ("my-run", run, "directory", None)
    (run / "README.md").write_text(make_card(), encoding="utf-8")
    assert hub.pull(str(run)).card == Card.read(run / "README.md")
    (run / "README.md").write_text("# no card\n")
    assert hub.pull(str(run)).card is None
    monkeypatch.chdir(tmp_path)
    assert hub.pull("my-run").directory == Path("my-run")
    assert hub.pull("./my-run").origin == "directory"
    (tmp_path / "dEf-113k").mkdir()
    with pytest.raises(NotPublishedError):
        hub.pull("dEf-113k")  # a registered name goes before a directory


def test_what_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no directory"):
        hub.pull(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is no directory"):
        hub.pull("./nowhere")
    with pytest.raises(InputError, match="a repository is written hf://someone/something"):
        hub.pull("someone/something")
    with pytest.raises(UnknownNameError, match="did you mean"):
        hub.pull("dEf-11k")
    with pytest.raises(InputError, match="'mirror' is unknown"):
        hub.pull("dEf-10k", source="mirror")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot be bundled"):
        hub.pull(f"hf://{REPO}", source="bundled")
