"""Reading a checkpoint folder: everything in it as arrays, checked, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from zoo.analysis.applicability import Reference
from zoo.data.elements import table_digest
from zoo.data.scaling import TargetScaler
from zoo.errors import CheckpointError, InputError
from zoo.models.architecture import of_target
from zoo.models.checkpoint import tensors as tensorlist
from zoo.models.checkpoint.schema import Config, problem

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
MAX_CONFIG_BYTES = 1_000_000
MAX_PARAMETERS = 50_000_000
"""Numbers in all networks of a checkpoint together, 200 MB; the networks of the shelf have 110,000 to 380,000."""


@dataclass(frozen=True, eq=False)
class MemberWeights:
    """The tensors of a network by their names, without the atom table, and the scaling that its outputs are in.

    Parameters
    ----------
    tensors : dict of name to array
        As :meth:`zoo.models.cgcnn.CGCNN.state_dict` has them.
    scaler, seed, others, calibration
        See :class:`zoo.models.checkpoint.networks.Member`.
    """

    tensors: dict[str, NDArray[np.float32]]
    scaler: TargetScaler
    seed: int = 0
    others: tuple[TargetScaler, ...] = ()
    calibration: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Weights:
    """What a checkpoint folder holds.

    Parameters
    ----------
    config : Config
    atom_table : array of shape (elements, atom_features), uint8
    members : list of MemberWeights
    reference : Reference or None
        Of the first member's vectors.
    """

    config: Config
    atom_table: NDArray[np.uint8]
    members: list[MemberWeights]
    reference: Reference | None = None


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
        raise CheckpointError(f"{path}: {problem(error)}") from error
    count = sum(
        int(np.prod(shape, dtype=object)) * (1 if name.startswith(tensorlist.SHARED) else len(config.members))
        for name, shape in tensorlist.outline(config.architecture.sizes).items()
    )
    if count > MAX_PARAMETERS:
        raise CheckpointError(f"{path}: asks for {count:,} parameters in all; zoo loads {MAX_PARAMETERS:,} at most")
    return config


def read(directory: Path) -> Weights:
    """Read a checkpoint folder.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, a tensor is missing, superfluous, of the wrong shape or type, or not
        finite, or the element table is not the one that the configuration names.
    """
    config = read_config(directory)
    path = directory / WEIGHTS
    rows = config.reference.rows if config.reference else 0
    try:
        # Before a byte of the tensors is read.
        tensorlist.check(path, config.architecture.sizes, len(config.members), rows)
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{directory} holds no {WEIGHTS}; it is no checkpoint of zoo's") from error
    except (SafetensorError, OSError) as error:
        why = "".join(filter(str.isprintable, str(error)[:300]))
        raise CheckpointError(f"{path} is damaged: {why}") from error
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"{path}: tensor {name} holds values that are not finite")
        if name.endswith("running_var") and (tensor < 0).any():
            raise CheckpointError(f"{path}: tensor {name} holds a negative variance")
    table = tensors.pop("atom_table")
    if table_digest(table) != config.element_table:
        raise CheckpointError(f"{path}: the atom table is not the one that {CONFIG} names (SHA-256 differs)")
    shared = {name: tensors.pop(name) for name in list(tensors) if name.startswith(tensorlist.SHARED)}
    members = []
    for index, member in enumerate(config.members):
        prefix = f"members.{index}."
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        scaler, *others = (TargetScaler(**each.model_dump()) for each in (member.scaling, *member.other_scalings))
        members.append(MemberWeights(own | shared, scaler, member.seed, tuple(others), tuple(member.calibration)))
    kept = config.reference
    reference = Reference(tensors[tensorlist.REFERENCE], tuple(kept.distances)) if kept else None
    return Weights(config, table, members, reference)


def focus(weights: Weights, target: str | None = None) -> Weights:
    """Return what predicts one of several targets alone.

    Parameters
    ----------
    weights : Weights
    target : str, optional
        Name of the target, or of its task; the first, if not given.

    Raises
    ------
    InputError
        If there is no such target; names those that there are.
    """
    config = weights.config
    found = [index for index, each in enumerate(config.targets) if target in (None, each.name, each.task)]
    if not found:
        has = ", ".join(each.name for each in config.targets)
        raise InputError(f"{config.name} does not predict {target!r}; it has {has}")
    index = found[0]
    members = [
        MemberWeights(
            of_target(member.tensors, index),
            (member.scaler, *member.others)[index],
            member.seed,
            calibration=() if index else member.calibration,
        )
        for member in weights.members
    ]
    configured = [
        member.model_copy(
            update={
                "scaling": (member.scaling, *member.other_scalings)[index],
                "other_scalings": [],
                "calibration": [] if index else member.calibration,
            }
        )
        for member in config.members
    ]
    alone = config.model_copy(
        update={
            "target": config.targets[index],
            "other_targets": [],
            "architecture": config.architecture.model_copy(update={"targets": 1}),
            "members": configured,
        }
    )
    return replace(weights, config=alone, members=members)
