"""Plain requests to a server on this machine."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.testing import HubServer


def get(server: HubServer, path: str, **headers: str) -> Any:
    """Ask the server; past any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(urllib.request.Request(server.url + path, headers=headers), timeout=10)
