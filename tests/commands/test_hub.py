"""What the commands of the Hub say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.commandline import refused, zoo

from zoo.commands.hub import pulled_line
from zoo.hub import pull

# Each test is a process of its own.
pytestmark = pytest.mark.usefixtures("as_in_a_new_process")


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


def test_pull_from_the_bundle() -> None:
    for source in ("bundled", "auto"):
        printed = zoo("pull", "δef-10k", "--source", source).stdout
        match = re.fullmatch(r"dEf-10k: from the bundle, verified, in (.*)\n", printed)
        assert match
        assert (Path(match[1]) / "model.safetensors").is_file()


def test_pull_of_a_folder_does_not_call_it_verified(backbone: Path) -> None:
    assert zoo("pull", backbone).stdout == f"tiny: a folder of this machine, in {backbone}\n"


def test_pull_says_plainly_what_is_not_there() -> None:
    message = "registered, but its weights are not published yet; there is: dEf-10k, dEf-54k"
    assert message in refused("pull", "dEf-113k-mp")
    assert message in refused("pull", "dEf-113k-mp", "--source", "hub")
    assert "not bundled" in refused("pull", "dEf-113k-mp", "--source", "bundled")
    assert "not on the Hub yet" in refused("pull", "dEf-10k", "--source", "hub")
