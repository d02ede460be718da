"""Requests to a server, with the standard library alone."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from typing import Any

BOUNDARY = uuid.UUID(int=27).hex


def multipart(*files: tuple[str, bytes], field: str = "files") -> bytes:
    """Return a body of multipart/form-data."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def ask(address: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """Return the status and the content, parsed if it is JSON; header names take an underscore for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, body, named)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, content, kind = answer.status, answer.read(), answer.headers["content-type"]
    except urllib.error.HTTPError as error:
        status, content, kind = error.code, error.read(), error.headers["content-type"]
    return status, json.loads(content) if kind == "application/json" else content.decode()


def send(address: str, *files: tuple[str, bytes], field: str = "files") -> tuple[int, Any]:
    """Send files to ``/api/predict``."""
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return ask(f"{address}/api/predict", multipart(*files, field=field), content_type=kind)
