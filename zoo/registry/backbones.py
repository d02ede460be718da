"""From a backbone's name to its card.

Cards come from packages behind ``zoo.backbones`` entry points: ``zoo.cards``, which ships with zoo, and
anybody else's. Each ``NAME.md`` in such a package registers one backbone; bundled weights lie beside it in
``weights/NAME/``. A package or a card that is broken is logged and left out, and raises only when it is
asked for by name.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import CardError, PluginError, UnknownNameError, ZooError

if TYPE_CHECKING:
    from zoo.registry.cards import Card
    from zoo.registry.plugins import Plugin

_log = logging.getLogger("zoo")

# Deltas in use: Greek Δ (case-folded to δ) and the increment sign ∆; and dashes that typesetting makes.
_LOOKALIKES = str.maketrans({"δ": "d", "∆": "d", "‐": "-", "‑": "-", "–": "-", "—": "-", "−": "-"})


@dataclass(frozen=True)
class _Entry:
    """A card, or the error in its place, with the distribution that brings it."""

    name: str
    distribution: str
    card: Card | None
    error: ZooError | None = None


def cards() -> list[Card]:
    """Return all readable cards, ours first, then by distribution and name.

    Cards of one name from different distributions are all listed; :func:`get` refuses to choose between them.
    """
    found = []
    for entry in _entries():
        if entry.card is not None:
            found.append(entry.card)
        else:
            _log.warning("left out: %s", entry.error)
    return found


def files() -> list[Path]:
    """Return the files of all cards, in the order of :func:`cards`.

    Raises
    ------
    PluginError
        If a package cannot be imported, or has none.
    """
    from zoo.registry.plugins import plugins

    return [file for plugin in plugins("backbone") for file in _files(plugin)]


def shelf() -> list[Card]:
    """Return the cards that ship with zoo."""
    from zoo.registry.plugins import OURS

    return [entry.card for entry in _entries() if entry.card is not None and entry.distribution == OURS]


def named() -> dict[str, Card]:
    """Return all readable cards by the names that :func:`get` takes; ``dist:name`` where distributions share a name."""
    entries = _entries()
    shared = Counter(fold(entry.name) for entry in entries)  # with a broken one too, :func:`get` asks which is meant
    return {
        f"{entry.distribution}:{entry.name}" if shared[fold(entry.name)] > 1 else entry.name: entry.card
        for entry in entries
        if entry.card is not None
    }


def get(name: str) -> Card:
    """Return the card of a backbone.

    Parameters
    ----------
    name : str
        A name or an alias, in any case; ``ΔEf-10k`` means ``dEf-10k``. ``dist:name`` chooses a distribution.

    Raises
    ------
    UnknownNameError
        If there is no such backbone; suggests the nearest names.
    PluginError
        If several distributions register the name, or the one that was named is broken.
    CardError
        If the card is broken.
    """
    entries = _entries()
    distribution, colon, rest = name.partition(":")
    if colon:
        entries = [entry for entry in entries if _canonical(entry.distribution) == _canonical(distribution)]
    key = fold(rest if colon else name)
    # A name beats an alias: nobody's alias may take over a name.
    found = [entry for entry in entries if fold(entry.name) == key] or [
        entry for entry in entries if entry.card and key in map(fold, entry.card.aliases)
    ]
    if not found:
        # A package that could not be read may be the one that has the name.
        broken = [entry.error for entry in entries if entry.error and not entry.name]
        if colon and broken:
            raise broken[0]
        raise UnknownNameError("backbone", name, list(named()))
    if len(found) > 1:
        choices = [f"{entry.distribution}:{entry.name}" for entry in found]
        if len(set(map(fold, choices))) < len(choices):
            files = " and ".join(entry.card.source if entry.card else str(entry.error) for entry in found)
            raise PluginError(f"{found[0].distribution} has two cards that answer to {name!r}: {files}")
        raise PluginError(f"several packages bring a backbone {name!r}; say which: {' or '.join(choices)}")
    if found[0].card is None:
        assert found[0].error is not None
        raise found[0].error
    return found[0].card


def preferred(name: str, distribution: str) -> str:
    """Return a backbone's name as :func:`get` takes it, for one that nobody typed.

    Where several packages bring the name, that of a distribution is meant, then ours.
    """
    from zoo.registry.plugins import OURS

    offered = {entry.distribution for entry in _entries() if fold(entry.name) == fold(name)}
    meant = [each for each in (distribution, OURS) if each in offered]
    return f"{meant[0]}:{name}" if len(offered) > 1 and meant else name


def problems(plugin: Plugin | None = None) -> list[str]:
    """Return one line for each package, card or list of ids that cannot be read; of one package, if it is given."""
    entries = _entries() if plugin is None else _of_plugin(plugin)
    lines = [str(entry.error) for entry in entries if entry.error]
    for card in (entry.card for entry in entries if entry.card):
        try:
            training_ids(card)
        except CardError as error:
            lines.append(str(error))
        if card.training.ids and not (card_folder(card) / card.training.ids).exists():
            lines.append(
                f"{card.source}: training.ids names {card.training.ids}, which is not there, so that nothing can be "
                "compared with what it was trained on"
            )
    return lines


def card_folder(card: Card) -> Path:
    """Return the folder that holds the card."""
    return Path(card.source).parent


def weights_folder(card: Card) -> Path:
    """Return the folder where the weights lie if they are bundled: ``weights/NAME/`` beside the card."""
    return card_folder(card) / "weights" / card.name


def training_ids(card: Card) -> frozenset[str]:
    """Return the identifiers that a backbone was trained on; empty if the card gives no list of them.

    Raises
    ------
    CardError
        If the list that the card names cannot be read.
    """
    if card.training.ids is None or not card.source:
        return frozenset()
    path = card_folder(card) / card.training.ids
    try:
        return _training_ids(path, path.stat().st_mtime_ns)
    except FileNotFoundError:  # the list stays with the card's package; a folder of weights has none
        return frozenset()
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CardError(
            f'{path}: no list of training ids, which is {{"train": [ID, …]}}, or that for each seed: {error}'
        ) from error


@lru_cache(maxsize=32)
def _training_ids(path: Path, mtime: int) -> frozenset[str]:  # noqa: ARG001 - the time of change is part of the key
    """Read a list once for each state of its file: a tenth of a second for the largest."""
    data = path.read_bytes()
    parts = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    # A run has a list for every seed.
    lists = [parts["train"]] if "train" in parts else [each["train"] for each in parts.values()]
    return frozenset(str(name) for names in lists for name in names)


def fold(name: str) -> str:
    """Reduce a name to the form in which names are compared.

    >>> fold("∆Ef-10K") == fold("ΔEf‑10k") == fold("dEf-10k")
    True
    """
    return unicodedata.normalize("NFKC", name).strip().casefold().translate(_LOOKALIKES)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts 54k before 113k."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", fold(name))]


def _canonical(distribution: str) -> str:
    """Return a distribution's name as packaging tools compare it."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def _entries() -> list[_Entry]:
    """Read every card of every package; what cannot be read becomes an entry with an error."""
    from zoo.registry.plugins import plugins

    return [entry for plugin in plugins("backbone") for entry in _of_plugin(plugin)]


def _of_plugin(plugin: Plugin) -> list[_Entry]:
    """Read the cards of one package."""
    try:
        return [_of_file(file, plugin.distribution) for file in _files(plugin)]
    except PluginError as error:
        return [_Entry("", plugin.distribution, None, error)]


def _files(plugin: Plugin) -> list[Path]:
    """Return the files of one package's cards; raises `PluginError` if it cannot be imported or has none."""
    from zoo.registry.plugins import load_plugin

    folders = [Path(folder) for folder in getattr(load_plugin(plugin), "__path__", [])]
    found = [file for folder in folders for file in folder.glob("*.md") if file.name.lower() != "readme.md"]
    if not found:
        raise PluginError(f"{plugin}: {plugin.value} is no package with cards (NAME.md) in its folder")
    return sorted(found, key=lambda file: _natural(file.stem))


def _of_file(file: Path, distribution: str) -> _Entry:
    """Read one card."""
    try:
        return _Entry(file.stem, distribution, _read(file, file.stat().st_mtime_ns))
    except CardError as error:
        return _Entry(file.stem, distribution, None, error)
    except OSError as error:
        return _Entry(file.stem, distribution, None, CardError(f"{file}: cannot be read: {error.strerror}"))


@lru_cache(maxsize=256)
def _read(file: Path, mtime: int) -> Card:  # noqa: ARG001 - the time of change is part of the key
    """Parse a card once for each state of its file."""
    from zoo.registry.cards import Card

    card = Card.read(file)
    if card.name != file.stem:
        raise CardError(f"{file}: zoo.name: {card.name!r} does not match the file's name {file.name!r}")
    return card
