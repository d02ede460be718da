"""A user's machine beside a Hub on the loopback interface, for the tests of what talks to it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save

from zoo.testing.hub_server import HubServer, Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REPO = "strangers/hardness-net"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = {"conv.weight": np.arange(40_000, dtype=np.float32)}
FILES = {"model.safetensors": save(WEIGHTS), "config.json": b'{"format": 1}\n'}

# What the command line does with pull, in a process of its own; FORBID refuses every connection.
DRIVER = """
import json, logging, os, sys
logging.basicConfig(level=logging.WARNING, format="%(message)s")
if os.environ.get("FORBID"):
    def refuse(event, args):
        if event in ("socket.connect", "socket.getaddrinfo"):
            raise RuntimeError("a socket was opened: " + repr(args))
    sys.addaudithook(refuse)
from zoo.hub import pull as hub
from zoo.errors import ZooError
try:
    pulled = hub.pull(sys.argv[1], source=sys.argv[2])
except ZooError as error:
    print(type(error).__name__, error, sep=": ", file=sys.stderr)
    sys.exit(error.exit_code)
client = [name for name in ("httpx", "httpx2", "huggingface_hub.hf_api") if name in sys.modules]
print(json.dumps([str(pulled.directory), pulled.origin, pulled.note, pulled.revision, client]))
"""


def make_card(*, bundled: bool = False, revision: str | None = COMMIT, files: dict[str, bytes] = FILES) -> str:
    pins = [
        f"{{name: {name}, size: {len(body)}, sha256: {hashlib.sha256(body).hexdigest()}}}"
        for name, body in files.items()
    ]
    return (
        f"---\nlicense: mit\nzoo:\n  name: hardness-net\n  title: Vickers hardness\n  repo_id: {REPO}\n"
        f"  revision: {revision or 'null'}\n  bundled: {str(bundled).lower()}\n"
        f"  files: [{', '.join(pins)}]\n"
        "  target: H_V\n  unit: GPa\n  elements: [B, C, N]\n"
        "  architecture:\n"
        "    {atom_features: 9, width: 8, convolutions: 1, head: 8, head_layers: 1, gaussians: 41}\n"
        "  graph: {cutoff: 8.0, neighbors: 12, ties: order}\n"
        "  training: {source: a table, license: CC0, rows: {train: 8, val: 1, test: 1}}\n---\n\nProse.\n"
    )


def bundle(files: dict[str, bytes] = FILES) -> dict[str, bytes]:
    return {f"weights/hardness-net/{name}": body for name, body in files.items()}


@dataclass
class Machine:
    """One user's machine: the Hub it talks to, its cache, and the packages it has."""

    server: HubServer
    home: Path
    shelf: Callable[..., Path]

    @property
    def cache(self) -> Path:
        return self.home / "hub"

    @property
    def snapshot(self) -> Path:
        return self.cache / f"models--{REPO.replace('/', '--')}" / "snapshots" / COMMIT

    def publish(self, **files: bytes) -> None:
        files = {name.replace("_", "."): body for name, body in files.items()}
        self.server.repositories[REPO] = Repository({**FILES, **files}, COMMIT)

    def install(self, **card: Any) -> Path:
        weights = bundle() if card.get("bundled") else {}
        return self.shelf("zoo-hardness", {"hardness-net.md": make_card(**card), **weights})

    def files(self) -> dict[str, bytes]:
        """Everything in the cache that holds bytes of a model, whole or not, by path."""
        found = [path for path in self.cache.rglob("*") if path.is_file() and path.stat().st_size]
        return {
            str(path.relative_to(self.cache)): path.read_bytes()
            for path in found
            if {"blobs", "snapshots"} & set(path.parts) and path.name != "CACHEDIR.TAG"
        }

    def environment(self, **environment: str) -> dict[str, str]:
        """Variables of another process on this machine."""
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING")) and "proxy" not in k.lower()
        }
        return {
            **clean,
            "HF_ENDPOINT": self.server.url,
            "HF_HOME": str(self.home),
            "ZOO_CACHE": str(self.home / "zoo"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "PYTHONPATH": str(self.home.parent / "site"),
            **environment,
        }

    def run(
        self, ref: str = "hardness-net", source: str = "auto", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Pull in another process, the client configured by environment variables as users do it."""
        command = [sys.executable, "-c", DRIVER, ref, source]
        return subprocess.run(command, env=self.environment(**environment), capture_output=True, text=True, timeout=120)
