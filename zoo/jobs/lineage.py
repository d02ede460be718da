"""Training properties and training crystals of a pretrained network and its ancestors."""

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
    from zoo.jobs.pretrained import Pretrained
    from zoo.registry.contracts import Task


@dataclass(frozen=True)
class TrainedOn:
    """Training data of one network.

    Parameters
    ----------
    targets : tuple of (str, str or None)
        Name of each target, with its task if known.
    ids : set of str or None
        Identifiers of the crystals; None if they are not listed.
    """

    targets: tuple[tuple[str, str | None], ...]
    ids: frozenset[str] | None

    def includes(self, task: Task) -> bool:
        """Return whether one of the targets is the property of a task, by the task's name or one of its columns."""
        columns = {column.casefold() for column in task.columns}
        return any(of == task.name or name.casefold() in columns for name, of in self.targets)


def lineage(pulled: pull.Pulled) -> list[TrainedOn]:
    """Return the training data of a checkpoint, then that of its backbone and its experts.

    Crystals are listed by the checkpoint's card or by the registered card of the same weights. Ancestors are identified
    by the digests of their weights, which a run records; for those without a registered card, the training data is
    unknown.
    """
    config = weights.read_config(pulled.directory)
    targets = tuple((each.name, each.task) for each in config.targets)
    ancestors = dict.fromkeys(_ancestors(config.provenance))
    return [TrainedOn(targets, _ids(pulled)), *map(_registered, ancestors)]


def training_ids(pulled: pull.Pulled) -> frozenset[str] | None:
    """Return the identifiers of the training crystals of a checkpoint and all its ancestors.

    None if one of them does not list its crystals.
    """
    found = lineage(pulled)
    return None if any(each.ids is None for each in found) else listed_ids(found)


def listed_ids(found: Iterable[TrainedOn]) -> frozenset[str]:
    """Return all listed identifiers, ignoring networks without a list."""
    return frozenset[str]().union(*(each.ids or () for each in found))


def ancestors(pretrained: Sequence[Pretrained]) -> list[str]:
    """Return the digests of the ancestors of these networks, as recorded in their configurations."""
    configs = [weights.read_config(each.pulled.directory) for each in pretrained]
    return sorted({digest for config in configs for digest in _ancestors(config.provenance)})


def was_trained_on(pulled: pull.Pulled, task: Task) -> bool:
    """Return whether a checkpoint or one of its ancestors was trained on the property of a task."""
    return any(each.includes(task) for each in lineage(pulled))


def count_seen(
    pretrained: Sequence[Pretrained], records: Sequence[Record], splits: Sequence[Split]
) -> list[int] | None:
    """Count the test rows of each seed that are among the training crystals of a network, by their identifiers.

    None if unknown: no network lists its crystals, or no identifier of the table occurs in a list.
    """
    return _count([each for network in pretrained for each in lineage(network.pulled)], records, splits)


def count_leaks(
    pretrained: Sequence[Pretrained], task: Task, records: Sequence[Record], splits: Sequence[Split]
) -> dict[str, list[int]]:
    """Return the networks trained on this very property of test rows, with the number of such rows per seed."""
    same = {each.name: [one for one in lineage(each.pulled) if one.includes(task)] for each in pretrained}
    counts = {name: _count(found, records, splits) for name, found in same.items()}
    return {name: each for name, each in counts.items() if each and max(each)}


def without_list(pretrained: Sequence[Pretrained]) -> list[str]:
    """Return the names of the networks with unlisted training crystals."""
    return [each.name for each in pretrained if training_ids(each.pulled) is None]


def _count(found: Sequence[TrainedOn], records: Sequence[Record], splits: Sequence[Split]) -> list[int] | None:
    known = listed_ids(found)
    if known.isdisjoint(record.id for record in records):
        return None
    return [sum(records[row].id in known for row in split.test) for split in splits]


def _ids(pulled: pull.Pulled) -> frozenset[str] | None:
    ids = backbones.training_ids(pulled.card) if pulled.card else frozenset[str]()
    if not ids:
        digest = pulled.digests.get(weights.WEIGHTS_FILE) or pull.sha256(pulled.directory / weights.WEIGHTS_FILE)
        ids = _registered(digest).ids or frozenset()
    return ids or None


def _registered(digest: str) -> TrainedOn:
    """Return the training data of the weights with this digest, from their registered card."""
    for card in backbones.cards():
        if any(file.sha256 == digest for file in card.files):
            targets = tuple((name, None) for name in (card.target, *card.other_targets))
            return TrainedOn(targets, backbones.training_ids(card) or None)
    return TrainedOn((), None)


def _ancestors(provenance: dict[str, Any]) -> Iterator[str]:
    """Yield the digests recorded in a configuration, which is untrusted and therefore checked."""
    if isinstance(backbone := provenance.get("backbone"), dict):
        yield str(backbone.get("sha256"))
    if isinstance(experts := provenance.get("experts"), dict):
        yield from map(str, experts.values())
    for start in starts if isinstance(starts := provenance.get("start"), list) else ():
        if isinstance(start, dict):
            yield str(start.get("sha256"))
    yield from map(str, earlier if isinstance(earlier := provenance.get("ancestors"), list) else ())
