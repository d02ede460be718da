"""Checkpoints: ``model.safetensors`` + ``config.json`` in a folder, and nothing that could run code.

A checkpoint holds one network, or several of one shape: a fine-tuning with K seeds leaves K members, whose
tensors are told apart by the prefix ``members.i.``. Frozen experts are the same in all of them and stand there once.
The configuration holds everything that a prediction depends on besides the weights: architecture, graph settings,
digest of the element table, target, unit, and the scaling constants of each member. Two things may be there that say
how far a prediction is to be trusted: each member's residuals on rows that it was not trained on
(:mod:`zoo.conformal`), and the vectors of training crystals (:mod:`zoo.applicability`), as the tensor ``reference``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize

from zoo import files, tensorlist
from zoo.applicability import Reference
from zoo.crystals import SYMBOLS
from zoo.elements import table_digest
from zoo.errors import CheckpointError, InputError
from zoo.models.cgcnn import CGCNN
from zoo.scaling import TargetScaler
from zoo.schema import (
    ArchitectureConfig,
    Config,
    GraphConfig,
    MemberConfig,
    ReferenceConfig,
    ScalingConfig,
    TargetConfig,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from zoo.contracts import Task
    from zoo.graphs import GraphSettings

__all__ = [
    "CONFIG",
    "WEIGHTS",
    "Checkpoint",
    "Config",
    "Member",
    "TargetConfig",
    "describe",
    "focus",
    "load",
    "read_config",
    "save",
    "to_json",
]

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
MAX_CONFIG_BYTES = 1_000_000
MAX_PARAMETERS = 50_000_000
"""Numbers in all networks of a checkpoint together, 200 MB; a network of the shelf has 110,000."""


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
        :func:`zoo.conformal.sketch` keeps them; none, if there were no such rows.
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
        raise InputError(f"the target {name[:60]!r} cannot be named in a checkpoint: {_problem(error)}") from error


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
        raise CheckpointError(f"{name}: {_problem(error)}") from error
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
    from zoo import __version__

    network = members[0].network
    return Config(
        name=name,
        version=__version__,
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


def _problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part)[:60] for part in first["loc"]) or "the file"
    why = f"{where}: {first['msg'].removeprefix('Value error, ')[:300]}"
    return "".join(filter(str.isprintable, why))


def save(checkpoint: Checkpoint, directory: Path) -> None:
    """Write ``model.safetensors`` and ``config.json`` into an existing folder, each whole or not at all."""
    tensors: dict[str, Tensor] = {"atom_table": checkpoint.members[0].network.atom_table.to(torch.uint8)}
    for index, member in enumerate(checkpoint.members):
        for name, tensor in member.network.state_dict().items():
            if name.startswith(tensorlist.SHARED):  # frozen, so the same in all members
                assert torch.equal(tensor, checkpoint.members[0].network.state_dict()[name])
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


def read_config(directory: Path) -> Config:
    """Read and validate ``config.json`` alone.

    Raises
    ------
    CheckpointError
        If the file is missing, too large, no JSON, breaks the schema (the message names the field), or asks for
        more than `MAX_PARAMETERS`.
    """
    path = directory / CONFIG
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise CheckpointError(
                f"{path} is larger than {MAX_CONFIG_BYTES:,} bytes; that is no configuration of zoo's"
            )
        config = Config.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f"{directory} holds no {CONFIG}; it is no checkpoint of zoo's") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise CheckpointError(f"{path}: {_problem(error)}") from error
    outlined = tensorlist.outline(config.architecture.sizes, 2).items()
    count = sum(
        tensor.numel() * (1 if name.startswith(tensorlist.SHARED) else len(config.members)) for name, tensor in outlined
    )
    if count > MAX_PARAMETERS:
        raise CheckpointError(f"{path}: asks for {count:,} parameters in all; zoo loads {MAX_PARAMETERS:,} at most")
    return config


def load(directory: Path) -> Checkpoint:
    """Load a checkpoint folder.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, a tensor is missing, superfluous, of the wrong shape or type, or not
        finite, or the element table is not the one that the configuration names.
    """
    config = read_config(directory)
    path = directory / WEIGHTS
    architecture = config.architecture.sizes
    rows = config.reference.rows if config.reference else 0
    try:
        tensorlist.check(path, architecture, len(config.members), rows)  # before a byte of the tensors is read
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{directory} holds no {WEIGHTS}; it is no checkpoint of zoo's") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged: {str(error)[:300]}") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: tensor {name} holds values that are not finite")
    table = tensors["atom_table"]
    if table_digest(table.numpy()) != config.element_table:
        raise CheckpointError(f"{path}: the atom table is not the one that {CONFIG} names (SHA-256 differs)")
    members = []
    shared = {name: tensors.pop(name) for name in list(tensors) if name.startswith(tensorlist.SHARED)}
    for index, member in enumerate(config.members):
        prefix = f"members.{index}."
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        own |= shared
        network = CGCNN(architecture, table)
        network.load_state_dict({**own, "atom_table": network.atom_table})
        network.eval()
        scaler, *others = (TargetScaler(**each.model_dump()) for each in (member.scaling, *member.other_scalings))
        members.append(Member(network, scaler, member.seed, tuple(others), tuple(member.calibration)))
    kept = config.reference
    reference = Reference(tensors[tensorlist.REFERENCE].numpy(), tuple(kept.distances)) if kept else None
    return Checkpoint(config, members, reference)


def focus(checkpoint: Checkpoint, target: str) -> Checkpoint:
    """Return a checkpoint that predicts one of several targets alone.

    Parameters
    ----------
    checkpoint : Checkpoint
    target : str
        Name of the target, or of its task.

    Raises
    ------
    InputError
        If the checkpoint has no such target; names those that it has.
    """
    config = checkpoint.config
    found = [index for index, each in enumerate(config.targets) if target in (each.name, each.task)]
    if not found:
        has = ", ".join(each.name for each in config.targets)
        raise InputError(f"{config.name} does not predict {target!r}; it has {has}")
    index = found[0]
    members = [
        Member(
            member.network.single(index),
            (member.scaler, *member.others)[index],
            member.seed,
            calibration=() if index else member.calibration,
        )
        for member in checkpoint.members
    ]
    return describe(
        members,
        name=config.name,
        targets=[config.targets[index]],
        graph=config.graph_settings,
        elements=config.elements,
        provenance=config.provenance,
        reference=checkpoint.reference,
    )


def to_json(value: object) -> str:
    """Write JSON as all files of a run are written: indented, non-ASCII as it is, NaN refused."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
