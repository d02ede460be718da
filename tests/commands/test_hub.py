"""What the commands of the Hub say."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.commands.hub import pulled_line
from zoo.hub import pull


@pytest.mark.parametrize(
    ("origin", "pinned", "line"),
    [
        ("bundled", True, "dEf-10k: from the bundle, verified, in /w"),
        ("cache", True, "dEf-10k: from the Hub's cache, commit 0123456789ab, verified, in /w"),
        ("hub", False, "dEf-10k: from the Hub, commit 0123456789ab, in /w"),
    ],
)
def test_only_pinned_bytes_are_called_verified(origin: pull.Origin, pinned: bool, line: str) -> None:
    commit = None if origin == "bundled" else "0123456789abcdef"
    pulled = pull.Pulled("dEf-10k", Path("/w"), origin, None, commit, digests={"config.json": "0" * 64})
    assert pulled_line(pulled, pinned=pinned) == line
