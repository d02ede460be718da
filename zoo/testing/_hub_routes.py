"""Request handlers of the test Hub; see :mod:`zoo.testing.hub_server`."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import zlib
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from zoo.testing._hub_state import HubState

HUGE = 100_000_000_000
ELSEWHERE = "http://storage.invalid"


class Handler(BaseHTTPRequestHandler):
    """Handler of one connection."""

    hub: HubState
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Register the connection."""
        super().setup()
        self.hub.connections.add(self.connection)

    def finish(self) -> None:
        """Deregister the connection."""
        self.hub.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Suppress the log."""

    def do_HEAD(self) -> None:
        """Answer."""
        self.answer()

    def do_GET(self) -> None:
        """Answer."""
        self.answer()

    def do_POST(self) -> None:
        """Answer."""
        self.answer()

    def do_PUT(self) -> None:
        """Answer."""
        self.answer()

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send a response of known length."""
        fault = self.hub.fault
        if fault == "packed":
            body, headers = bomb(), {**headers, "Content_Encoding": "gzip"}
        if fault == "headers a byte a second":
            self.drip(b"HTTP/1.1 200 OK\r\nX-Repo-Commit: " + b"0" * 1000)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "a byte a second":
            self.drip(body)
        else:
            self.wfile.write(body)

    def drip(self, data: bytes) -> None:
        """Send bytes one by one until the server stops or the client disconnects."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            for byte in data:
                self.wfile.write(bytes([byte]))
                if self.hub.released.wait(1):
                    return

    def send_json(self, value: object, status: int = 200) -> None:
        """Send JSON."""
        self.send(status, json.dumps(value).encode(), Content_Type="application/json")

    def error(self, status: int, code: str = "", message: str = "", **headers: str) -> None:
        """Send an error response, with the headers that tell the client the reason."""
        if code:
            headers["X_Error_Code"] = code
        self.send(status, b"", X_Error_Message=message or code, **headers)

    def answer(self) -> None:
        """Record the request and dispatch it to its route."""
        path = unquote(urlsplit(self.path).path)
        self.query = parse_qs(urlsplit(self.path).query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.requests.append(f"{self.command} {path}")
        if self.headers.get("Authorization"):
            self.hub.authorized.append(f"{self.headers['Host']} {path}")
        if self.fails(path):
            return
        if self.command in ("POST", "PUT"):
            self.write(path)
        elif path.startswith("/cdn/"):
            self.content(path.removeprefix("/cdn/"))
        elif path == "/api/models":
            self.listing()
        elif match := re.match(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?$", path):
            self.information(match[1], match[2] or "main")
        elif match := re.match(r"/([^/]+/[^/]+)/resolve/([^/]+|refs/pr/\d+)/(.+)$", path):
            self.resolve(match[1], match[2], match[3])
        else:
            self.error(404)

    def fails(self, path: str) -> bool:
        """Respond according to the fault, if it affects every request."""
        fault = self.hub.fault
        if fault == "silent":
            self.hub.released.wait(30)
            self.close_connection = True
        elif fault in ("out of order", "out of order once"):
            self.hub.fault = None if fault == "out of order once" else fault
            self.error(503)
        elif fault == "too many":
            self.error(429, **({"Retry_After": str(self.hub.retry_after)} if self.hub.retry_after else {}))
        elif fault == "html":
            self.send(200, b"<html><title>Log in to the network</title></html>", Content_Type="text/html")
        elif fault == "json":
            self.send(200, b'["hello"]', Content_Type="application/json")
        elif fault == "bad token":
            self.error(401, message="Invalid credentials in Authorization header")
        elif fault == "forbidden":
            self.error(403, message="your token has no right to do this")
        elif fault == "nested" and path.startswith("/api/"):
            self.send(200, b"[" * 100_000, Content_Type="application/json")
        elif fault == "redirect loop":
            self.send(307, Location=f"{self.hub.url}{path}")
        else:
            return False
        return True

    def find(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Return commit and files of a revision; send an error and return None if there are none."""
        found = self.hub.repositories.get(repo)
        if found is None or self.hub.fault == "no repository":
            # The Hub's response to anonymous users: the repository may exist and be private.
            self.error(401, "RepoNotFound", "Repository not found")
            return None
        state = found.at(revision)
        if state is None or self.hub.fault == "no revision":
            self.error(404, "RevisionNotFound", "Invalid rev id")
            return None
        return state

    def information(self, repo: str, revision: str) -> None:
        """Send the metadata of a repository."""
        if state := self.find(repo, revision):
            self.send_json(self.describe(repo, *state))

    def describe(self, repo: str, commit: str, files: dict[str, bytes]) -> dict[str, Any]:
        """Return the metadata of a model."""
        siblings: list[dict[str, Any]] = [{"rfilename": name} for name in files]
        if "blobs" in self.query:
            for each in siblings:
                data = files[each["rfilename"]]
                size = HUGE if self.hub.fault == "says 100 GB" and _is_large(each["rfilename"]) else len(data)
                each |= {"size": size, "blobId": _git_sha1(data)}
                if _is_large(each["rfilename"]):
                    each["lfs"] = {"size": size, "sha256": _sha256(data), "pointerSize": 134}
                if self.hub.fault == "odd sizes":
                    each |= {"size": "2 MB", "blobId": ["x"], "lfs": {"size": 10**400, "sha256": "../" * 20}}
                if self.hub.fault == "sends 100 GB unannounced":
                    each |= {"size": None, "blobId": None, "lfs": None}
        private = self.hub.repositories[repo].private
        info = {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings, "private": private, "downloads": 7}
        front = _front_matter(files.get("README.md", b""))
        library = [front["library_name"]] if "library_name" in front else []
        return {**info, "tags": [*front.get("tags", []), *library], "cardData": front}

    def listing(self) -> None:
        """Send the list of models."""
        found = [self.describe(name, repo.commit, repo.files) for name, repo in self.hub.repositories.items()]
        for wanted in self.query.get("filter", []):
            found = [model for model in found if wanted in model["tags"]]
        for text in self.query.get("search", []):
            found = [model for model in found if text.lower() in model["id"].lower()]
        self.send_json([model for model in found if not model["private"]])

    def resolve(self, repo: str, revision: str, file: str) -> None:
        """Send a file, or the redirect to a large one."""
        state = self.find(repo, revision)
        if state is None:
            return
        commit, files = state
        if self.hub.fault == "gated":
            self.error(401, "GatedRepo", "Access to this model is restricted")
            return
        if file not in files or self.hub.fault == "no file":
            self.error(404, "EntryNotFound", "Entry not found")
            return
        body = files[file]
        commit = "0" * 40 if self.hub.fault == "other commit" else commit
        odd: dict[str, str] = {}
        if self.hub.fault == "xet":
            odd = {
                "X_Xet_Hash": "0" * 64,
                "X_Xet_Refresh_Route": f"http://localhost:{self.hub.port}/xet-token",
                "Link": f'<http://localhost:{self.hub.port}/xet-token>; rel="xet-auth"',
            }
        etag = "../" * 12 + "tmp/etag-was-followed" if self.hub.fault == "etag is a path" else ""
        if _is_large(file):
            digest = _sha256(body)
            place = ELSEWHERE if self.hub.fault == "redirect to plain http" else f"http://localhost:{self.hub.port}"
            headers = {
                "X_Repo_Commit": commit,
                "X_Linked_ETag": f'"{etag or digest}"',
                "X_Linked_Size": str(HUGE if self.hub.fault == "says 100 GB" else len(body)),
                "Location": f"{place}/cdn/{digest}",
                **odd,
            }
            self.send(302, b"", **headers)
        else:
            headers = {"X_Repo_Commit": commit, "ETag": f'"{etag or _git_sha1(body)}"', **odd}
            self.send(200, self.spoilt(body), **headers)

    def content(self, digest: str) -> None:
        """Send the content of a large file."""
        files = [body for repo in self.hub.repositories.values() for body in repo.files.values()]
        body = next((body for body in files if _sha256(body) == digest), self.hub.large.get(digest))
        if body is None:
            self.error(404)
            return
        body = self.spoilt(body)
        start = int(re.sub(r"\D", "", self.headers.get("Range", "0").partition("-")[0]))
        fault = self.hub.fault
        if fault in ("cut once", "cut always"):
            self.hub.fault = None if fault == "cut once" else fault
            self.pour(len(body), [body[: len(body) // 2]])
        elif fault in ("sends 100 GB", "sends 100 GB unannounced"):
            block = b"\0" * 1_000_000
            self.pour(None, (block for _ in range(HUGE // len(block))))
        elif fault == "slow":
            self.pour(len(body), (body[at : at + 1000] for at in range(0, len(body), 1000)), pause=0.05)
        elif start:
            span = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.send(206, body[start:], Content_Range=span)
        else:
            self.send(200, body)

    def pour(self, length: int | None, blocks: Any, pause: float = 0.0) -> None:
        """Send a response in blocks, then close the connection."""
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):  # the client has disconnected
            for block in blocks:
                self.wfile.write(block)
                if self.hub.released.wait(pause):
                    return

    def spoilt(self, body: bytes) -> bytes:
        """Return the bytes of a file, corrupted if the fault requires it."""
        if self.hub.fault == "wrong bytes":
            return bytes(byte ^ 0xFF for byte in body)
        return body + b"!" if self.hub.fault == "wrong length" and self.command == "GET" else body

    def write(self, path: str) -> None:
        """Handle a request that writes."""
        if path.startswith("/lfs/"):  # authorised by its address
            self.keep(path.removeprefix("/lfs/"))
        elif path == "/verify":
            self.send_json({})
        elif self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self.error(401, message="Invalid username or password.")
        elif path == "/api/repos/create":
            self.create(json.loads(self.body))
        elif path == "/api/validate-yaml":
            self.send_json({"errors": [], "warnings": []})
        elif match := re.match(r"/api/models/([^/]+/[^/]+)/(preupload|commit|branch)/(.+)$", path):
            self.change(match[1], match[2], match[3])
        elif match := re.match(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch$", path):
            self.send_json({"transfer": "basic", "objects": [self.upload(o) for o in json.loads(self.body)["objects"]]})
        else:
            self.error(404)

    def create(self, wish: dict[str, Any]) -> None:
        """Create a repository."""
        repo = f"{wish['organization'] or 'me'}/{wish['name']}"
        if repo in self.hub.repositories:
            self.send_json({"error": "You already created this model repo", "url": f"{self.hub.url}/{repo}"}, 409)
            return
        self.hub.put(repo, {".gitattributes": b"*.safetensors filter=lfs\n"})
        self.hub.repositories[repo].private = wish.get("visibility") == "private" or bool(wish.get("private"))
        self.send_json({"url": f"{self.hub.url}/{repo}", "name": repo})

    def change(self, repo: str, action: str, branch: str) -> None:
        """Handle a request that changes a repository."""
        if repo not in self.hub.repositories:
            self.error(404, "RepoNotFound", "Repository not found")
            return
        found = self.hub.repositories[repo]
        state = found.at(branch)
        if action == "branch":
            if state is None:
                found.history[found.commit] = found.files
                found.branches[branch] = found.commit
            self.send_json({}, 409 if state else 200)
        elif state is None:
            self.error(404, "RevisionNotFound", "Invalid rev id")
        elif action == "preupload":
            files = [
                {"path": each["path"], "uploadMode": _mode(each["path"]), "shouldIgnore": False}
                | ({"oid": _oid(each["path"], state[1][each["path"]])} if each["path"] in state[1] else {})
                for each in json.loads(self.body)["files"]
            ]
            self.send_json({"files": files})
        else:
            self.commit(repo, branch)

    def commit(self, repo: str, branch: str) -> None:
        """Create a commit from the lines received."""
        files: dict[str, bytes] = {}
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.large:
                    self.error(400, message="the LFS object was not uploaded")
                    return
                files[value["path"]] = self.hub.large[value["oid"]]
        request = "create_pr" in self.query
        commit = self.hub.put(repo, files, branch, request=request)
        url = f"{self.hub.url}/{repo}/commit/{commit}"
        number = self.hub.repositories[repo].requests
        extra = {"pullRequestUrl": f"{self.hub.url}/{repo}/discussions/{number}"} if request else {}
        self.send_json({"success": True, "commitOid": commit, "commitUrl": url, **extra})

    def upload(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Send the upload address of a large file, unless it is already stored."""
        if wanted["oid"] in self.hub.large:
            return wanted
        elsewhere = f"http://localhost:{self.hub.port}"
        addresses = {"upload": f"{elsewhere}/lfs/{wanted['oid']}", "verify": f"{elsewhere}/verify"}
        return {**wanted, "actions": {action: {"href": address} for action, address in addresses.items()}}

    def keep(self, oid: str) -> None:
        """Store an uploaded large file."""
        if _sha256(self.body) != oid:
            self.error(400, message="the bytes do not have the announced SHA-256")
            return
        self.hub.large[oid] = self.body
        self.send(200)


@cache
def bomb() -> bytes:
    """Return 300 MB of zeros, compressed to 300 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(300)) + packer.flush()


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".png"))


def _mode(name: str) -> str:
    return "lfs" if _is_large(name) else "regular"


def _oid(name: str, data: bytes) -> str:
    return _sha256(data) if _is_large(name) else _git_sha1(data)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _front_matter(readme: bytes) -> dict[str, Any]:
    from zoo.errors import CardError
    from zoo.registry import front_matter

    try:
        return front_matter.read(readme.decode(), "README.md")[0]
    except (CardError, UnicodeDecodeError):
        return {}
