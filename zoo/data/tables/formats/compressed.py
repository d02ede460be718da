"""Compressed tables: ``.gz``, ``.bz2``, ``.xz``, ``.zst``, and ``.zip`` with a single table in it."""

from __future__ import annotations

import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from zoo.data.structures.files import compressed_opener, is_structure_file
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 8_000_000_000
"""Most bytes to which a table unpacks."""

MAX_RATIO = 200
"""Largest ratio of unpacked to packed bytes of a table that unpacks to more than `ALWAYS_BYTES`; CIFs reach 20."""

ALWAYS_BYTES = 50_000_000
"""Bytes to which any table may unpack."""

TEXT = (".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson")
"""Endings of tables that may be compressed."""

_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
_BROKEN = (EOFError, OSError, zlib.error, LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)


def uncompressed_name(path: Path) -> str:
    """Return a file's name in lower case without the ending of its compression; of a .zip, that of its only table."""
    name = path.name.lower()
    if name.endswith(".zip"):
        return PurePosixPath(sole_table(path) or name).name.lower()
    return next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)


def sole_table(path: Path) -> str | None:
    """Return the only table in a .zip that holds no structure files, by their names; None for any other file."""
    if not path.name.lower().endswith(".zip") or not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as file:
            names = [info.filename for info in file.infolist() if not info.is_dir()]
    except _BROKEN:
        return None
    names = [name for name in names if not name.startswith(("__MACOSX/", ".")) and "/." not in name]
    tables = [name for name in names if name.lower().endswith(TEXT)]
    others = [name for name in names if name not in tables and is_structure_file(Path(name))]
    return tables[0] if len(tables) == 1 and not others else None


def open_table_bytes(path: Path) -> IO[bytes]:
    """Open a file, unpacking it if its name says that it is compressed."""
    name = path.name.lower()
    if name.endswith(".zip") and (member := sole_table(path)):
        with zipfile.ZipFile(path) as file:  # what is open in it stays open
            return file.open(member)
    if name.endswith(".zst"):
        import pyarrow as pa

        return cast("IO[bytes]", pa.input_stream(str(path), compression="zstd"))
    opener = compressed_opener(path.name)
    return opener(path) if opener else path.open("rb")


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file, unpacked, in blocks.

    Raises
    ------
    InputError
        If it cannot be read or unpacked, or unpacks to too many bytes.
    """
    packed = path.name.lower().rpartition(".")[2]
    left = min(MAX_BYTES, max(ALWAYS_BYTES, MAX_RATIO * path.stat().st_size))
    compressed = f".{packed}" in (*_SUFFIXES, ".zip")
    try:
        with open_table_bytes(path) as file:
            while block := file.read(1 << 20):
                left -= len(block)
                if compressed and left < 0:
                    raise InputError(f"{path}: unpacks to far more than a table of this size; unpack it yourself")
                yield block
    except _BROKEN as error:
        if compressed:
            raise InputError(f"{path}: broken {'gzip' if packed == 'gz' else packed} file") from None
        reason = error.strerror if isinstance(error, OSError) else error.__class__.__name__
        raise InputError(f"{path}: cannot be read: {reason}") from None
