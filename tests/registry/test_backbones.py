from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING

import pytest
from support.cards import card

from zoo.errors import CardError, PluginError, UnknownNameError
from zoo.registry import backbones

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Shelf = Callable[..., Path]

OURS = [
    "dEf-10k",
    "dEf-54k",
    "dEf-91k",
    "dEf-113k",
    "dEf-113k-mp",
    "dEf-NM",
    "Eg-NM",
    "multi-113k",
    "multi-113k-gatedgcn",
    "multi-113k-wide",
]


def test_ours_are_listed_in_order_of_size() -> None:
    assert list(backbones.named())[: len(OURS)] == OURS
    assert [found.name for found in backbones.cards()][: len(OURS)] == OURS


@pytest.mark.parametrize(
    "name",
    [
        "dEf-10k",
        "DEF-10K",
        "\u0394Ef-10k",  # Greek capital delta
        "\u2206Ef-10k",  # increment
        "\u03b4ef-10k",  # Greek small delta
        "\u0394Ef\u201110k",  # non-breaking hyphen
        "\u0394Ef\u221210k",  # minus sign
        "\uff44\uff25\uff46-10k",  # full-width letters
        " dEf-10k ",
        "formation-energy-10k",  # alias
        "crystal-zoo:dEf-10k",
        "Crystal_Zoo:\u0394Ef-10k",
    ],
)
def test_spellings_of_one_name(name: str) -> None:
    assert backbones.get(name).name == "dEf-10k"


def test_normal_forms_of_an_accented_alias(shelf: Shelf) -> None:
    shelf("zoo-forms", {"forms.md": card("forms", "[Härte]")})
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert backbones.get(unicodedata.normalize(form, "HÄRTE")).name == "forms"


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no backbone is called 'dEf-100k'; did you mean dEf-10k or ") as caught:
        backbones.get("dEf-100k")
    assert caught.value.exit_code == 2
    with pytest.raises(UnknownNameError, match="no backbone is called 'nobody:dEf-10k'"):
        backbones.get("nobody:dEf-10k")


def test_a_strangers_shelf(shelf: Shelf) -> None:
    folder = shelf("zoo-shelf", {"hard.md": card("hard"), "README.md": "no card", "notes.txt": "nor this"})
    found = backbones.get("HARD")
    assert found.title == "hard of a stranger"
    assert backbones.card_folder(found) == folder
    assert backbones.weights_folder(found) == folder / "weights" / "hard"
    assert [*OURS, "hard"] == [name for name in backbones.named() if name in {*OURS, "hard"}]
    assert backbones.problems() == []


def test_third_parties_can_be_switched_off(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf("zoo-shelf", {"hard.md": card("hard")})
    assert "hard" in backbones.named()
    monkeypatch.setenv("ZOO_PLUGINS", "off")
    assert "hard" not in backbones.named()
    assert "dEf-10k" in backbones.named()


def test_one_of_our_names_or_aliases_means_ours_whatever_is_installed(shelf: Shelf) -> None:
    before = backbones.named()
    shelf("zoo-copycat", {f"{name}.md": card(name) for name in ("def-10K", "formation-energy-10k")})
    for name in ("dEf-10k", "crystal-zoo:dEf-10k", "formation-energy-10k"):
        assert backbones.get(name).repo_id == "crystal-zoo/dEf-10k"
    assert backbones.get("zoo-copycat:dEf-10k").repo_id == "stranger/def-10K"
    named = backbones.named()
    assert {name: named[name] for name in before} == before
    assert named.keys() - before.keys() == {"zoo-copycat:def-10K", "zoo-copycat:formation-energy-10k"}
    assert all(backbones.get(name) == each for name, each in named.items())


def test_two_packages_of_one_name_are_refused_until_one_is_chosen(shelf: Shelf) -> None:
    shelf("zoo-one", {"hard.md": card("hard")})
    shelf("zoo-two", {"HARD.md": card("HARD")})
    with pytest.raises(PluginError, match=r"say which: zoo-one:hard or zoo-two:HARD"):
        backbones.get("Hard")
    assert {"zoo-one:hard", "zoo-two:HARD"} < backbones.named().keys()
    assert backbones.get("zoo-two:hard").name == "HARD"


def test_an_alias_cannot_take_over_a_name(shelf: Shelf) -> None:
    shelf("zoo-thief", {"thief.md": card("thief", "[dEf-10k]")})
    assert backbones.get("dEf-10k").name == "dEf-10k"
    shelf("zoo-victim", {"hard.md": card("hard")})
    shelf("zoo-thief-too", {"soft.md": card("soft", "[hard]")})
    assert backbones.get("hard").name == "hard"


def test_what_a_package_refers_to_is_its_own_backbone_if_it_has_one(shelf: Shelf) -> None:
    shelf("zoo-copycat", {"dEf-10k.md": card("dEf-10k"), "hard.md": card("hard")})
    assert backbones.preferred("dEf-10k", "zoo-copycat") == "zoo-copycat:dEf-10k"
    assert backbones.preferred("dEf-10k", "crystal-zoo") == backbones.preferred("dEf-10k", "nobody") == "dEf-10k"
    assert backbones.preferred("hard", "zoo-copycat") == "hard"
    assert backbones.distribution(backbones.get("hard")) == "zoo-copycat"
    assert backbones.distribution(backbones.get("hard").model_copy(update={"source": "elsewhere.md"})) is None


def test_two_cards_of_one_package_with_one_alias(shelf: Shelf) -> None:
    shelf("zoo-twins", {"castor.md": card("castor", "[twin]"), "pollux.md": card("pollux", "[twin]")})
    with pytest.raises(PluginError, match="zoo-twins:castor or zoo-twins:pollux"):
        backbones.get("twin")
    with pytest.raises(PluginError, match="zoo-twins:castor or zoo-twins:pollux"):
        backbones.get("zoo-twins:twin")


def test_two_cards_of_one_name_in_one_distribution(shelf: Shelf) -> None:
    content = card("hard")
    folder = shelf("zoo-shelf", {"hard.md": content, "more/__init__.py": "", "more/hard.md": content})
    entries = folder.parent / "zoo_shelf-1.2.dist-info" / "entry_points.txt"
    entries.write_text("[zoo.backbones]\nzoo-shelf = zoo_shelf\nmore = zoo_shelf.more\n")
    with pytest.raises(PluginError, match=r"zoo-shelf has two cards that answer to 'hard': .*hard\.md and .*hard\.md"):
        backbones.get("hard")


def test_a_broken_card_breaks_only_itself(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    broken = card("broken").replace("unit:", "uint:")
    folder = shelf("zoo-shelf", {"hard.md": card("hard"), "broken.md": broken, "misnamed.md": card("other")})
    with caplog.at_level(logging.WARNING, logger="zoo"):
        names = [found.name for found in backbones.cards()]
    assert names[: len(OURS)] == OURS
    assert "hard" in names
    assert "broken" not in names
    assert f"left out: {folder / 'broken.md'}: zoo.unit: is missing" in caplog.text
    with pytest.raises(CardError, match=r"broken\.md: zoo\.unit: is missing"):
        backbones.get("broken")
    with pytest.raises(CardError, match=r"misnamed\.md: zoo\.name: 'other' does not match"):
        backbones.get("misnamed")
    assert len(backbones.problems()) == 2


@pytest.mark.parametrize("code", ["raise RuntimeError('no luck today')", "import a_module_that_is_not_there"])
def test_a_broken_package_breaks_only_itself(shelf: Shelf, code: str, caplog: pytest.LogCaptureFixture) -> None:
    folder = shelf("zoo-shelf", {"hard.md": card("hard")})
    (folder / "__init__.py").write_text(code)
    with caplog.at_level(logging.WARNING, logger="zoo"):
        assert [found.name for found in backbones.cards()][: len(OURS)] == OURS
    reason = "no luck today" if "raise" in code else "a_module_that_is_not_there"
    assert reason in caplog.text
    assert backbones.get("dEf-10k").name == "dEf-10k"
    with pytest.raises(PluginError, match=reason):
        backbones.get("zoo-shelf:hard")


def test_a_package_without_cards_is_named(shelf: Shelf) -> None:
    shelf("zoo-empty", {"README.md": "nothing here"})
    assert len(backbones.problems()) == 1
    assert "zoo-empty" in backbones.problems()[0]


def test_a_changed_card_is_read_again(shelf: Shelf) -> None:
    folder = shelf("zoo-shelf", {"hard.md": card("hard")})
    assert backbones.get("hard").unit == "GPa"
    (folder / "hard.md").write_text(card("hard").replace("GPa", "kgf/mm2"))
    assert backbones.get("hard").unit == "kgf/mm2"


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import json, sys; from zoo.hub import pull as hub; from zoo.registry import backbones as registry; "
        "statuses = [hub.status(card) for card in registry.cards()]; "
        "heavy = 'torch dgl pymatgen matminer sklearn pandas numpy scipy httpx httpx2'.split(); "
        "print(json.dumps([statuses, [name for name in heavy if name in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    statuses, heavy = json.loads(done.stdout)
    assert len(statuses) >= 4
    assert heavy == []


@pytest.mark.parametrize("name", ["dEf-10k", "dEf-54k", "dEf-91k", "Eg-NM", "multi-113k", "multi-113k-wide"])
def test_the_ids_of_a_training_set_are_those_of_its_rule(name: str) -> None:
    card = backbones.get(name)
    ids = backbones.training_ids(card)
    assert card.training.rows is not None
    assert len(ids) == card.training.rows.train
    # The rule: SHA-256 of the identifier, as a fraction of one, at or above the 8 % held back.
    fractions = [int.from_bytes(hashlib.sha256(each.encode()).digest()[:8]) / 2**64 for each in ids]
    assert min(fractions) >= 0.08
    assert backbones.training_ids(backbones.get("dEf-10k")) <= backbones.training_ids(backbones.get("dEf-54k"))


def test_a_damaged_list_of_ids_is_named(tmp_path: Path) -> None:
    card = backbones.get("dEf-10k")
    (tmp_path / "ids").mkdir()
    (tmp_path / "ids" / "dEf-10k.json.gz").write_bytes(b"no gzip")
    moved = card.model_copy(update={"source": str(tmp_path / "dEf-10k.md")})
    with pytest.raises(CardError, match=r"ids/dEf-10k\.json\.gz: no list of training ids"):
        backbones.training_ids(moved)
    (tmp_path / "ids" / "dEf-10k.json.gz").unlink()
    assert backbones.training_ids(moved) == frozenset()
