"""A Hub, or a stranger's repository, that means harm: no byte outside the cache, no wait without end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from click.testing import CliRunner
from support.hubmachine import FILES, REPO, make_card
from zoo.cli import main

from zoo.errors import HubError, ZooError
from zoo.hub import pull
from zoo.hub.search import search
from zoo.testing.hub_server import Handler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.hubmachine import Machine

TOKEN = "hf_" + "S3cret" * 5


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def outside(machine: Machine) -> dict[str, bytes]:
    """What lies beside the machine's caches, and where a path of twelve steps up would end."""
    near = {
        p: d
        for p, d in tree(machine.home.parent).items()
        if not p.startswith((str(machine.cache), str(machine.home / "zoo")))
    }
    return {**near, **{str(p): b"" for p in (machine.home.parents[-1] / "tmp").glob("etag-was-followed*")}}


@pytest.fixture(params=["hardness-net", f"hf://{REPO}"])
def ref(request: pytest.FixtureRequest, here: Machine) -> str:
    """A pinned backbone, and a repository that nobody pins; the Hub has both."""
    here.publish(README_md=make_card().encode())
    here.install()
    return str(request.param)


def test_an_etag_is_no_path(here: Machine, ref: str) -> None:
    before = outside(here)
    here.server.fault = "etag is a path"
    pulled = pull.pull(ref)
    assert outside(here) == before
    assert (pulled.directory / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert set(here.files()) == {str((pulled.directory / name).relative_to(here.cache)) for name in pulled.digests}
    for path in here.cache.rglob("*"):
        assert not path.is_symlink(), "nothing leads anywhere"


@pytest.mark.parametrize("fault", ["wrong bytes", "etag is a path", "wrong length", "packed", "cut always"])
def test_after_a_failure_nothing_is_left_anywhere(here: Machine, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.hub.session.PAUSES", (0, 0))
    wrong = {name: data[:-1] + b"?" for name, data in FILES.items()}
    here.publish(**{name.replace(".", "_"): data for name, data in wrong.items()})
    here.install()
    before = outside(here)
    here.server.fault = fault
    with pytest.raises(ZooError):
        pull.pull("hardness-net")
    assert outside(here) == before
    assert here.files() == {}
    assert not [path for path in here.cache.rglob("*") if path.is_file()]


def test_a_revision_is_no_path(here: Machine) -> None:
    here.publish()
    here.server.repositories[REPO].refs = ("main", "/tmp/escaped", "//tmp/escaped")
    for revision in ("/tmp/escaped", "//tmp/escaped", "a/../../../b", "../b"):
        with pytest.raises(ZooError, match="is not a reference to the Hub"):
            pull.pull(f"hf://{REPO}@{revision}")
    assert here.server.requests == []


def test_headers_of_another_transport_are_not_followed(
    here: Machine, ref: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    here.server.fault = "xet"
    assert pull.pull(ref).origin == "hub"
    assert here.server.asked("xet-token") == 0
    assert here.server.authorized, "the Hub itself gets the token"
    assert {request.partition(":")[0] for request in here.server.authorized} == {"127.0.0.1"}


def test_an_answer_is_not_unpacked(here: Machine, ref: str) -> None:
    here.server.fault = "packed"
    with pytest.raises(HubError, match="is not a Hugging Face Hub"):
        pull.pull(ref)
    assert here.files() == {}


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's peak memory from /proc")
def test_no_memory_for_what_is_packed(machine: Machine) -> None:
    """All of this takes less memory than what a few hundred kilobytes would unpack to."""
    machine.publish()
    machine.server.fault = "packed"
    code = "from pathlib import Path\nfrom zoo.hub import pull\nfrom zoo.errors import ZooError\n"
    code += f"try:\n    pull.pull('hf://{REPO}')\nexcept ZooError as error:\n    print(error)\n"
    code += "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=machine.environment(), capture_output=True, text=True, timeout=60, check=True)
    said, used = done.stdout.splitlines()
    assert "a compressed answer, although none was requested" in said
    assert int(used) < 250_000, "kilobytes"


@pytest.mark.parametrize("fault", ["a byte a second", "headers a byte a second"])
def test_nobody_waits_without_end(here: Machine, ref: str, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 1.2)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 1.2)
    monkeypatch.setattr("zoo.hub.session.TIMEOUTS", 2)
    monkeypatch.setattr("zoo.hub.session.MIN_RATE", 1_000_000)
    monkeypatch.setattr("zoo.hub.session.STALL", 2)
    here.server.fault = fault
    began = time.monotonic()
    with pytest.raises(HubError, match="too slowly; try again, or increase the time-out with HF_HUB_"):
        pull.pull(ref)
    assert time.monotonic() - began < 6
    assert here.files() == {}


def test_sizes_and_digests_of_any_form(here: Machine) -> None:
    here.publish()
    here.server.fault = "odd sizes"
    with pytest.raises(HubError, match=r"is not a Hugging Face Hub .*out of range"):
        pull.pull(f"hf://{REPO}")
    assert here.files() == {}


@pytest.mark.parametrize(
    "siblings",
    [
        7,
        "model.safetensors",
        [7, None, {"rfilename": ["model.safetensors"]}],
        [{"rfilename": name, "size": "2 MB", "lfs": "x", "blobId": 7} for name in FILES],
        [{"rfilename": name, "size": -1, "lfs": {"size": [1], "sha256": "../" * 21}} for name in FILES],
        [{"rfilename": name, "size": True, "lfs": {}} for name in FILES],
    ],
)
def test_a_list_of_files_of_any_form(here: Machine, siblings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here.publish()
    describe = Handler.describe
    monkeypatch.setattr(Handler, "describe", lambda *of: {**describe(*of), "siblings": siblings})
    if isinstance(siblings, list) and isinstance(siblings[0], dict):
        assert pull.pull(f"hf://{REPO}").origin == "hub"
    else:
        with pytest.raises(HubError, match=r"holds no model\.safetensors and no config\.json"):
            pull.pull(f"hf://{REPO}")


def test_nested_answers(here: Machine) -> None:
    here.publish()
    here.server.fault = "nested"
    for ask in (lambda: pull.pull(f"hf://{REPO}"), search):
        with pytest.raises(HubError, match="it is nested more than 32 levels deep"):
            ask()


ODD_CARDS = {
    "eve/huge": "zoo: {results: [{metric: mae, value: 1%s}, {metric: rmse, value: 2}]}" % ("0" * 400),
    "eve/text": 'zoo: {target: "a\\e]8;;http://x\\abc\\u202egnp", results: [{metric: mae, value: "1"}]}',
    "eve/lists": "zoo: [[1]]\nbase_model: {a: [b]}\ntags: {a: b}\nmodel-index: {name: 7}",
    "eve/index": "model-index: [{results: [7, {task: 7, metrics: [{type: [], value: 1}, {type: mae, value: .5}]}]}]",
}


def test_search_whatever_the_cards_say(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for repo, front in ODD_CARDS.items():
        front = front.replace("1" + "0" * 400, "1")
        here.server.put(repo, {"README.md": f"---\nlibrary_name: crystal-zoo\n{front}\n---\n".encode()})
    describe = Handler.describe

    def with_huge(*of: Any) -> Any:
        said = describe(*of)
        if said["id"] == "eve/huge":
            said["cardData"]["zoo"]["results"][0]["value"] = 10**400
        return said

    monkeypatch.setattr(Handler, "describe", with_huge)
    done = CliRunner().invoke(main, ["search", "--json"])
    assert done.exit_code == 0, done.output

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    found = {each["repo"]: each for each in json.loads(done.output, parse_constant=refuse)}
    assert set(found) == set(ODD_CARDS)
    assert found["eve/huge"]["metrics"] == {"rmse": 2.0}
    assert found["eve/index"]["metrics"] == {"mae": 0.5}
    assert found["eve/text"]["target"] == "a]8;;http://xbcgnp"
    assert all(letter.isprintable() or letter == "\n" for letter in done.output)
    assert CliRunner().invoke(main, ["search"]).exit_code == 0


def test_what_a_card_says_reaches_no_terminal_raw(here: Machine) -> None:
    from zoo.registry import backbones

    ours = backbones.weights_folder(backbones.get("dEf-10k"))
    files = {name: (ours / name).read_bytes() for name in FILES}
    raw = "DFT \\e[31m\\e]0;owned\\a\\u202etfd\\u2066 \\x9b2J"
    card = (
        make_card(files=files)
        .replace("source: a table", f'labels: "{raw}", source: a table')
        .replace("Prose.", "Prose \x1b[2J\u202e.")
    )
    here.server.put("eve/net", {**files, "README.md": card.encode()})
    for command in (["pull", "hf://eve/net"], ["show", "hf://eve/net"], ["show", "--json", "hf://eve/net"]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        assert "DFT " in done.output
        assert all(letter.isprintable() or letter == "\n" for letter in done.output), command
    assert (
        "\u202e"
        in json.loads(CliRunner().invoke(main, ["show", "--json", "hf://eve/net"]).output)["training"]["labels"]
    )


@pytest.fixture
def neighbour() -> Iterator[str]:
    """A server of somebody else's, for another part of the same program."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "20000000")
            self.end_headers()
            for _ in range(20):
                self.wfile.write(bytes(1_000_000))
                time.sleep(0.02)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_requests_of_others_are_left_alone(here: Machine, neighbour: str) -> None:
    """The Hub's own client, used by another thread, meets none of our bounds: neither size nor plain http."""
    from huggingface_hub import get_session

    here.publish()
    here.install()
    results: list[object] = []

    def other() -> None:
        try:
            results.append(len(get_session().get(neighbour).content))
        except Exception as error:
            results.append(error)

    factory_before = type(get_session())
    thread = threading.Thread(target=other)
    thread.start()
    for _ in range(5):
        pull.pull("hardness-net", force=True)
    thread.join()
    assert results == [20_000_000]
    assert type(get_session()) is factory_before is httpx2.Client


def test_the_token_goes_to_the_hub_alone_when_pushing(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub says where large files are sent and verified; that may be anywhere."""
    from zoo.hub.client import Client

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    here.server.token = TOKEN
    with Client() as hub:
        hub.create("ada/net", private=False, branch=None)
        hub.commit("ada/net", FILES, message="all of it", revision=None, create_pr=False)
    assert here.server.asked("POST /verify") == 1
    assert here.server.asked("PUT /lfs/") == 1
    assert here.server.authorized
    assert not [request for request in here.server.authorized if request.startswith("localhost")]
    assert here.server.repositories["ada/net"].files["model.safetensors"] == FILES["model.safetensors"]


@pytest.mark.parametrize(
    "listed",
    [b"[" * 100_000, b'{"train": [' + b"[" * 500 + b"]" * 500 + b"]}", b'{"train": 7}', b"7", b'{"train": [1e999]}'],
    ids=range(5),
)
def test_a_list_of_training_ids_of_any_form(here: Machine, listed: bytes) -> None:
    from zoo.errors import CardError
    from zoo.registry import backbones

    card = make_card().replace("source: a table", "ids: splits.json, source: a table").encode()
    here.publish(**{"README.md": card, "splits.json": listed})
    pulled = pull.pull(f"hf://{REPO}")
    assert pulled.card is not None
    with pytest.raises(CardError, match=r"splits\.json: no list of training ids") as caught:
        backbones.training_ids(pulled.card)
    assert "\n" not in str(caught.value)
