"""Backbones by name: the cards of all registered backbones.

Cards come from packages behind ``zoo.backbones`` entry points: ``zoo.cards``, which ships with zoo, and those of other
distributions. Each ``NAME.md`` in such a package registers one backbone; bundled weights lie beside it in
``weights/NAME/``. A broken package or card is logged and skipped; it raises only if it is asked for by name.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from zoo._utils import bounded
from zoo._utils.python_api import public
from zoo.errors import CardError, PluginError, UnknownNameError, ZooError
from zoo.registry.plugins import OURS, canonical, load_plugin, plugins

if TYPE_CHECKING:
    from collections.abc import Container

    from zoo.registry.cards import Card
    from zoo.registry.plugins import Plugin

_log = logging.getLogger("zoo")

CRYSTALS_FILE = "crystals.safetensors.gz"
"""List by which training crystals are recognised, beside that of their identifiers; see
:mod:`zoo.analysis.known_crystals`."""

MAX_IDS_BYTES = 50_000_000
"""Size limit of an unpacked list of training ids in bytes; 100,000 ids take two million."""

# Deltas in use are Greek Δ (case-folded to δ) and the increment sign ∆; the dashes come from typeset text.
_LOOKALIKES = str.maketrans({"δ": "d", "∆": "d", "‐": "-", "‑": "-", "–": "-", "—": "-", "−": "-"})


@dataclass(frozen=True)
class _Entry:
    """A card, or the error raised by reading it, and its distribution."""

    name: str
    distribution: str
    card: Card | None
    error: ZooError | None = None


def cards() -> list[Card]:
    """Return all readable cards, ours first, then by distribution and name.

    Cards of the same name from different distributions are all listed.
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
        If a package cannot be imported or has no cards.
    """
    return [file for plugin in plugins("backbone") for file in _files(plugin)]


def shelf() -> list[Card]:
    """Return the cards that ship with zoo."""
    return [entry.card for entry in _entries() if entry.card is not None and entry.distribution == OURS]


def named(distributions: Container[str | None] | None = None) -> dict[str, Card]:
    """Return all readable cards by the names that :func:`get` takes; ``dist:name`` where a name alone is ambiguous.

    Parameters
    ----------
    distributions : container of str, optional
        Return only the cards of these.
    """
    entries = _entries()
    return {
        entry.name if _find(entries, entry.name) == [entry] else f"{entry.distribution}:{entry.name}": entry.card
        for entry in entries
        if entry.card is not None and (distributions is None or entry.distribution in distributions)
    }


@public("zoo.backbone")
def get(name: str) -> Card:
    """Return the card of a backbone.

    Parameters
    ----------
    name : str
        A name or an alias; case does not matter, and ``ΔEf-10k`` means ``dEf-10k``. ``dist:name`` chooses a
        distribution; without it, the backbones that ship with zoo take precedence.

    Raises
    ------
    UnknownNameError
        If there is no such backbone; suggests the nearest names.
    PluginError
        If several distributions other than zoo register the name, or the requested one is broken.
    CardError
        If the card is broken.
    """
    entries = _entries()
    distribution, colon, rest = name.partition(":")
    if colon:
        entries = [entry for entry in entries if canonical(entry.distribution) == canonical(distribution)]
    found = _find(entries, rest if colon else name)
    if not found:
        # The name may belong to a package that could not be read.
        broken = [entry.error for entry in entries if entry.error and not entry.name]
        if colon and broken:
            raise broken[0]
        raise UnknownNameError("backbone", name, list(named()))
    if len(found) > 1:
        choices = [f"{entry.distribution}:{entry.name}" for entry in found]
        if len(set(map(fold, choices))) < len(choices):
            files = " and ".join(entry.card.source if entry.card else str(entry.error) for entry in found)
            raise PluginError(f"{found[0].distribution} has two cards that answer to {name!r}: {files}")
        raise PluginError(f"several packages provide a backbone {name!r}; say which: {' or '.join(choices)}")
    if found[0].card is None:
        assert found[0].error is not None
        raise found[0].error
    return found[0].card


def preferred(name: str, distribution: str) -> str:
    """Return what :func:`get` takes for a name used inside a distribution, whose own backbones take precedence."""
    entries = _entries()
    own = _find([entry for entry in entries if entry.distribution == distribution], name)
    return f"{distribution}:{name}" if own and own != _find(entries, name) else name


def distribution(card: Card) -> str | None:
    """Return the distribution that registers a card; None for a card that is not registered, such as a folder's."""
    return next((entry.distribution for entry in _entries() if entry.card and entry.card.source == card.source), None)


def problems(plugin: Plugin | None = None) -> list[str]:
    """Return one line for each package, card, list of ids or recipe that cannot be read, and for each alias in use.

    Parameters
    ----------
    plugin : Plugin, optional
        Check only this package of cards.
    """
    known = _entries()
    entries = known if plugin is None else _of_plugin(plugin)
    lines = [str(entry.error) for entry in entries if entry.error]
    for entry in entries:
        if (card := entry.card) is None:
            continue
        try:
            training_ids(card)
        except CardError as error:
            lines.append(str(error))
        recipe = card.training.recipe
        for field, path in (("ids", card.training.ids), ("recipe", recipe if isinstance(recipe, str) else None)):
            if path and not (card_folder(card) / path).exists():
                lines.append(f"{card.source}: training.{field} names {path}, which does not exist")
        lines += [
            f"{card.source}: aliases: {alias!r} already means {other.distribution}:{other.name}"
            for alias in card.aliases
            for other in _find(known, alias)
            if other != entry
        ]
    return lines


def card_folder(card: Card) -> Path:
    """Return the folder that holds the card."""
    return Path(card.source).parent


def weights_folder(card: Card) -> Path:
    """Return the folder of bundled weights: ``weights/NAME/`` beside the card."""
    return card_folder(card) / "weights" / card.name


def ids_file(card: Card) -> Path | None:
    """Return the list of training ids that a card names; None if it names none. The file need not exist."""
    return card_folder(card) / card.training.ids if card.training.ids is not None and card.source else None


def crystals_file(card: Card) -> Path | None:
    """Return the list by which the training crystals are recognised, beside that of their ids. It need not exist."""
    path = ids_file(card)
    return path.with_name(CRYSTALS_FILE) if path else None


def training_ids(card: Card) -> frozenset[str]:
    """Return the identifiers of a backbone's training rows; empty if the card has no list of them.

    Raises
    ------
    CardError
        If the list that the card names cannot be read.
    """
    path = ids_file(card)
    if path is None:
        return frozenset()
    try:
        return _training_ids(path, path.stat().st_mtime_ns)
    except FileNotFoundError:  # lists stay in the card's package; pulled weights come without
        return frozenset()
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CardError(
            f'{path}: no list of training ids, which is {{"train": [ID, …]}}, or that for each seed: {error}'
        ) from error


@lru_cache(maxsize=32)
def _training_ids(path: Path, mtime: int) -> frozenset[str]:  # noqa: ARG001 - a part of the cache key
    """Read a list, once until its file changes; the largest take a tenth of a second."""
    parts = bounded.read_json(path, MAX_IDS_BYTES)
    if not isinstance(parts, dict):
        raise TypeError("not a JSON object")
    # The folder of a run has one list per seed.
    lists = [parts["train"]] if "train" in parts else [each["train"] for each in parts.values()]
    if not all(isinstance(names, list) and all(isinstance(name, str | int) for name in names) for names in lists):
        raise TypeError("an entry is not a list of identifiers")
    return frozenset(str(name) for names in lists for name in names)


def fold(name: str) -> str:
    """Normalise a name for comparisons.

    >>> fold("∆Ef-10K") == fold("ΔEf‑10k") == fold("dEf-10k")
    True
    """
    return unicodedata.normalize("NFKC", name).strip().casefold().translate(_LOOKALIKES)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts 54k before 113k."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", fold(name))]


def _entries() -> list[_Entry]:
    """Read the cards of all packages; those that cannot be read become entries with an error."""
    return [entry for plugin in plugins("backbone") for entry in _of_plugin(plugin)]


def _find(entries: list[_Entry], name: str) -> list[_Entry]:
    """Return the backbones that a name without a distribution refers to.

    Those of zoo take precedence, and names over aliases: no package can take over a name of zoo, and no alias a name.
    """
    key = fold(name)
    for group in ([entry for entry in entries if entry.distribution == OURS], entries):
        found = [entry for entry in group if fold(entry.name) == key] or [
            entry for entry in group if entry.card and key in map(fold, entry.card.aliases)
        ]
        if found:
            return found
    return []


def _of_plugin(plugin: Plugin) -> list[_Entry]:
    """Read the cards of one package."""
    try:
        return [_of_file(file, plugin.distribution) for file in _files(plugin)]
    except PluginError as error:
        return [_Entry("", plugin.distribution, None, error)]


def _files(plugin: Plugin) -> list[Path]:
    """Return the files of a package's cards; raises `PluginError` if it cannot be imported or has none."""
    folders = [Path(folder) for folder in getattr(load_plugin(plugin), "__path__", [])]
    found = [file for folder in folders for file in folder.glob("*.md") if file.name.lower() != "readme.md"]
    if not found:
        raise PluginError(f"{plugin}: {plugin.value} is not a package with cards (NAME.md) in its folder")
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
def _read(file: Path, mtime: int) -> Card:  # noqa: ARG001 - a part of the cache key
    """Parse a card, once until its file changes."""
    from zoo.registry.cards import Card

    card = Card.read(file)
    if card.name != file.stem:
        raise CardError(f"{file}: zoo.name: {card.name!r} does not match the file's name {file.name!r}")
    return card
