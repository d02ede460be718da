"""Text of a table file: UTF-8 or UTF-16, plain or compressed."""

from __future__ import annotations

import codecs
import gzip
import zlib
from typing import IO, TYPE_CHECKING, cast

from zoo.data.tables.formats.reader import FORMATS
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _open_bytes(path: Path) -> IO[bytes]:
    if path.name.lower().endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def _encoding(path: Path) -> str:
    with _open_bytes(path) as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def open_text(path: Path) -> IO[str]:
    """Open a text file with its line ends as they are."""
    encoding = _encoding(path)
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file with their ends."""
    with open_text(path) as file:
        yield from file


def check_text(path: Path) -> None:
    """Decode a text file once, block by block, so that later reads meet no invalid byte."""
    try:
        encoding = _encoding(path)
        decoder = codecs.getincrementaldecoder(encoding)()
        blank = True
        with _open_bytes(path) as file:
            while block := file.read(1 << 20):
                if b"\0" in block and encoding != "utf-16":
                    raise InputError(f"{path}: a binary file, not a table; zoo reads {FORMATS}")
                blank &= not decoder.decode(block).strip()
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(f"{path}: not UTF-8 text (byte 0x{byte:02x}); save it in UTF-8 encoding") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{path}: broken gzip file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if blank:
        raise InputError(f"{path}: the file is empty")
