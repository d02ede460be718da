"""The list of the shelf, from cards and from what was kept of them."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.cards import card

from zoo._utils import files
from zoo.commands.shelf import listed as kept_list
from zoo.hub import pull
from zoo.registry import backbones
from zoo.registry.cards import REQUIRED_FILES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Shelf = Callable[..., Path]


@pytest.fixture(autouse=True)
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return files.cache_folder("shelf") / "list.json"


def from_cards() -> list[dict[str, Any]]:
    return [found.overview(pull.status(found)) for found in backbones.cards()]


def listed() -> list[dict[str, Any]]:
    return [{**each.overview, "weights": each.status} for each in kept_list()]


def test_what_is_kept_is_what_the_cards_say(note: Path) -> None:
    expected = json.loads(json.dumps(from_cards()))
    assert not note.exists()
    assert [listed(), listed()] == [expected, expected]
    assert note.exists()
    rows = [[*each.cells, each.status] for each in kept_list()]
    assert rows == [list(found.row(pull.status(found))) for found in backbones.cards()]


def test_the_second_list_is_the_first_without_what_reads_cards() -> None:
    program = "import sys; from zoo.cli import main; main(standalone_mode=False); print(*sys.modules, file=sys.stderr)"
    first, second = (
        subprocess.run([sys.executable, "-c", program, "list"], capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert first.stdout == second.stdout
    assert "multi-113k" in first.stdout
    slow = {"pydantic", "yaml", "zoo.registry.cards"}
    assert slow <= set(first.stderr.split())
    assert not slow & set(second.stderr.split())


def test_cards_that_come_change_and_go_are_noticed(shelf: Shelf) -> None:
    before = listed()
    folder = shelf("zoo-shelf", {"hard.md": card("hard")})
    assert listed()[-1]["title"] == "hard of a stranger"
    (folder / "hard.md").write_text(card("hard").replace("GPa", "kbar"))
    assert listed()[-1]["unit"] == "kbar"
    state = (folder / "hard.md").stat()
    (folder / "hard.md").write_text(card("hard").replace("GPa", "mbar"))  # of the same size
    os.utime(folder / "hard.md", ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert listed()[-1]["unit"] == "mbar"
    (folder / "soft.md").write_text(card("soft"))
    assert [each["name"] for each in listed()[-2:]] == ["hard", "soft"]
    shutil.rmtree(folder)
    shutil.rmtree(folder.parent / "zoo_shelf-1.2.dist-info")
    assert listed() == before == from_cards()


def test_a_broken_card_is_said_every_time(shelf: Shelf, note: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelf("zoo-shelf", {"hard.md": card("hard"), "broken.md": card("broken").replace("unit:", "uint:")})
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="zoo"):
            assert listed()[-1]["name"] == "hard"
        assert "zoo.unit: is missing" in caplog.text
    assert not note.exists()


def test_a_package_without_cards_is_said_every_time(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    expected = from_cards()
    shelf("zoo-shelf", {"README.md": "nothing"})
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="zoo"):
            assert listed() == expected
        assert "is not a package with cards" in caplog.text


def test_weights_that_come_and_go_are_noticed(shelf: Shelf) -> None:
    content = card("hard").replace(
        "  target:",
        "  bundled: true\n  files:\n"
        + "".join(f"  - {{name: {name}, size: 3, sha256: {'a' * 64}}}\n" for name in REQUIRED_FILES)
        + "  architecture: {atom_features: 92, width: 8, convolutions: 1, head: 8, head_layers: 1, gaussians: 5}\n"
        "  graph: {cutoff: 8, neighbors: 12, ties: order}\n  elements: [Fe]\n  target:",
    )
    folder = shelf("zoo-shelf", {"hard.md": content})
    weights = folder / "weights" / "hard"
    weights.mkdir(parents=True)
    assert listed()[-1]["weights"] == "not published yet"
    for name in REQUIRED_FILES:
        (weights / name).write_bytes(b"abc")
    assert listed()[-1]["weights"] == "bundled"
    (weights / "config.json").write_bytes(b"ab")
    assert listed()[-1]["weights"] == "not published yet"


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"of": 1}', b"\xff", b'{"of": null, "cards": [1]}'])
def test_a_damaged_note_is_written_anew(note: Path, damage: bytes) -> None:
    expected = listed()
    whole = note.read_bytes()
    note.write_bytes(damage)
    assert listed() == expected
    assert note.read_bytes() == whole


def test_a_note_that_somebody_changed_is_written_anew(note: Path) -> None:
    expected = listed()
    whole = note.read_text()
    for changed in (whole.replace("dEf-10k", "dEf-11k"), whole[:-1], whole.partition("\n")[2], "x\n" + "[" * 200_000):
        note.write_text(changed)
        assert listed() == expected
        assert note.read_text() == whole


def test_who_has_no_home_has_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_uid: int) -> None:
        raise KeyError

    for name in ("HOME", "ZOO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(RuntimeError):
        files.cache_folder("shelf")
    assert [each.overview["name"] for each in kept_list()] == [each.name for each in backbones.cards()]


def test_a_cache_that_cannot_be_written_is_done_without(note: Path) -> None:
    note.parent.parent.mkdir(parents=True)
    note.parent.write_text("a file where the folder should be")
    assert listed() == from_cards()
