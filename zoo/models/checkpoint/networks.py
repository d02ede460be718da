"""Checkpoints: ``model.safetensors`` + ``config.json`` in a folder, and nothing that could run code.

A checkpoint holds one network, or several of one shape: a fine-tuning with K seeds leaves K members, whose
tensors are told apart by the prefix ``members.i.``. Frozen experts are the same in all of them and stand there once.
The configuration holds everything that a prediction depends on besides the weights: architecture, graph settings,
digest of the element table, target, unit, and the scaling constants of each member. Two things may be there that say
how far a prediction is to be trusted: each member's residuals on rows that it was not trained on
(:mod:`zoo.analysis.conformal`), and the vectors of training crystals (:mod:`zoo.analysis.applicability`), as the
tensor ``reference``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from safetensors.torch import save as serialize

from zoo._utils import files
from zoo._utils.version import VERSION
from zoo.data.crystal import SYMBOLS
from zoo.data.elements import table_digest
from zoo.errors import CheckpointError, InputError
from zoo.models.cgcnn import CGCNN
from zoo.models.checkpoint import tensors as tensorlist
from zoo.models.checkpoint import weights
from zoo.models.checkpoint.schema import (
    ArchitectureConfig,
    Config,
    GraphConfig,
    MemberConfig,
    ReferenceConfig,
    ScalingConfig,
    TargetConfig,
    problem,
)
from zoo.models.checkpoint.weights import CONFIG, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from zoo.analysis.applicability import Reference
    from zoo.data.graphs.neighbors import GraphSettings
    from zoo.data.scaling import TargetScaler
    from zoo.models.checkpoint.weights import Weights
    from zoo.registry.contracts import Task


@dataclass(frozen=True, eq=False)
class Member:
    """A network with the scaling that its outputs are in.

    Parameters
    ----------
    network : CGCNN
    scaler : TargetScaler
        Of the first target.
    seed : int
    others : tuple of TargetScaler
        Of the other targets, if the network has several.
    calibration : tuple of float
        Absolute residuals on rows that it was not trained on, ascending, in the transformed space of its target, as
        :func:`zoo.analysis.conformal.sketch` keeps them; none, if there were no such rows.
    """

    network: CGCNN
    scaler: TargetScaler
    seed: int = 0
    others: tuple[TargetScaler, ...] = ()
    calibration: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A configuration, the networks that belong to it, and where the first of them puts its training crystals."""

    config: Config
    members: list[Member]
    reference: Reference | None = None


def target(name: str, task: Task | None) -> TargetConfig:
    """Describe what the numbers of a network are: the column of a table, and the task that gives its unit.

    Raises
    ------
    InputError
        If the name cannot stand in a checkpoint: it is too long, or a part of it cannot be printed.
    """
    try:
        return TargetConfig(name=name, unit=task.unit if task else "", task=task.name if task else None)
    except ValidationError as error:
        raise InputError(f"the target {name[:60]!r} cannot be named in a checkpoint: {problem(error)}") from error


def describe(
    members: Sequence[Member],
    *,
    name: str,
    targets: Sequence[TargetConfig],
    graph: GraphSettings,
    elements: Sequence[str],
    provenance: dict[str, Any] | None = None,
    reference: Reference | None = None,
) -> Checkpoint:
    """Put networks of one shape together with what their numbers mean.

    Parameters
    ----------
    members : sequence of Member
        Networks of one architecture and one atom table.
    name : str
        Name of the checkpoint.
    targets : sequence of TargetConfig
        One per target of the networks.
    graph : GraphSettings
        Settings of the graphs that the networks were trained on.
    elements : sequence of str
        Elements seen in training.
    provenance : dict, optional
        JSON-able record of where the weights come from.
    reference : Reference, optional
        Of the first member's vectors.

    Raises
    ------
    CheckpointError
        If a value is beyond what a checkpoint may hold; names it.
    """
    try:
        config = _describe(members, name, targets, graph, elements, provenance, reference)
    except ValidationError as error:
        raise CheckpointError(f"{name}: {problem(error)}") from error
    return Checkpoint(config, list(members), reference)


def _describe(
    members: Sequence[Member],
    name: str,
    targets: Sequence[TargetConfig],
    graph: GraphSettings,
    elements: Sequence[str],
    provenance: dict[str, Any] | None,
    reference: Reference | None,
) -> Config:

    network = members[0].network
    return Config(
        name=name,
        version=VERSION,
        target=targets[0],
        other_targets=list(targets[1:]),
        architecture=ArchitectureConfig(**network.architecture.to_dict()),
        graph=GraphConfig(cutoff=graph.cutoff, neighbors=graph.neighbors, ties=graph.ties),
        element_table=table_digest(network.atom_table.cpu().numpy()),
        elements=sorted(elements, key=SYMBOLS.index),
        members=[
            MemberConfig(
                seed=member.seed,
                scaling=ScalingConfig(**asdict(member.scaler)),
                calibration=list(member.calibration),
                other_scalings=[ScalingConfig(**asdict(scaler)) for scaler in member.others],
            )
            for member in members
        ],
        reference=ReferenceConfig(rows=len(reference.vectors), distances=list(reference.distances))
        if reference
        else None,
        provenance=provenance or {},
    )


def save(checkpoint: Checkpoint, directory: Path) -> None:
    """Write ``model.safetensors`` and ``config.json`` into an existing folder, each whole or not at all."""
    first = checkpoint.members[0].network
    tensors: dict[str, Tensor] = {"atom_table": first.atom_table.to(torch.uint8)}
    shared = first.state_dict()
    for index, member in enumerate(checkpoint.members):
        for name, tensor in member.network.state_dict().items():
            if name.startswith(tensorlist.SHARED):  # frozen, so the same in all members
                assert torch.equal(tensor, shared[name])
                tensors[name] = tensor.cpu().contiguous()
            elif name != "atom_table":
                tensors[f"members.{index}.{name}"] = tensor.cpu().contiguous()
    if checkpoint.reference:
        tensors[tensorlist.REFERENCE] = torch.from_numpy(checkpoint.reference.vectors)
    for name, data in (
        (WEIGHTS, serialize(tensors, metadata={"format": "pt"})),
        (CONFIG, (checkpoint.config.model_dump_json(indent=1) + "\n").encode()),
    ):
        files.write_bytes(directory / name, data)


def load(directory: Path) -> Checkpoint:
    """Load a checkpoint folder; raises as :func:`zoo.models.checkpoint.weights.read` does."""
    return build(weights.read(directory))


def build(read: Weights) -> Checkpoint:
    """Make networks of the tensors that were read from a folder."""
    table = torch.from_numpy(read.atom_table)
    members = []
    for member in read.members:
        network = CGCNN(read.config.architecture.sizes, table)
        tensors = {name: torch.from_numpy(tensor) for name, tensor in member.tensors.items()}
        network.load_state_dict({**tensors, "atom_table": network.atom_table})
        members.append(Member(network.eval(), member.scaler, member.seed, member.others, member.calibration))
    return Checkpoint(read.config, members, read.reference)


def to_json(value: object) -> str:
    """Write JSON as all files of a run are written: indented, non-ASCII as it is, NaN refused."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
