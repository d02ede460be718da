"""Text files in their encodings, compressed or not."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from zoo.data.tables.formats.text import check_text, lines, open_text
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "id,Übergang\r\nx,1\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_every_encoding_gives_the_same_lines(tmp_path: Path, encoding: str, suffix: str) -> None:
    path = tmp_path / f"a.csv{suffix}"
    data = TEXT.encode(encoding)
    path.write_bytes(gzip.compress(data) if suffix else data)
    check_text(path)
    assert list(lines(path)) == ["id,Übergang\r\n", "x,1\n"]
    with open_text(path) as file:
        assert file.read() == TEXT


def test_other_bytes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"x" * 2_000_000 + "ü".encode("latin-1") + b"x")
    with pytest.raises(InputError, match=r"a\.csv: not UTF-8 text \(byte 0xfc\); save it in UTF-8 encoding"):
        check_text(path)
