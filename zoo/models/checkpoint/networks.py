"""Checkpoints as torch networks.

A checkpoint is a folder with ``model.safetensors`` and ``config.json``; it contains no executable code. It holds one
network or several of the same architecture. Fine-tuning with K seeds yields K members, whose tensors have the prefixes
``members.0.`` to ``members.(K−1).``. Frozen experts are identical in all members and are stored once.

The configuration holds everything else that predictions depend on: architecture, graph settings, digest of the atom
table, target, unit, and the scaling constants of each member. A checkpoint may also contain data for estimating the
reliability of predictions: each member's residuals on rows excluded from its training (:mod:`zoo.analysis.conformal`),
and the vectors of training crystals (:mod:`zoo.analysis.applicability`), as the tensor ``reference``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from zoo._utils import VERSION, files
from zoo.data.crystal import SYMBOLS
from zoo.data.elements import table_digest
from zoo.errors import CheckpointError, InputError
from zoo.models.checkpoint import weights
from zoo.models.checkpoint.schema import (
    BlendConfig,
    Config,
    DifficultyConfig,
    MemberConfig,
    ReferenceConfig,
    RegressorConfig,
    ScalingConfig,
    TargetConfig,
    Weights,
    problem,
)
from zoo.models.checkpoint.tensors import REFERENCE, ROWS, SHARED, module_name, stored_name
from zoo.models.checkpoint.weights import CONFIG_FILE, WEIGHTS_FILE
from zoo.models.network import CrystalNetwork
from zoo.models.outline import ATOM_TABLE
from zoo.models.regression.training_rows import by_row, refer_to_rows
from zoo.registry.cards import GraphConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from zoo.analysis.applicability import Reference
    from zoo.analysis.difficulty import Difficulty
    from zoo.data.graphs.neighbors import GraphSettings
    from zoo.data.scaling import TargetScaler
    from zoo.models.architecture import Architecture
    from zoo.models.checkpoint.weights import CheckpointArrays
    from zoo.models.regression.blends import Inputs, WeightedRegressor
    from zoo.registry.contracts import Task


@dataclass(frozen=True, eq=False)
class Member:
    """A network and the scaling of its outputs.

    Parameters
    ----------
    network : CrystalNetwork
    scaler : TargetScaler
        Scaling of the first target.
    seed : int
    others : tuple of TargetScaler
        Scalings of any further targets.
    calibration : tuple of float
        Absolute residuals on rows excluded from training, in ascending order, in the transformed space of the target;
        see :func:`zoo.analysis.conformal.sketch`. Empty if there were no such rows.
    weight : float
        Weight of the network in a blend; see :mod:`zoo.models.regression.blends`.
    regressors : tuple of WeightedRegressor
        Regressors in a blend. The weights of the network and all regressors sum to 1.
    difficulty : Difficulty or None
        In a blend, what the residuals of the calibration were divided by; None in those that are combined as in CV+.
    temperature : float
        Divisor of the logits of classes; see :mod:`zoo.analysis.probabilities`.
    """

    network: CrystalNetwork
    scaler: TargetScaler
    seed: int = 0
    others: tuple[TargetScaler, ...] = ()
    calibration: tuple[float, ...] = ()
    weight: float = 1.0
    regressors: tuple[WeightedRegressor, ...] = ()
    difficulty: Difficulty | None = None
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A configuration, its networks, the vectors of training crystals from the first network, and training rows.

    The training rows are features to which the kernel machines of a blend refer.
    """

    config: Config
    members: list[Member]
    reference: Reference | None = None
    rows: Inputs | None = None


def target(name: str, task: Task | None, *, as_number: bool = False) -> TargetConfig:
    """Describe a target by its column name and the task that defines its unit or classes.

    A network may learn the position of a class `as_number`, for example among several properties.

    Raises
    ------
    InputError
        If the name is too long for a checkpoint or contains non-printable characters.
    """
    try:
        if task is None:
            return TargetConfig(name=name, unit="")
        return TargetConfig(name=name, unit=task.unit, task=task.name, classes=() if as_number else task.classes)
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
    blend: BlendConfig | None = None,
    features: Inputs | None = None,
    weights: Weights = "float32",
) -> Checkpoint:
    """Combine networks of the same architecture with a configuration that describes their outputs.

    Parameters
    ----------
    members : sequence of Member
        Networks with the same architecture and atom table.
    name : str
        Name of the checkpoint.
    targets : sequence of TargetConfig
        One per target of the networks.
    graph : GraphSettings
        Settings of the graphs used in training.
    elements : sequence of str
        Elements seen in training.
    provenance : dict, optional
        Origin of the weights, as JSON values.
    reference : Reference, optional
        Reference vectors computed with the first member.
    blend : BlendConfig, optional
        Required for members with regressors.
    features : Inputs, optional
        What the regressors read of all rows of the table, so that those of the rows to which kernel machines refer are
        stored once; otherwise each machine stores its vectors.
    weights : {"float32", "float16"}
        Data type in which the networks are stored; see :func:`round_to_half`.

    Raises
    ------
    CheckpointError
        If a value is out of bounds; the message names it.
    """
    rows = None
    if blend and features:
        referring, kept = refer_to_rows([each.regressors for each in members], features)
        members = [replace(each, regressors=own) for each, own in zip(members, referring, strict=True)]
        blend, rows = blend.model_copy(update={"rows": len(kept)}), features.select(kept)
    try:
        config = _describe(members, name, targets, graph, elements, provenance, reference, blend, weights)
    except ValidationError as error:
        raise CheckpointError(f"{name}: {problem(error)}") from error
    return Checkpoint(config, list(members), reference, rows)


def _describe(
    members: Sequence[Member],
    name: str,
    targets: Sequence[TargetConfig],
    graph: GraphSettings,
    elements: Sequence[str],
    provenance: dict[str, Any] | None,
    reference: Reference | None,
    blend: BlendConfig | None,
    stored: Weights,
) -> Config:
    network = members[0].network
    return Config(
        name=name,
        version=VERSION,
        target=targets[0],
        other_targets=list(targets[1:]),
        architecture=network.architecture.as_installed(),
        weights=stored,
        graph=GraphConfig(cutoff=graph.cutoff, neighbors=graph.neighbors, ties=graph.ties),
        element_table=None if network.atom_table is None else table_digest(network.atom_table.cpu().numpy()),
        elements=sorted(elements, key=SYMBOLS.index),
        members=[
            MemberConfig(
                seed=member.seed,
                scaling=ScalingConfig(**asdict(member.scaler)),
                calibration=list(member.calibration),
                other_scalings=[ScalingConfig(**asdict(scaler)) for scaler in member.others],
                weight=member.weight,
                temperature=member.temperature,
                regressors=tuple(
                    RegressorConfig(
                        name=each.name,
                        **each.regressor.described(),
                        featurizers=list(each.featurizers),
                        experts=list(each.experts),
                        weight=each.weight,
                        scaling=ScalingConfig(**asdict(each.scaler)),
                        by_row=by_row(each.regressor),
                    )
                    for each in member.regressors
                ),
                difficulty=DifficultyConfig(**asdict(member.difficulty)) if member.difficulty else None,
            )
            for member in members
        ],
        reference=ReferenceConfig(rows=len(reference.vectors), distances=list(reference.distances))
        if reference
        else None,
        blend=blend,
        provenance=provenance or {},
    )


def save(checkpoint: Checkpoint, directory: Path) -> None:
    """Write ``model.safetensors`` and ``config.json`` to an existing folder, each file atomically."""
    first = checkpoint.members[0].network
    tensors: dict[str, Tensor] = {}
    if first.atom_table is not None:
        tensors[ATOM_TABLE] = first.atom_table.to(torch.uint8)
    shared, half = stored_state(first), checkpoint.config.weights == "float16"
    for index, member in enumerate(checkpoint.members):
        for position, each in enumerate(member.regressors):
            prefix = weights.regressor_prefix(index, position)
            arrays = each.regressor.tensors(by_row=by_row(each.regressor))
            tensors |= {prefix + name: torch.from_numpy(array) for name, array in arrays.items()}
        if index not in checkpoint.config.stored_networks:
            continue
        for name, tensor in stored_state(member.network).items():
            stored = tensor.half() if half and tensor.is_floating_point() else tensor
            if name.startswith(SHARED):  # frozen, hence identical in all members
                assert torch.equal(tensor, shared[name])
                tensors[name] = stored
            elif name != ATOM_TABLE:
                tensors[f"members.{index}.{name}"] = stored
    if rows := checkpoint.rows:
        featurizers, experts = checkpoint.config.row_features
        arrays = {name: rows.of((each.name,), ()) for name, each in featurizers.items()}
        arrays |= {f"experts.{each}": rows.of((), (each,)).astype(np.float32) for each in experts}
        tensors |= {ROWS + name: torch.from_numpy(array) for name, array in arrays.items()}
    if checkpoint.reference:
        tensors[REFERENCE] = torch.from_numpy(checkpoint.reference.vectors)
    _write_tensors(tensors, directory / WEIGHTS_FILE)
    files.write_text(directory / CONFIG_FILE, checkpoint.config.model_dump_json(indent=1) + "\n")


def load(directory: Path) -> Checkpoint:
    """Load a checkpoint folder; raises the same errors as :func:`zoo.models.checkpoint.weights.read`."""
    return build(weights.read(directory))


def build(arrays: CheckpointArrays) -> Checkpoint:
    """Build the networks of a checkpoint from its arrays."""
    table = None if arrays.atom_table is None else torch.from_numpy(arrays.atom_table)
    members: list[Member] = []
    for index, member in enumerate(arrays.members):
        if index in arrays.config.stored_networks:
            network = CrystalNetwork(arrays.config.architecture, table)
            load_stored(network, {name: torch.from_numpy(tensor) for name, tensor in member.tensors.items()})
        else:
            network = members[0].network
        known = {each.name: getattr(member, each.name) for each in fields(member) if each.name != "tensors"}
        members.append(Member(network.eval(), **known))
    return Checkpoint(arrays.config, members, arrays.reference, arrays.rows)


def stored_state(network: CrystalNetwork) -> dict[str, Tensor]:
    """Return the tensors of a network by their names in a checkpoint."""
    prefix = network.architecture.plugin.tensor_prefix
    return {stored_name(name, prefix): tensor for name, tensor in network.state_dict().items()}


def load_stored(network: CrystalNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Load all tensors of a network from a mapping with checkpoint names; the atom table may be left out.

    Raises
    ------
    RuntimeError
        If names or shapes do not match, as in ``load_state_dict``.
    """
    table = {name: tensor for name, tensor in network.state_dict().items() if name == f"body.{ATOM_TABLE}"}
    given = {module_name(name): tensor for name, tensor in tensors.items() if name != ATOM_TABLE}
    network.load_state_dict(table | given)


@torch.no_grad()
def round_to_half(network: CrystalNetwork) -> None:
    """Round all parameters and statistics of a network in place to what half precision can store.

    Raises
    ------
    CheckpointError
        If one is too large for half precision.
    """
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and name != f"body.{ATOM_TABLE}":
            rounded = tensor.half().to(tensor.dtype)
            if not bool(rounded.isfinite().all()):
                raise CheckpointError(f"{name} is too large for half precision; store the network in float32")
            tensor.copy_(rounded)


def write_network(network: CrystalNetwork, path: Path) -> None:
    """Write the tensors of one network as safetensors, so that a job can be resumed; see :func:`load_network`."""
    table = {} if network.atom_table is None else {ATOM_TABLE: network.atom_table}
    _write_tensors(stored_state(network) | table, path)


def load_network(path: Path, architecture: Architecture) -> CrystalNetwork:
    """Load a network written by :func:`write_network`.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or holds a network with a different architecture.
    """
    try:
        tensors = load_file(path)
        network = CrystalNetwork(architecture, tensors.get(ATOM_TABLE))
        load_stored(network, tensors)
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        why = "".join(filter(str.isprintable, str(error)[:300]))
        raise CheckpointError(f"{path} cannot be loaded: {why}") from error
    return network.eval()


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    contiguous = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    files.write_bytes(path, to_bytes(contiguous, metadata={"format": "pt"}))


def to_json(value: object, default: Callable[[Any], Any] | None = None) -> str:
    """Format a value as JSON for the files of a run: indented, with unescaped Unicode; NaN raises an error.

    `default` returns JSON values for what has none.
    """
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=default) + "\n"
