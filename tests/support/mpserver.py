"""The Materials Project's API on the loopback interface: the routes that the real client uses.

``/heartbeat`` without a key, ``/materials/summary/`` with one in ``x-api-key``: filters, ``_fields``, ``_sort_fields``,
pages of at most a thousand, answers and refusals in the API's shapes; and faults that can be switched on. What the
server is asked is kept in :attr:`MPServer.requests`.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pymatgen.io.vasp import Poscar
from support.tinyrecipe import example

from zoo.data.sources.materials_project import Fetched, fetch

if TYPE_CHECKING:
    from pathlib import Path

KEY = "0123456789abcdefghijklmnopqrstuv"
VERSION = "2025.09.25"
Fault = Literal[
    "busy",  # status 429
    "out of order",  # status 500
    "html",  # a proxy's page with status 200
    "cut",  # the connection ends in the middle of the answer
    "closed",  # the connection ends before the answer
]


def documents() -> list[dict[str, Any]]:
    """Twenty-five real crystals: one of them without structure, one deprecated, one of GNoME's."""
    found = [
        {
            "material_id": row.material_id,
            "structure": Poscar.from_str(row.structure).structure.as_dict(),
            "deprecated": False,
            "band_gap": 0.5 * number,
            "bulk_modulus": {"vrh": row.K_VRH, "voigt": 0.0, "reuss": 0.0} if number % 2 else None,
            "formula_pretty": row.formula,
            "is_metal": number % 3 == 0,
            "builder_meta": {"batch_id": None},
        }
        for number, row in enumerate(example().iloc[:25].itertuples())
    ]
    found[3]["structure"] = None
    found[7]["deprecated"] = True
    found[11]["builder_meta"] = {"batch_id": "gnome_r2scan_statics"}
    return found


def get(out: Path, **options: Any) -> Fetched:
    """Fetch two fields of them, in pages of ten."""
    return fetch(out, **{"fields": ("band_gap", "k_vrh"), "page": 10, "quiet": True, **options})


@dataclass
class MPServer:
    """The server; a context manager that listens on a free port.

    Parameters
    ----------
    documents : list of dict
        Summary documents.
    faults : list
        Taken from the front by each request with a key; None stands for an answer without fault.
    """

    documents: list[dict[str, Any]]
    version: str = VERSION
    faults: list[Fault | None] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._root = f"/{uuid.uuid4().hex}"
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Address of the API; never the same twice, since the client remembers the version of the data by it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{self._root}/"

    @property
    def pages(self) -> list[str]:
        """Numbers of the pages that were asked for, in order."""
        return [query["_page"] for query in self.requests if "_page" in query]

    def answer(self, query: dict[str, str]) -> tuple[int, Any]:
        """Answer a query of the summary route."""
        deprecated = query.get("deprecated", "False").lower() == "true"
        found = [each for each in self.documents if bool(each["deprecated"]) == deprecated]
        if batch := query.get("batch_id_not_eq"):
            found = [each for each in found if each["builder_meta"]["batch_id"] != batch]
        if name := query.get("_sort_fields"):
            found = sorted(found, key=lambda each: each[name])
        size = int(query.get("_per_page") or query.get("_limit") or 100)
        if size > 1000:
            return 422, {"detail": [{"loc": ["query", "_limit"], "msg": "Input should be at most 1000"}]}
        page = int(query.get("_page", 1))
        start = (page - 1) * size if "_page" in query else int(query.get("_skip", 0))
        fields = query.get("_fields", "material_id").split(",")
        data = [{name: each[name] for name in fields if name in each} for each in found[start : start + size]]
        meta = {"api_version": "0.87.3", "time_stamp": "2026-01-01T00:00:00", "total_doc": len(found)}
        return 200, {"data": data, "meta": {**meta, "max_limit": 1000, "default_fields": ["material_id"]}}


class _Handler(BaseHTTPRequestHandler):
    api: MPServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix(urlsplit(self.api.url).path.rstrip("/")).rstrip("/")
        if path == "/heartbeat":
            about = {"status": "OK", "api_version": "0.87.3", "version": "0.87.3", "db_version": self.api.version}
            self.send(200, {**about, "access_controlled_batch_ids": ["gnome_r2scan_statics"]})
            return
        query = dict(parse_qsl(parts.query))
        self.api.requests.append(query)
        self.api.headers.append(dict(self.headers))
        key = self.headers.get("x-api-key")
        if key != KEY:
            # The gateway repeats what it was given; none of it may reach the user.
            reason = f"Invalid API key {key}" if key else "No API key found in request"
            self.send(401, {"message": reason, "detail": reason})
            return
        if path != "/materials/summary":
            self.send(404, {"detail": "Not Found"})
            return
        fault = self.api.faults.pop(0) if self.api.faults else None
        if fault == "busy":
            self.send(429, {"message": "API rate limit exceeded"}, Retry_After="0")
        elif fault == "out of order":
            self.send(500, {"detail": "Server timed out trying to obtain data"})
        elif fault == "closed":
            self.close_connection = True
        else:
            self.send(*self.api.answer(query), fault=fault)

    def send(self, status: int, content: Any, fault: Fault | None = None, **headers: str) -> None:
        body = b"<html>Sign in to the network</html>" if fault == "html" else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
        if fault == "cut":
            self.close_connection = True
