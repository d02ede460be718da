"""Hostile and broken requests: one clear message each, and the server goes on."""

from __future__ import annotations

import asyncio
import gzip
import io
import resource
import socket
import time
import zipfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.webclient import BOUNDARY, ask, multipart, send

from zoo.commands.web import guard
from zoo.commands.web.uploads import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

PARTIAL = b"""data_mixed
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0 0 0 0.5
Cl1 Cl 0.5 0.5 0.5 1
"""
FRAME = '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 pbc="T T T"\nSi 0 0 0\n'


@pytest.fixture(autouse=True)
def goes_on(server) -> Iterator[None]:
    yield
    assert ask(f"{server.address}/health")[0] == 200
    assert server.process.poll() is None


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.cif", b" " * 300_000_000)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.cif", b"Dear colleague, here are the crystals.", "notes.cif: broken CIF: no line begins with data_"),
        ("mixed.cif", PARTIAL, "mixed.cif: partial occupancy"),
        ("empty.cif", b"", "empty.cif: the file is empty"),
        ("picture.cif", b"\x89PNG\r\n\x1a\n\0\0\0", "picture.cif: a binary file, not a structure"),
        ("bomb.zip", bomb(), "bomb.zip: an archive, which is not unpacked here"),
        ("bomb.cif.gz", gzip.compress(b"data_x" + b" " * 300_000_000), "bomb.cif.gz: larger than 8 MB"),
        ("cut.cif.gz", gzip.compress(PARTIAL)[:60], "cut.cif.gz: the file cannot be read"),
        ("code.json", b'{"@module": "os", "@class": "system", "command": "touch /tmp/owned"}', "code.json: "),
        ("../../../etc/passwd", b"root:x:0:0", "passwd: "),
        ("<img src=x>.cif", b"", "<img src=x>.cif: the file is empty"),
        ("x" * 1000 + ".cif", b"", ".cif: the file is empty"),
    ],
    ids=["text", "partial", "empty", "binary", "zip", "gz", "cut", "code", "path", "html", "long"],
)
def test_a_file_that_cannot_be_used(server, name: str, content: bytes, message: str) -> None:
    status, found = send(server.address, (name, content))
    assert status == 422
    assert message in found["error"]
    assert len(found["error"]) < 500
    assert len(found["rejected"]) == 1
    assert "/tmp" not in found["error"]


def test_fifty_megabytes_are_refused_and_not_kept(server) -> None:
    before = memory(server)
    status, found = send(server.address, ("large.cif", b" " * 50_000_000))
    assert (status, found["error"]) == (413, "more than 10 MB; send fewer files at once, or use zoo predict")
    assert memory(server) < before + 30_000_000


def test_without_a_length_they_are_refused_too(server) -> None:
    def pieces() -> Iterator[bytes]:
        yield multipart(("large.cif", b""))[:150]
        for _ in range(50):
            yield b" " * 1_000_000

    status, found = ask(
        f"{server.address}/api/predict", pieces(), content_type=f"multipart/form-data; boundary={BOUNDARY}"
    )
    assert (status, found["error"]) == (413, "more than 10 MB; send fewer files at once, or use zoo predict")


def test_a_crystal_as_json_is_small(server) -> None:
    body = b"{" + b",".join(b'"%d": 1' % number for number in range(100_000)) + b"}"
    status, found = ask(f"{server.address}/api/contributions", body, content_type="application/json")
    assert (status, found["error"]) == (413, "more than 1 MB")
    status, found = ask(f"{server.address}/api/contributions", body[:500_000], content_type="application/json")
    assert status == 422
    assert found["error"].startswith("not a structure: ")


def test_nothing_is_predicted_from_a_form_without_its_end(server) -> None:
    """The file that was cut would be missing from the answer."""
    body = multipart(("a.xyz", FRAME.encode()), ("b.xyz", FRAME.encode()))
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    assert ask(f"{server.address}/api/predict", body, content_type=kind)[0] == 200
    status, found = ask(f"{server.address}/api/predict", body[:-60], content_type=kind)
    assert (status, found["error"]) == (400, "the request ended before it was complete")


def memory(server) -> int:
    """Return the largest memory that the server has used, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * resource.getpagesize() // 4


def test_too_many_files_and_crystals_are_refused(server) -> None:
    files = [(f"{number}.cif", b"data_x") for number in range(LIMITS.files + 1)]
    status, found = send(server.address, *files)
    assert status == 400
    assert f"Maximum number of files is {LIMITS.files}" in found["error"]
    status, found = send(server.address, ("many.xyz", FRAME.encode() * (LIMITS.crystals + 1)))
    assert status == 422
    assert "at most 500 at once, or use zoo predict" in found["error"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "message"),
    [
        (b"x", "text/plain", 415, "send structure files as multipart/form-data"),
        (multipart(), f"multipart/form-data; boundary={BOUNDARY}", 400, "there is no file"),
        (b"garbage", f"multipart/form-data; boundary={BOUNDARY}", 400, ""),
        (multipart(("a.cif", b"")), "multipart/form-data", 400, "boundary"),
        (multipart(("a.cif", b""), field="file"), f"multipart/form-data; boundary={BOUNDARY}", 400, "there is no file"),
    ],
    ids=["kind", "nothing", "garbage", "no boundary", "other field"],
)
def test_a_request_that_is_none(server, body: bytes, kind: str, status: int, message: str) -> None:
    code, found = ask(f"{server.address}/api/predict", body, content_type=kind)
    assert code == status
    assert message in found["error"]


def test_a_request_cut_in_the_middle(server) -> None:
    for _ in range(3):
        with closing(socket.create_connection(("127.0.0.1", server.port))) as line:
            head = "POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
            head += f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
            line.sendall(head.encode() + multipart(("a.cif", b"data_x"))[:100])
    assert ask(f"{server.address}/api/models")[0] == 200


def test_a_page_of_another_name_cannot_read_it(server) -> None:
    """A name that its owner points to 127.0.0.1 is sent in the header Host."""
    status, found = ask(f"{server.address}/api/models", Host="evil.example")
    assert status == 400
    assert "localhost" in found["error"]
    for name in ("localhost", "LOCALHOST", "[::1]"):
        assert ask(f"{server.address}/api/models", Host=f"{name}:{server.port}")[0] == 200


def scope(**headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"localhost"), *raw]}


async def complete() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def test_more_than_can_wait_are_told_to_come_back() -> None:
    """One more than the most, all of which wait for the same event."""

    async def run() -> tuple[list[int], dict[bytes, bytes]]:
        ready = asyncio.Event()
        codes: list[int] = []
        last: dict[bytes, bytes] = {}

        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await ready.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                codes.append(message["status"])
                last.update(message["headers"])

        bounded = guard.Guard(app)
        waiting = [asyncio.create_task(bounded(scope(), complete, send)) for _ in range(guard.MAX_WAITING)]
        await asyncio.sleep(0)
        await bounded(scope(), complete, send)
        ready.set()
        await asyncio.gather(*waiting)
        await bounded(scope(), complete, send)  # there is room again
        return codes, last

    codes, headers = asyncio.run(run())
    assert codes == [503, *[200] * guard.MAX_WAITING, 200]
    assert headers[b"retry-after"] == b"3"


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.exceptions import HTTPException

    monkeypatch.setattr(guard, "MAX_SECONDS", 0.05)

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()

    async def never() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    async def send(_message: Any) -> None:
        pass

    start = time.monotonic()
    with pytest.raises(HTTPException) as caught:
        asyncio.run(guard.Guard(app)(scope(), never, send))
    assert caught.value.status_code == 408
    assert time.monotonic() - start < 10
