"""Pretrained networks as starting points: a backbone, its compatible experts, and the default choice."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from zoo.errors import InputError, ZooError
from zoo.hub import pull
from zoo.models.architecture import MAX_EXPERTS, default_architecture
from zoo.models.checkpoint import networks, weights
from zoo.models.outline import elements_of
from zoo.registry import backbones, plugins
from zoo.training import transfer

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from zoo.data.graphs.neighbors import GraphSettings
    from zoo.hub.locations import Status
    from zoo.models.network import CrystalNetwork

_log = logging.getLogger("zoo")


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A backbone or a run, loaded into memory.

    Parameters
    ----------
    pulled : Pulled
        Name, folder and origin.
    network : CrystalNetwork
        With the head of its first target only.
    graph : GraphSettings
        Settings of its training graphs.
    targets : tuple of str
        Properties on which it was trained.
    digest : str
        SHA-256 of the weights.
    """

    pulled: pull.Pulled
    network: CrystalNetwork
    graph: GraphSettings
    targets: tuple[str, ...]
    digest: str

    @property
    def name(self) -> str:
        """Name of the backbone or of the run."""
        return self.pulled.name

    @property
    def known(self) -> frozenset[int]:
        """Atomic numbers that the network can take."""
        table = self.network.atom_table
        return elements_of(self.network.architecture, None if table is None else table.cpu().numpy())


def load(ref: str | Path) -> Pretrained:
    """Pull a backbone and load it.

    Raises
    ------
    ZooError
        As :func:`zoo.hub.pull.pull` and :func:`zoo.models.checkpoint.networks.load` do.
    """
    pulled = pull.pull(ref)
    return _load(replace(pulled, name=str(ref)) if ref in backbones.named() else pulled)


def _load(pulled: pull.Pulled) -> Pretrained:
    config = weights.read_config(pulled.directory)
    targets = tuple(each.name for each in config.targets)
    digest = pulled.digests.get(weights.WEIGHTS_FILE) or pull.sha256(pulled.directory / weights.WEIGHTS_FILE)
    return Pretrained(pulled, _network(pulled.directory, digest), config.graph_settings, targets, digest)


def load_heads(directory: Path) -> CrystalNetwork:
    """Return the first member of a checkpoint folder, with the heads of all its targets."""
    return networks.build(weights.read(directory)).members[0].network


def load_network(directory: Path) -> CrystalNetwork:
    """Return the first member of a checkpoint folder, with the head of its first target only."""
    return _network(directory, pull.sha256(directory / weights.WEIGHTS_FILE))


@lru_cache(maxsize=16)
def _network(directory: Path, digest: str) -> CrystalNetwork:  # noqa: ARG001 - the digest tells apart what the folder held
    return networks.build(weights.select_target(weights.read(directory))).members[0].network


def new_network(seed: int, outputs: int = 1, targets: int = 1) -> CrystalNetwork:
    """Return zoo's default network with random weights, for training from scratch."""
    size = default_architecture(outputs=outputs, targets=targets)
    return transfer.scratch(size.model_copy(update={"settings": size.transferred.settings}), None, seed)


def available(settings: GraphSettings) -> list[Pretrained]:
    """Return the backbones available locally or on the Hub whose graphs have these settings.

    A backbone that cannot be loaded is logged and left out, so that a broken third-party package does no harm.
    """
    return [each for each in _registered(("bundled", "cached", "on the Hub")) if each.graph == settings]


def experts(backbone: Pretrained) -> list[Pretrained]:
    """Return the available experts for a backbone, itself included.

    They are the backbones with the same body, and those of other networks, that read the same graphs. They are limited
    to those that ship with zoo or with the backbone's own package, so that other installed packages do not change
    results. The list is empty if the shelf has bodies of its network, but none like its own, as may be the case for an
    imported checkpoint. A backbone that cannot be loaded is logged and left out.

    Raises
    ------
    InputError
        If there are more experts than a checkpoint can hold.
    """
    own = backbones.distribution(backbone.pulled.card) if backbone.pulled.card else None
    candidates = list(_registered(("bundled", "cached"), distributions=(plugins.OURS, own)))
    size = backbone.network.architecture
    known = [each.network.architecture for each in candidates if each.network.architecture.network == size.network]
    if known and not any(each.same_body(size) for each in known):
        return []
    found = [each for each in candidates if _may_be_read_beside(each, backbone)]
    if len(found) > MAX_EXPERTS:
        raise InputError(
            f"mode mixture: zoo and {own} have {len(found)} backbones, and a network reads at most {MAX_EXPERTS}; "
            "use mode full"
        )
    return found


def _registered(
    statuses: Container[Status], distributions: Container[str | None] | None = None
) -> Iterator[Pretrained]:
    for name, card in backbones.named(distributions).items():
        if pull.status(card) in statuses:
            try:
                backbone = _load(replace(pull.pull(name), name=name))  # qualified by the package if two share a name
            except ZooError as error:
                _log.warning("left out: %s", error)
            else:
                yield backbone


def _may_be_read_beside(one: Pretrained, other: Pretrained) -> bool:
    """Return whether a network may read the other: same graphs and element features, and same sizes if one network."""
    sizes, others = one.network.architecture, other.network.architecture
    table, another = one.network.atom_table, other.network.atom_table
    return (
        (sizes.network != others.network or sizes.same_body(others))
        and one.graph == other.graph
        and (table is None or another is None or torch.equal(table, another))
    )
