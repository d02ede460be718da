"""Pulling registered backbones, each pinned by its card."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.hubmachine import COMMIT, FILES, REPO, WEIGHTS, make_card

from zoo.errors import InputError, IntegrityError, NotPublishedError, UnknownNameError
from zoo.hub import pull
from zoo.registry import backbones
from zoo.registry.cards import Card

if TYPE_CHECKING:
    from support.hubmachine import Machine


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
    assert [request.partition("?")[0] for request in machine.server.requests] == [
        f"GET /{REPO}/resolve/{COMMIT}/model.safetensors",
        f"GET /cdn/{hashlib.sha256(FILES['model.safetensors']).hexdigest()}",
        f"GET /{REPO}/resolve/{COMMIT}/config.json",
    ], "nothing but the files is asked for"

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
        f"but its card pins {digest}; the file was deleted. "
        "Pull again, and do not trust the source if this happens again"
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
    assert "with source bundled" in strict.stderr
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


def test_an_environment_variable_that_makes_no_sense(machine: Machine) -> None:
    machine.publish()
    machine.install()
    done = machine.run(HF_HUB_ETAG_TIMEOUT="x")
    assert done.returncode == 2
    assert done.stderr.startswith("HubError: the environment variables of the Hub cannot be used (")


def test_a_cache_that_has_rotted_is_pulled_again(here: Machine, caplog: pytest.LogCaptureFixture) -> None:
    here.publish()
    card = here.install() and backbones.get("hardness-net")
    assert pull.status(card) == "on the Hub"
    assert pull.pull("hardness-net").origin == "hub"
    assert pull.status(card) == "cached"
    blob = (here.snapshot / "config.json").resolve()
    blob.write_bytes(b"x" * len(FILES["config.json"]))
    with caplog.at_level(logging.WARNING, logger="zoo"):
        pulled = pull.pull("hardness-net")
    assert pulled.origin == "hub"
    assert "config.json in the cache has changed" in caplog.text
    assert (here.snapshot / "config.json").read_bytes() == FILES["config.json"]
    assert here.server.asked("GET /cdn/") == 1, "the file that was in order is not fetched again"


def test_force_downloads_again(here: Machine) -> None:
    here.publish()
    here.install()
    pull.pull("hardness-net")
    assert pull.pull("hardness-net").origin == "cache"
    assert pull.pull("hardness-net", force=True).origin == "hub"
    assert here.server.asked("GET /cdn/") == 2
    here.server.fault = "wrong bytes"
    with pytest.raises(IntegrityError):
        pull.pull("hardness-net", force=True)
    assert not (here.snapshot / "model.safetensors").exists(), "wrong bytes do not stay, even over right ones"


# The bundle


def test_a_bundle_that_is_not_published(here: Machine) -> None:
    folder = here.install(bundled=True, revision=None)
    pulled = pull.pull("hardness-net")
    assert (pulled.origin, pulled.note, pulled.revision) == ("bundled", "", None)
    assert pulled.directory == folder / "weights" / "hardness-net"
    assert pulled.digests == {name: hashlib.sha256(body).hexdigest() for name, body in FILES.items()}
    assert pull.status(backbones.get("hardness-net")) == "bundled"
    assert pull.pull("hardness-net", source="bundled") == pulled
    with pytest.raises(NotPublishedError, match="bundled, but not on the Hub yet"):
        pull.pull("hardness-net", source="hub")
    assert here.server.requests == []


def test_a_bundle_is_checked_on_every_load(here: Machine) -> None:
    folder = here.install(bundled=True, revision=None)
    pull.pull("hardness-net")
    weights = folder / "weights" / "hardness-net" / "model.safetensors"
    spoilt = bytearray(weights.read_bytes())
    spoilt[-1] ^= 1
    weights.write_bytes(spoilt)
    with pytest.raises(IntegrityError, match="but its card pins") as caught:
        pull.pull("hardness-net")
    assert caught.value.exit_code == 3
    assert hashlib.sha256(spoilt).hexdigest() in str(caught.value)
    assert weights.exists(), "a file of an installed package is not ours to delete"
    weights.unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        pull.pull("hardness-net")


@pytest.mark.parametrize("source", ["auto", "hub", "bundled"])
def test_what_is_not_published_is_said_plainly(here: Machine, source: pull.OriginChoice) -> None:
    here.install(bundled=True, revision=None)
    assert pull.status(backbones.get("dEf-113k-mp")) == "not published yet"
    with pytest.raises(NotPublishedError) as caught:
        pull.pull("ΔEf-113k-mp", source=source)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith("dEf-113k-mp is ")
    assert "there is: " in str(caught.value)
    assert "hardness-net" in str(caught.value)
    assert here.server.requests == []


# Directories


def test_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "my-run"
    run.mkdir()
    with pytest.raises(InputError, match=r"holds no model\.safetensors and no config\.json"):
        pull.pull(run)
    for name, body in FILES.items():
        (run / name).write_bytes(body)
    pulled = pull.pull(run)
    assert (pulled.name, pulled.directory, pulled.origin, pulled.card) == ("my-run", run, "directory", None)
    (run / "README.md").write_text(make_card(), encoding="utf-8")
    assert pull.pull(str(run)).card == Card.read(run / "README.md")
    (run / "README.md").write_text("# no card\n")
    assert pull.pull(str(run)).card is None
    monkeypatch.chdir(tmp_path)
    assert pull.pull("my-run").directory == Path("my-run")
    assert pull.pull("./my-run").origin == "directory"
    (tmp_path / "dEf-113k-mp").mkdir()
    with pytest.raises(NotPublishedError):
        pull.pull("dEf-113k-mp")  # a registered name goes before a directory


def test_what_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a directory"):
        pull.pull(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a directory"):
        pull.pull("./nowhere")
    with pytest.raises(InputError, match="a repository is written hf://someone/something"):
        pull.pull("someone/something")
    with pytest.raises(UnknownNameError, match="did you mean"):
        pull.pull("dEf-11k")
    with pytest.raises(UnknownNameError, match="no backbone"):
        pull.pull("x" * 300)
    with pytest.raises(InputError, match="'mirror' is unknown"):
        pull.pull("dEf-10k", source="mirror")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot be bundled"):
        pull.pull(f"hf://{REPO}", source="bundled")
