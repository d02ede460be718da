"""YAML front matter of Markdown."""

from __future__ import annotations

import time

import pytest

from zoo.errors import CardError
from zoo.registry import front_matter

FRONT = {"license": "mit", "zoo": {"elements": ["O", "No"], "value": 1.5, "note": "two\nlines", "none": None}}


def test_what_is_written_is_read() -> None:
    text = front_matter.write(FRONT, "\n# Title\n\nProse.\n---\n")
    assert front_matter.read(text, "x") == (FRONT, "# Title\n\nProse.\n---")
    assert front_matter.read("\ufeff" + text.replace("\n", "\r\n"), "x")[0]["license"] == "mit"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x: the first line must be '---'"),
        ("---\na: 1\n", "x: the front matter has no end"),
        ("---\n- 1\n---\n", "x: the front matter must be a mapping of fields, not list"),
        ("---\n---\n", "not NoneType"),
        ("---\na: 1\nb: .inf\n---\n", "x: the front matter cannot be used: the number inf is not finite (line 3)"),
        (f"---\na: {'[' * 50_000}\n---\n", "nest"),
        (f"---\na: {'9' * 50_000}\n---\n", "is out of range"),
    ],
    ids=range(7),
)
def test_what_cannot_be_used(text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(CardError) as caught:
        front_matter.read(text, "x")
    assert said in str(caught.value)
    assert time.process_time() - began < 1
