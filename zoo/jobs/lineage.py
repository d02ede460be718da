"""What a pretrained network learned, and of which crystals; what the networks that it began from learned counts too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.hub import pull
from zoo.models.checkpoint import weights
from zoo.registry import backbones

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.jobs.sources import Source
    from zoo.registry.contracts import Task


@dataclass(frozen=True)
class Learned:
    """What one network learned.

    Parameters
    ----------
    targets : tuple of (str, str or None)
        Name of each target, and the task that it is of, where that is known.
    ids : set of str or None
        Identifiers of the crystals; None, if nobody lists them.
    """

    targets: tuple[tuple[str, str | None], ...]
    ids: frozenset[str] | None

    def knows(self, task: Task) -> bool:
        """Say whether this is the very property of a task: one of its columns, or any other that was learned as it."""
        columns = {column.casefold() for column in task.columns}
        return any(of == task.name or name.casefold() in columns for name, of in self.targets)


def lineage(pulled: pull.Pulled) -> list[Learned]:
    """Return what a checkpoint learned, then what the backbone and the experts that it began from did.

    A list of crystals lies with a checkpoint's card, or with the registered card of the same weights, of which it is
    a copy. The ancestors are recognised by the digests of their weights, which a run writes down; of one that no card
    here describes, nothing is known.
    """
    config = weights.read_config(pulled.directory)
    targets = tuple((each.name, each.task) for each in config.targets)
    return [Learned(targets, _ids(pulled)), *map(_registered, dict.fromkeys(_ancestors(config.provenance)))]


def trained_on(pulled: pull.Pulled) -> frozenset[str] | None:
    """Return the identifiers of the crystals that a checkpoint, or an ancestor of it, was trained on.

    None, if one of them is not listed.
    """
    learned = lineage(pulled)
    return None if any(each.ids is None for each in learned) else listed(learned)


def listed(learned: Iterable[Learned]) -> frozenset[str]:
    """Return the identifiers that are listed, whether or not others are."""
    return frozenset[str]().union(*(each.ids or () for each in learned))


def noted(sources: Sequence[Source]) -> list[str]:
    """Return the digests of all that some sources began from, as their configurations note them, to be noted again."""
    configs = [weights.read_config(source.pulled.directory) for source in sources]
    return sorted({digest for config in configs for digest in _ancestors(config.provenance)})


def knows(pulled: pull.Pulled, task: Task) -> bool:
    """Say whether a checkpoint, or an ancestor of it, learned the very property of a task."""
    return any(each.knows(task) for each in lineage(pulled))


def seen(sources: Sequence[Source], records: Sequence[Record], splits: Sequence[Split]) -> list[int] | None:
    """Count the test rows of each seed whose crystals one of the sources was trained on, by their identifiers.

    None, if no source says what it was trained on, or no identifier of the table is one of theirs: then nothing can be
    told.
    """
    return _count([each for source in sources for each in lineage(source.pulled)], records, splits)


def silent(sources: Sequence[Source]) -> list[str]:
    """Return the names of the sources that do not say all that they were trained on."""
    return [source.name for source in sources if trained_on(source.pulled) is None]


def leaks(
    sources: Sequence[Source], task: Task, records: Sequence[Record], splits: Sequence[Split]
) -> dict[str, list[int]]:
    """Return the sources that know the very property of some test rows, with the number of those of each seed."""
    same = {source.name: [each for each in lineage(source.pulled) if each.knows(task)] for source in sources}
    counts = {name: _count(learned, records, splits) for name, learned in same.items()}
    return {name: each for name, each in counts.items() if each and max(each)}


def _count(learned: Sequence[Learned], records: Sequence[Record], splits: Sequence[Split]) -> list[int] | None:
    known = listed(learned)
    if known.isdisjoint(record.id for record in records):
        return None
    return [sum(records[row].id in known for row in split.test) for split in splits]


def _ids(pulled: pull.Pulled) -> frozenset[str] | None:
    ids = backbones.training_ids(pulled.card) if pulled.card else frozenset[str]()
    if not ids:
        digest = pulled.digests.get(weights.WEIGHTS_FILE) or pull.sha256(pulled.directory / weights.WEIGHTS_FILE)
        ids = _registered(digest).ids or frozenset()
    return ids or None


def _registered(digest: str) -> Learned:
    """Return what the registered card of some weights says of them."""
    for card in backbones.cards():
        if any(file.sha256 == digest for file in card.files):
            targets = tuple((name, None) for name in (card.target, *card.other_targets))
            return Learned(targets, backbones.training_ids(card) or None)
    return Learned((), None)


def _ancestors(provenance: dict[str, Any]) -> Iterator[str]:
    """Give the digests that a run wrote down; the file may be a stranger's, so nothing of its shape is certain."""
    if isinstance(backbone := provenance.get("backbone"), dict):
        yield str(backbone.get("sha256"))
    if isinstance(experts := provenance.get("experts"), dict):
        yield from map(str, experts.values())
    for start in starts if isinstance(starts := provenance.get("start"), list) else ():
        if isinstance(start, dict):
            yield str(start.get("sha256"))
    yield from map(str, earlier if isinstance(earlier := provenance.get("ancestors"), list) else ())
