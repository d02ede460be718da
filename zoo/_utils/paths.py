"""Where zoo keeps what it can make or ask for again."""

from __future__ import annotations

import os
from pathlib import Path


def cache(part: str) -> Path:
    """Return a folder of zoo's cache (``ZOO_CACHE``, else ``XDG_CACHE_HOME``, else ``~/.cache``); it need not exist."""
    if chosen := os.environ.get("ZOO_CACHE"):
        return Path(chosen).expanduser() / part
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "crystal-zoo" / part
