"""A Hub that misbehaves: for each fault what is said, the exit code, a clean cache, and the next step."""

from __future__ import annotations

import hashlib
import logging
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from support.hubmachine import COMMIT, DRIVER, FILES, REPO

from zoo.errors import HubError, IntegrityError, ZooError
from zoo.hub import pull
from zoo.registry import backbones

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.hubmachine import Machine

# Faults of the Hub, in this process

WORDS = {
    "gated": "is gated: ask for access at http://127.0.0.1:{port}/" + REPO + ", then log in with 'hf auth login'",
    "no repository": "there is no model " + REPO + " at http://127.0.0.1:{port}, or it is private",
    "no revision": "has no revision " + COMMIT,
    "no file": "has no file model.safetensors at revision " + COMMIT,
    "bad token": "requires authentication (401); log in with 'hf auth login'",
    "forbidden": "forbids access to " + REPO + " (403)",
    "too many": "too many requests from here (429); wait",
    "out of order": "has a server error (status 503); try again later",
    "html": "is not a Hugging Face Hub (it names no commit); check HF_ENDPOINT",
    "json": "is not a Hugging Face Hub (it names no commit); check HF_ENDPOINT",
    "wrong length": "model.safetensors of " + REPO + " has 160,089 bytes or more, but at most 160,088 were expected",
    "other commit": "asked for commit " + COMMIT + ", but got " + "0" * 40,
    "silent": "does not answer in time; try again, or increase the time-out with HF_HUB_ETAG_TIMEOUT",
    "redirect loop": "redirects requests in a circle; check HF_ENDPOINT and the proxy",
    "redirect to plain http": "redirects to http://storage.invalid, where anybody on the network could read and change",
    "says 100 GB": f"model.safetensors of {REPO} has 100,000,000,000 bytes or more, but at most 160,088 were expected",
}


@pytest.mark.parametrize("fault", WORDS)
def test_each_fault_has_its_words_and_leaves_nothing_that_looks_whole(
    here: Machine, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    here.publish()
    here.install()
    here.server.fault = fault
    with pytest.raises(HubError) as caught:
        pull.pull("hardness-net")
    assert WORDS[fault].format(port=here.server.port) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert not (here.snapshot / "model.safetensors").exists()
    assert not [name for name in here.files() if name.endswith(".incomplete")]

    here.server.fault = None
    assert pull.pull("hardness-net").origin == "hub"
    assert {path.name: path.read_bytes() for path in here.snapshot.iterdir()} == FILES


@pytest.mark.parametrize("fault", ["no repository", "gated", "out of order"])
def test_a_hub_that_refuses_reminds_of_the_bundle(here: Machine, fault: str) -> None:
    here.publish()
    here.install(bundled=True)
    here.server.fault = fault
    with pytest.raises(HubError, match="or take the bundled weights, which are the same, with source bundled"):
        pull.pull("hardness-net", source="hub")
    assert pull.pull("hardness-net").origin == "bundled"


def test_a_connection_cut_in_the_middle_is_resumed(here: Machine) -> None:
    here.publish()
    here.install()
    here.server.fault = "cut once"
    assert pull.pull("hardness-net").origin == "hub"
    assert (here.snapshot / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert here.server.asked("GET /cdn/") == 2


def test_a_cache_that_cannot_be_written(here: Machine) -> None:
    here.publish()
    here.install()
    here.home.mkdir()
    here.cache.write_text("a file where the folder should be")
    with pytest.raises(ZooError) as caught:
        pull.pull("hardness-net")
    assert str(caught.value) == f"cannot use the cache {here.cache}: Not a directory; make room there or set HF_HOME"


def in_another_process(machine: Machine, *, before: str = "pass", **environment: str) -> subprocess.Popen[str]:
    code = f"{before}\n{DRIVER}"
    command = [sys.executable, "-c", code, f"hf://{REPO}", "auto"]
    env = machine.environment(**environment)
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_cache_that_is_full(machine: Machine) -> None:
    machine.publish()
    # A limit on the size of files: the system then refuses to write, as it does on a full disk.
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    process = in_another_process(machine, before=full)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert said == f"HubError: cannot use the cache {machine.cache}: File too large; make room there or set HF_HOME\n"
    assert not [name for name in machine.files() if "snapshots" in name or name.endswith(".incomplete")]


def test_a_name_that_does_not_resolve(machine: Machine) -> None:
    for endpoint in ("https://hub.invalid", "http://hub.invalid"):
        process = in_another_process(machine, HF_ENDPOINT=endpoint)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 2
        assert said.startswith(f"UnreachableError: {endpoint} cannot be reached (")
        assert said.endswith("); check the network, the proxy and HF_ENDPOINT\n")
    assert machine.files() == {}


def test_two_processes_pull_the_same_at_once(machine: Machine) -> None:
    machine.publish()
    machine.server.fault = "slow"
    both = [in_another_process(machine) for _ in range(2)]
    for process in both:
        out, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert str(machine.snapshot) in out
    assert {path.name: path.read_bytes() for path in machine.snapshot.iterdir()} == FILES
    assert not [name for name in machine.files() if name.endswith(".incomplete")]


def test_a_process_that_is_killed_leaves_nothing_that_looks_whole(machine: Machine) -> None:
    machine.publish()
    machine.server.fault = "slow"
    process = in_another_process(machine)
    while not list(machine.cache.rglob("*.incomplete")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not list(machine.cache.rglob("model.safetensors"))
    machine.server.fault = None
    again = machine.run(f"hf://{REPO}")
    assert again.returncode == 0, again.stderr
    assert {path.name: path.read_bytes() for path in machine.snapshot.iterdir()} == FILES


def test_a_connection_that_is_always_cut_is_given_up(here: Machine) -> None:
    here.publish()
    here.install()
    here.server.fault = "cut always"
    with pytest.raises(HubError, match=r"model\.safetensors from .* broke off; check the network, and pull it"):
        pull.pull("hardness-net")
    assert here.server.asked("GET /cdn/") == 3
    assert here.files() == {}


def test_more_bytes_than_were_announced_are_cut_off(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    here.publish()
    here.install()
    here.server.fault = "sends 100 GB"
    for ref in ("hardness-net", f"hf://{REPO}"):
        with pytest.raises(HubError, match=r"has \d\d\d,\d\d\d bytes or more, but at most 160,088 were expected"):
            pull.pull(ref)
    here.server.fault = "sends 100 GB unannounced"
    monkeypatch.setattr("zoo.hub.cache.MAX_WEIGHTS", 2_000_000)
    with pytest.raises(HubError, match=r"has 2,0\d\d,\d\d\d bytes or more, but at most 2,000,000 were expected"):
        pull.pull(f"hf://{REPO}")
    assert here.files() == {}


def test_a_repository_that_says_it_is_huge_is_not_even_begun(here: Machine) -> None:
    here.publish()
    here.server.fault = "says 100 GB"
    said = f"model.safetensors of {REPO} has 100,000,000,000 bytes, but zoo takes 200,000,000; nothing was downloaded"
    with pytest.raises(HubError, match=said):
        pull.pull(f"hf://{REPO}")
    assert here.server.asked("resolve") == 0
    assert here.files() == {}


def test_a_hub_that_is_out_of_order_for_a_moment(here: Machine) -> None:
    here.publish()
    here.install()
    here.server.fault = "out of order once"
    assert pull.pull("hardness-net").origin == "hub"


def test_how_long_to_wait_is_said_and_not_waited(here: Machine) -> None:
    here.publish()
    here.install()
    here.server.fault, here.server.retry_after = "too many", 3600
    with pytest.raises(HubError, match=r"too many requests from here \(429\); wait 3600 seconds, or log in"):
        pull.pull("hardness-net")
    assert here.server.asked("GET") == 1


def test_wrong_bytes_of_a_repository_that_nobody_pins(here: Machine) -> None:
    here.publish()
    here.server.fault = "wrong bytes"
    with pytest.raises(IntegrityError, match="but the Hub announces") as caught:
        pull.pull(f"hf://{REPO}")
    assert caught.value.exit_code == 3
    for data in (FILES["model.safetensors"], bytes(b ^ 0xFF for b in FILES["model.safetensors"])):
        assert hashlib.sha256(data).hexdigest() in str(caught.value)
    assert not list(here.cache.rglob("model.safetensors"))


def test_no_password_of_the_address_is_repeated(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    here.install()
    here.server.stop()
    monkeypatch.setattr(constants, "ENDPOINT", here.server.url.replace("//", "//me:secret@"))
    with pytest.raises(HubError, match="cannot be reached") as caught:
        pull.pull("hardness-net")
    assert "secret" not in str(caught.value)


def test_plain_http_goes_only_where_the_user_says(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is not this machine is never asked in plain http; it would not even be looked up."""
    from huggingface_hub import constants

    asked: list[str] = []

    def refuse(event: str, args: tuple[object, ...]) -> None:
        if listening and event == "socket.getaddrinfo":
            asked.append(str(args[0]))

    listening = True
    sys.addaudithook(refuse)
    try:
        here.publish()
        here.install()
        here.server.fault = "redirect to plain http"
        with pytest.raises(HubError, match="nothing was sent"):
            pull.pull("hardness-net")
        assert "storage.invalid" not in asked
        monkeypatch.setattr(constants, "ENDPOINT", "http://hub.invalid")
        with pytest.raises(HubError, match="cannot be reached"):
            pull.pull("hardness-net")
        assert "hub.invalid" in asked, "HF_ENDPOINT says so"
    finally:
        listening = False


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
def test_no_token_in_a_log_or_an_error(here: Machine, caplog: pytest.LogCaptureFixture, level: int) -> None:
    from huggingface_hub import constants

    token = "hf_" + "S3cret" * 5
    here.home.mkdir(exist_ok=True)
    (here.home / "token").write_text(token)
    assert str(here.home / "token") == constants.HF_TOKEN_PATH
    here.publish()
    here.install()
    said = []
    with caplog.at_level(level), caplog.at_level(level, logger="huggingface_hub"):
        for fault in ("bad token", "forbidden", "out of order", "html", "cut once", None):
            here.server.fault = fault  # type: ignore[assignment]
            try:
                pull.pull("hardness-net")
            except HubError as error:
                said.append(str(error))
    assert len(said) == 4
    assert here.server.authorized, "it was sent to the Hub"
    assert not [request for request in here.server.authorized if request.startswith("localhost")], "and to no storage"
    assert token not in caplog.text + "".join(said)


@pytest.mark.parametrize(("fault", "code"), [("no repository", 2), ("out of order", 2), ("wrong bytes", 3)])
def test_the_command_ends_in_one_line(machine: Machine, fault: str, code: int) -> None:
    machine.publish()
    machine.install()
    machine.server.fault = fault  # type: ignore[assignment]
    command = [sys.executable, "-m", "zoo", "pull", "hardness-net"]
    env = machine.environment()
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert machine.files() == {} or code == 2


def test_several_at_once_one_of_which_fails(machine: Machine, tmp_path: Path) -> None:
    machine.publish()
    machine.install()
    folder = tmp_path / "here"
    command = [sys.executable, "-m", "zoo", "pull", "hardness-net", "dEf-10k", "hf://nobody/nothing", "--to", folder]
    env = machine.environment()
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["hardness-net", "dEf-10k"]
    assert "there is no model nobody/nothing" in done.stderr
    assert done.stderr.endswith("Error: 1 of 3 could not be pulled\n")
    assert (folder / "hardness-net" / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert {path.name for path in (folder / "dEf-10k").iterdir()} == {"model.safetensors", "config.json", "README.md"}


@pytest.mark.parametrize(
    ("options", "shown"), [({}, True), ({"HF_HUB_DISABLE_PROGRESS_BARS": "1"}, False), ({"QUIET": "-q"}, False)]
)
def test_progress_bars_on_a_terminal(
    machine: Machine, on_a_terminal: Callable[..., list[str]], options: dict[str, str], shown: bool
) -> None:
    ours = backbones.weights_folder(backbones.get("dEf-10k"))
    machine.server.put("ada/net", {name: (ours / name).read_bytes() for name in FILES})
    environment = machine.environment()
    del environment["HF_HUB_DISABLE_PROGRESS_BARS"]
    environment |= options
    quiet = [environment.pop("QUIET")] if "QUIET" in environment else []
    code = f"import os, sys\nos.environ.clear()\nos.environ.update({environment!r})\n"
    code += "import fcntl, struct, termios\nfcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 100, 0, 0))\n"
    code += f"from zoo.cli import main\nmain(['pull', 'hf://ada/net', *{quiet!r}])"
    lines = on_a_terminal(code, 100)
    assert any("ada/net: from the Hub" in line for line in lines)
    assert any("ada/net/model.safetensors: 100%" in line for line in lines) == shown
