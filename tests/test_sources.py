"""Which backbones are read beside which."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from zoo import registry, sources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Shelf = Callable[..., Path]


@pytest.fixture
def copied(shelf: Shelf) -> Path:
    """Install another distribution's dEf-10k, weights and all; return the file of its weights."""
    card = registry.get("dEf-10k")
    ours = registry.card_folder(card)
    folder = shelf("zoo-copycat", {"dEf-10k.md": (ours / "dEf-10k.md").read_bytes()})
    shutil.copytree(registry.weights_folder(card), folder / "weights" / "dEf-10k")
    return folder / "weights" / "dEf-10k" / "model.safetensors"


@pytest.mark.usefixtures("copied")
def test_two_packages_with_one_name_are_both_read() -> None:
    source = sources.load("multi-113k")
    found = {each.name: each.digest for each in sources.experts(source)}
    assert found["zoo-copycat:dEf-10k"] == found["crystal-zoo:dEf-10k"]
    assert "dEf-54k" in found
    at_hand = [each.name for each in sources.available(source.graph)]
    assert at_hand == [*list(found)[:-1], "multi-113k-wide", "zoo-copycat:dEf-10k"]  # whose body is another
    wide = sources.load("multi-113k-wide")
    assert [each.name for each in sources.experts(wide)] == ["multi-113k-wide"]


def test_damaged_weights_of_a_package_are_left_out(copied: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(copied.read_bytes())
    data[-1] ^= 1
    copied.write_bytes(data)
    source = sources.load("multi-113k")
    for names in (
        [each.name for each in sources.experts(source)],
        [each.name for each in sources.available(source.graph)],
    ):
        assert "crystal-zoo:dEf-10k" in names
        assert "zoo-copycat:dEf-10k" not in names
    assert caplog.text.count(f"left out: dEf-10k: {copied} has SHA-256") == 2


def test_whoever_could_not_be_asked_for_by_name_is_left_out(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    """A broken card of another package makes our name ambiguous; all others are at hand, each by its own name."""
    shelf("zoo-broken", {"dEf-10k.md": "---\nzoo: nothing\n---\n"})
    at_hand = [each.name for each in sources.available(sources.load("multi-113k").graph)]
    assert "dEf-54k" in at_hand
    assert not any("dEf-10k" in name for name in at_hand)
    assert "left out: several packages bring a backbone 'dEf-10k'" in caplog.text
    assert [sources.load(name).name for name in at_hand] == at_hand
