"""Atomic writing of files, and zoo's cache folder."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces the file when the block ends and is removed if it fails.

    The folder is created if it is missing. An existing file keeps its permissions, and its content if the block fails.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole(pathlib.Path(folder, "a.txt")) as beside:
    ...         _ = beside.write_text("all of it")
    ...     [each.name for each in pathlib.Path(folder).iterdir()]
    ['a.txt']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        yield beside
        if path.exists():
            beside.chmod(path.stat().st_mode & 0o777)
        beside.replace(path)
    except OSError as error:
        if error.filename is None:  # errors of a write (disk full) do not carry the path
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file atomically."""
    with whole(path) as beside:
        beside.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def cache_folder(part: str) -> Path:
    """Return a folder of zoo's cache (``ZOO_CACHE``, else ``XDG_CACHE_HOME``, else ``~/.cache``); it need not exist."""
    if chosen := os.environ.get("ZOO_CACHE"):
        return Path(chosen).expanduser() / part
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "crystal-zoo" / part
