"""Text of a table file: UTF-8 or UTF-16, plain or compressed."""

from __future__ import annotations

import codecs
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING

from zoo.data.tables.formats.compressed import blocks, open_table_bytes
from zoo.data.tables.formats.reader import FORMATS
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def open_text(path: Path) -> IO[str]:
    """Open a text file with its line ends as they are."""
    with open_table_bytes(path) as file:
        encoding = _encoding(file.read(2))
    return TextIOWrapper(open_table_bytes(path), encoding=encoding, newline="")


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file with their ends."""
    with open_text(path) as file:
        yield from file


def check_text(path: Path) -> None:
    """Decode a text file once, block by block, so that later reads meet no invalid byte and end in time.

    Raises
    ------
    InputError
        If it is empty or binary, not in UTF-8 or UTF-16, cannot be unpacked, or unpacks to too many bytes.
    """
    decoder: codecs.IncrementalDecoder | None = None
    encoding, blank = "", True
    try:
        for block in blocks(path):
            if decoder is None:
                encoding = _encoding(block)
                decoder = codecs.getincrementaldecoder(encoding)()
            if b"\0" in block and encoding != "utf-16":
                raise InputError(f"{path}: a binary file, not a table; zoo reads {FORMATS}")
            blank &= not decoder.decode(block).strip()
        if decoder is not None:
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(f"{path}: not UTF-8 text (byte 0x{byte:02x}); save it in UTF-8 encoding") from None
    if blank:
        raise InputError(f"{path}: the file is empty")


def _encoding(start: bytes) -> str:
    return "utf-16" if start.startswith(_UTF_16) else "utf-8-sig"
