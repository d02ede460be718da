"""Which backbones are read beside which."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from zoo.jobs import pretrained
from zoo.registry import backbones

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Shelf = Callable[..., Path]


@pytest.fixture
def copied(shelf: Shelf) -> Path:
    """Install another distribution's dEf-10k, weights and all; return the file of its weights."""
    card = backbones.get("dEf-10k")
    ours = backbones.card_folder(card)
    folder = shelf("zoo-copycat", {"dEf-10k.md": (ours / "dEf-10k.md").read_bytes()})
    shutil.copytree(backbones.weights_folder(card), folder / "weights" / "dEf-10k")
    return folder / "weights" / "dEf-10k" / "model.safetensors"


@pytest.mark.usefixtures("copied")
def test_another_package_changes_what_is_read_beside_its_own_backbones_alone() -> None:
    source = pretrained.load("multi-113k")
    ours = [each.name for each in pretrained.experts(source)]
    assert {"dEf-10k", "dEf-54k", "multi-113k"} < set(ours)
    assert not [name for name in ours if ":" in name]
    theirs = pretrained.load("zoo-copycat:dEf-10k")
    assert theirs.digest == pretrained.load("dEf-10k").digest
    assert [each.name for each in pretrained.experts(theirs)] == [*ours, "zoo-copycat:dEf-10k"]
    at_hand = [each.name for each in pretrained.available(source.graph)]
    assert at_hand == [*ours, "multi-113k-wide", "zoo-copycat:dEf-10k"]  # wide, whose body is another
    wide = pretrained.load("multi-113k-wide")
    assert [each.name for each in pretrained.experts(wide)] == ["multi-113k-gatedgcn", "multi-113k-wide"]


def test_damaged_weights_of_a_package_are_left_out(copied: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(copied.read_bytes())
    data[-1] ^= 1
    copied.write_bytes(data)
    names = [each.name for each in pretrained.available(pretrained.load("multi-113k").graph)]
    assert "dEf-10k" in names
    assert "zoo-copycat:dEf-10k" not in names
    assert caplog.text.count(f"left out: dEf-10k: {copied} has SHA-256") == 1


def test_a_broken_card_of_our_name_takes_nothing_from_the_shelf(shelf: Shelf) -> None:
    shelf("zoo-broken", {"dEf-10k.md": "---\nzoo: nothing\n---\n"})
    at_hand = [each.name for each in pretrained.available(pretrained.load("multi-113k").graph)]
    assert {"dEf-10k", "dEf-54k"} <= set(at_hand)
    assert [pretrained.load(name).name for name in at_hand] == at_hand


def test_two_cards_of_one_package_that_answer_to_one_name_are_left_out(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    card = backbones.get("dEf-10k")
    text = (backbones.card_folder(card) / "dEf-10k.md").read_text(encoding="utf-8")
    both = {"twin.md": text.replace("dEf-10k", "twin"), "TWIN.md": text.replace("dEf-10k", "TWIN")}
    folder = shelf("zoo-twins", both)
    for name in ("twin", "TWIN"):
        shutil.copytree(backbones.weights_folder(card), folder / "weights" / name)
    at_hand = [each.name for each in pretrained.available(pretrained.load("multi-113k").graph)]
    assert "dEf-10k" in at_hand
    assert not any("twin" in name.lower() for name in at_hand)
    assert "left out: zoo-twins has two cards that answer to 'zoo-twins:twin'" in caplog.text
