"""What a fine-tuning starts from: a backbone, and the other backbones that are read beside it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from zoo.data.elements import atom_table, known_elements
from zoo.errors import InputError, ZooError
from zoo.hub import pull
from zoo.models.architecture import Architecture
from zoo.models.checkpoint import networks, weights
from zoo.models.checkpoint.schema import MAX_EXPERTS
from zoo.registry import backbones
from zoo.training import transfer

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from zoo.data.graphs.neighbors import GraphSettings
    from zoo.hub.locations import Status
    from zoo.models.cgcnn import CGCNN

_log = logging.getLogger("zoo")


@dataclass(frozen=True, eq=False)
class Source:
    """A pretrained network that lies on this machine.

    Parameters
    ----------
    pulled : Pulled
        Where it came from.
    network : CGCNN
        With the head of its first target alone.
    graph : GraphSettings
        Of the graphs that it was trained on.
    targets : tuple of str
        What it was trained on.
    digest : str
        SHA-256 of the weights.
    """

    pulled: pull.Pulled
    network: CGCNN
    graph: GraphSettings
    targets: tuple[str, ...]
    digest: str

    @property
    def name(self) -> str:
        """Name of the backbone or of the run."""
        return self.pulled.name

    @property
    def known(self) -> frozenset[int]:
        """Atomic numbers that the network has features for."""
        return known_elements(self.network.atom_table.cpu().numpy())


def load(ref: str | Path) -> Source:
    """Pull a backbone and load it; raises as :func:`zoo.hub.pull.pull` and :func:`networks.load` do."""
    pulled = pull.pull(ref)
    return _load(replace(pulled, name=str(ref)) if ref in backbones.named() else pulled)


def _load(pulled: pull.Pulled) -> Source:
    config = weights.read_config(pulled.directory)
    targets = tuple(each.name for each in config.targets)
    digest = pulled.digests.get(weights.WEIGHTS_FILE) or pull.sha256(pulled.directory / weights.WEIGHTS_FILE)
    return Source(pulled, _network(pulled.directory, digest), config.graph_settings, targets, digest)


def network(directory: Path) -> CGCNN:
    """Return the network of a checkpoint folder, with the head of its first target alone; its first member's."""
    return _network(directory, pull.sha256(directory / weights.WEIGHTS_FILE))


@lru_cache(maxsize=16)
def _network(directory: Path, digest: str) -> CGCNN:  # noqa: ARG001 - other bytes are another network
    return networks.build(weights.select_target(weights.read(directory))).members[0].network


def blank(seed: int) -> CGCNN:
    """Return the network that zoo trains from scratch, with random weights."""
    return transfer.scratch(Architecture(pooling="all"), torch.from_numpy(atom_table().copy()), seed)


def available(settings: GraphSettings) -> list[Source]:
    """Return the backbones whose weights are at hand or on the Hub, and whose graphs are built with these settings.

    One that cannot be loaded is logged and left out: somebody's broken package is no reason to stop.
    """
    return [each for each in _registered(("bundled", "cached", "on the Hub")) if each.graph == settings]


def experts(source: Source) -> list[Source]:
    """Return all backbones that can be read beside a source, itself among them: those at hand with a body like its own.

    None, if the source's body is unlike that of every backbone of the shelf: an imported checkpoint's, for example.
    One that cannot be loaded is logged and left out.

    Raises
    ------
    InputError
        If there are more than a checkpoint can hold.
    """
    found = [each for each in _registered(("bundled", "cached")) if _alike(each, source)]
    if len(found) > MAX_EXPERTS:
        raise InputError(
            f"mode mixture: {len(found)} backbones are at hand, and a network reads {MAX_EXPERTS} at most; "
            "use mode full, or ZOO_PLUGINS=off"
        )
    return found


def _registered(statuses: Container[Status]) -> Iterator[Source]:
    for name, card in backbones.named().items():
        if pull.status(card) in statuses:
            try:
                source = _load(replace(pull.pull(name), name=name))  # with the package, where two share a name
            except ZooError as error:
                _log.warning("left out: %s", error)
            else:
                yield source


def _alike(one: Source, other: Source) -> bool:
    bodies = [
        replace(each.network.architecture, targets=1, pooling="last", experts=0, head=1, head_layers=1)
        for each in (one, other)
    ]
    return (
        bodies[0] == bodies[1]
        and one.graph == other.graph
        and torch.equal(one.network.atom_table, other.network.atom_table)
    )
