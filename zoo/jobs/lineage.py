"""Training properties and training crystals of a pretrained network and its ancestors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo._utils.python_api import public
from zoo.analysis import known_crystals
from zoo.data.structures.conversion import as_crystals
from zoo.errors import InputError
from zoo.hub import pull
from zoo.models.checkpoint import weights
from zoo.registry import backbones

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from zoo.analysis.known_crystals import Neighbor
    from zoo.data.crystal import Crystal
    from zoo.data.splits import Split
    from zoo.data.tables.records import Record
    from zoo.jobs.predict.model import Model
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
    crystals : Path or None
        List by which the crystals are recognised by their structure (:mod:`zoo.analysis.known_crystals`), if there is
        one. It may contain others as well.
    name : str
        Name of the network; empty if unknown.
    """

    targets: tuple[tuple[str, str | None], ...]
    ids: frozenset[str] | None
    crystals: Path | None = None
    name: str = ""

    @property
    def has_structures(self) -> bool:
        """Whether its crystals are recognised by their structure."""
        return self.ids is not None and self.crystals is not None and self.crystals.is_file()

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
    return [TrainedOn(targets, *_crystals(pulled), pulled.name), *map(_registered, ancestors)]


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
    """Count the test rows of each seed that are among the training crystals of a network; None if unknown.

    See :func:`seen`.
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


def seen(found: Iterable[TrainedOn], records: Sequence[Record]) -> frozenset[str] | None:
    """Return the identifiers of the records that are training crystals of a network.

    A record is one by its identifier, or by its structure if it is the same or nearly the same as a training crystal.
    None if that is unknown: no identifier occurs in a list, and no network lists the structures of its crystals.
    """
    found = list(found)
    known = listed_ids(found).intersection(record.id for record in records)
    others = [record for record in records if record.id not in known]
    compared = False
    for path in dict.fromkeys(each.crystals for each in found if each.crystals and each.ids):
        if crystals := known_crystals.read_cached(path):
            compared = True
            ids = listed_ids(each for each in found if each.crystals == path)
            matched = zip(others, crystals.matches([record.crystal for record in others]), strict=True)
            known |= {record.id for record, matches in matched if any(match.id in ids for match in matches)}
    return known if known or compared else None


@public("zoo.recognize")
def recognize(model: Model, structures: object) -> list[str]:
    """Say which crystals are in the training set of a model or of a network that it started from.

    Parameters
    ----------
    model : Model
    structures : object
        n crystals, as :meth:`zoo.Model.predict` takes them.

    Returns
    -------
    list of n str
        The training crystal that each is, by its structure; empty if there is none.
        docs/explanation/leaks.md says how reliable that is.

    Raises
    ------
    InputError
        If no list of training crystals exists, or a structure cannot be used.

    Examples
    --------
    >>> import zoo
    >>> from pymatgen.core import Lattice, Structure
    >>> salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]])
    >>> zoo.recognize(zoo.load("dEf-113k"), salt)
    ['nearly the same crystal as mp-22862 in the training set of dEf-113k']
    """
    return Recognizer([model.directory]).notes(as_crystals(structures))[0]


class Recognizer:
    """Says which crystals are in the training sets of networks and of their ancestors.

    Parameters
    ----------
    folders : sequence of Path
        Folders of the checkpoints.

    Raises
    ------
    InputError
        If none of the networks has a list by which its crystals can be recognised.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._networks = [[each for each in lineage(pull.pull(folder)) if each.has_structures] for folder in folders]
        paths = dict.fromkeys(each.crystals for networks in self._networks for each in networks if each.crystals)
        self._lists = {path: found for path in paths if (found := known_crystals.read_cached(path))}
        every = [each for networks in self._networks for each in networks]
        self._ids = {path: listed_ids(each for each in every if each.crystals == path) for path in self._lists}
        if not self._lists:
            names = ", ".join(folder.name for folder in folders)
            raise InputError(f"{names}: there is no list of training crystals, so --known has nothing to compare with")

    def notes(self, crystals: Sequence[Crystal]) -> list[list[str]]:
        """Return, for each checkpoint, a note for each crystal: the training crystal that it is, or an empty string."""
        matches = {path: found.matches(crystals) for path, found in self._lists.items()}
        return [
            [
                _recognition([(each, matches[each.crystals][place]) for each in networks if each.crystals])
                for place in range(len(crystals))
            ]
            for networks in self._networks
        ]

    def nearest(self, crystal: Crystal, count: int = 5) -> list[Neighbor]:
        """Return the training crystals of all networks that have the composition of a crystal, the nearest first."""
        found: dict[str, Neighbor] = {}
        for path, known in self._lists.items():
            ids = self._ids[path]
            found |= {each.id: each for each in known.nearest(crystal) if each.id in ids and each.id not in found}
        return sorted(found.values(), key=lambda each: each.distance)[:count]


def _recognition(found: Iterable[tuple[TrainedOn, Sequence[known_crystals.Match]]]) -> str:
    """Return a note on the best match in the training sets of networks, and on the networks that it trained."""
    known = [(match, each.name) for each, matches in found for match in matches if match.id in (each.ids or ())]
    if not known:
        return ""
    best = min((match for match, _ in known), key=lambda match: not match.same)
    names = list(dict.fromkeys(name for match, name in known if match == best))
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    kind = "the same crystal as" if best.same else "nearly the same crystal as"
    return f"{kind} {best.id} in the training set of {', '.join(names[:2])}{more}"


def _count(found: Sequence[TrainedOn], records: Sequence[Record], splits: Sequence[Split]) -> list[int] | None:
    known = seen(found, records)
    return None if known is None else [sum(records[row].id in known for row in split.test) for split in splits]


def _crystals(pulled: pull.Pulled) -> tuple[frozenset[str] | None, Path | None]:
    """Return the identifiers of the training crystals of a checkpoint, and the list of their structures."""
    if pulled.card and (ids := backbones.training_ids(pulled.card)):
        return ids, backbones.crystals_file(pulled.card)
    digest = pulled.digests.get(weights.WEIGHTS_FILE) or pull.sha256(pulled.directory / weights.WEIGHTS_FILE)
    registered = _registered(digest)
    return registered.ids, registered.crystals


def _registered(digest: str) -> TrainedOn:
    """Return the training data of the weights with this digest, from their registered card."""
    for card in backbones.cards():
        if any(file.sha256 == digest for file in card.files):
            targets = tuple((name, None) for name in (card.target, *card.other_targets))
            return TrainedOn(targets, backbones.training_ids(card) or None, backbones.crystals_file(card), card.name)
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
