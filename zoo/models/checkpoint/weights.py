"""Validated reading of checkpoint folders as NumPy arrays, without torch."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError

from zoo._utils import bounded
from zoo.analysis.applicability import Reference
from zoo.analysis.difficulty import Difficulty
from zoo.data.elements import table_digest
from zoo.data.scaling import TargetScaler
from zoo.errors import CheckpointError, InputError, PluginError
from zoo.models.architecture import distribution_of, of_target
from zoo.models.checkpoint.schema import Config, problem
from zoo.models.checkpoint.tensors import REFERENCE, ROWS, SHARED, StoredRegressor, count_parameters, read_tensors
from zoo.models.outline import ATOM_TABLE, expert_sizes
from zoo.models.regression.blends import Inputs, WeightedRegressor
from zoo.models.regression.classifiers import from_tensors, kinds_of
from zoo.models.regression.regressors import KernelMachine
from zoo.models.regression.training_rows import from_rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_log = logging.getLogger("zoo")

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
MAX_CONFIG_BYTES = 1_000_000
MAX_PARAMETERS = 50_000_000
"""Maximum total number of parameters in a checkpoint (200 MB); the networks of zoo have 110,000 to 380,000 each."""


@dataclass(frozen=True, eq=False)
class MemberArrays:
    """The tensors of one network, without the atom table, and the scaling of its outputs.

    Parameters
    ----------
    tensors : dict of name to array
        Tensors by their names in a checkpoint; see :mod:`zoo.models.checkpoint.tensors`.
    scaler, seed, others, calibration, weight, regressors, difficulty, temperature
        See :class:`zoo.models.checkpoint.networks.Member`.
    """

    tensors: dict[str, NDArray[np.float32]]
    scaler: TargetScaler
    seed: int = 0
    others: tuple[TargetScaler, ...] = ()
    calibration: tuple[float, ...] = ()
    weight: float = 1.0
    regressors: tuple[WeightedRegressor, ...] = ()
    difficulty: Difficulty | None = None
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class CheckpointArrays:
    """The contents of a checkpoint folder.

    Parameters
    ----------
    config : Config
    atom_table : array of shape (elements, atom_features), uint8, or None
        Features of the elements, if the network reads any.
    members : list of MemberArrays
    reference : Reference or None
        Reference vectors computed with the first member.
    rows : Inputs or None
        Features of the training rows to which kernel machines refer.
    """

    config: Config
    atom_table: NDArray[np.uint8] | None
    members: list[MemberArrays]
    reference: Reference | None = None
    rows: Inputs | None = None


def read_config(directory: Path) -> Config:
    """Read and validate only ``config.json``.

    Raises
    ------
    CheckpointError
        If the file is missing, too large or not JSON, violates the schema (the message names the field), or requires
        more than `MAX_PARAMETERS` parameters.
    """
    path = directory / CONFIG_FILE
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise CheckpointError(
                f"{path} is larger than {MAX_CONFIG_BYTES:,} bytes; that is not a configuration of zoo's"
            )
        data = path.read_bytes()
        config = Config.model_validate_json(data)  # first, because it names the field
        given = bounded.parse_json(data, MAX_CONFIG_BYTES)["architecture"]
    except FileNotFoundError as error:
        raise CheckpointError(f"{directory} holds no {CONFIG_FILE}; it is not a checkpoint of zoo's") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except bounded.MalformedError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except ValidationError as error:
        raise CheckpointError(f"{path}: {problem(error)}") from error
    # A default may change with the version of a network; in a checkpoint, it would mean other numbers.
    settings = config.architecture.settings
    for name, field in type(settings).model_fields.items():
        extra = field.json_schema_extra
        if name not in given and not (isinstance(extra, dict) and extra.get("sparse")):
            raise CheckpointError(f"{path}: architecture.{name}: is missing")
    try:
        count = count_parameters(config.architecture, len(config.stored_networks))
    except PluginError as error:
        raise CheckpointError(f"{path}: {error}") from error
    if count > MAX_PARAMETERS:
        raise CheckpointError(f"{path}: asks for {count:,} parameters in all; zoo loads {MAX_PARAMETERS:,} at most")
    for body in (config.architecture, *config.architecture.expert_bodies):
        if body.package and body.package not in (here := body.installed, distribution_of(here)):
            _warn_of_other_code(directory, body.network, body.package, here)
    return config


@cache
def _warn_of_other_code(directory: Path, network: str, recorded: str, here: str) -> None:
    """Warn, once, that a network's code may have changed since a checkpoint was made."""
    _log.warning(
        "%s was made with the network %s of %s; that of %s may give other numbers",
        *(directory, network, recorded, here or "zoo"),
    )


def read(directory: Path) -> CheckpointArrays:
    """Read a checkpoint folder.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged; if a tensor is missing, unexpected, not finite, or of the wrong shape or type;
        or if the digest of the atom table differs from that in the configuration.
    """
    config = read_config(directory)
    path = directory / WEIGHTS_FILE
    rows = config.reference.rows if config.reference else 0
    try:
        floats = "F16" if config.weights == "float16" else "F32"
        tensors = read_tensors(
            path, config.architecture, config.stored_networks, rows, _stored(config), floats, _row_arrays(config)
        )
    except FileNotFoundError as error:
        raise CheckpointError(f"{directory} holds no {WEIGHTS_FILE}; it is not a checkpoint of zoo's") from error
    except (SafetensorError, OSError) as error:
        why = "".join(filter(str.isprintable, str(error)[:300]))
        raise CheckpointError(f"{path} is damaged: {why}") from error
    for name, tensor in tensors.items():
        # The arrays of a regressor are checked when it is built, because its clip may be infinite.
        # NaN marks an undefined feature.
        finite = ~np.isinf(tensor) if name.startswith(ROWS) else np.isfinite(tensor)
        if ".regressors." not in name and not finite.all():
            raise CheckpointError(f"{path}: tensor {name} holds values that are not finite")
        if name.endswith("running_var") and (tensor < 0).any():
            raise CheckpointError(f"{path}: tensor {name} holds a negative variance")
    if config.weights == "float16":
        for name, tensor in tensors.items():
            if tensor.dtype == np.float16 and name != REFERENCE:
                tensors[name] = tensor.astype(np.float32)
    table = tensors.pop(ATOM_TABLE, None)
    if (None if table is None else table_digest(table)) != config.element_table:
        raise CheckpointError(f"{path}: the atom table is not the one that {CONFIG_FILE} names (SHA-256 differs)")
    shared = {name: tensors.pop(name) for name in list(tensors) if name.startswith(SHARED)}
    features = _row_inputs(config, tensors)
    members: list[MemberArrays] = []
    for index, member in enumerate(config.members):
        prefix = f"members.{index}."
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        regressors = _regressors(path, config, index, own, features)
        own = own if index in config.stored_networks else members[0].tensors
        scaler, *others = (TargetScaler(**each.model_dump()) for each in (member.scaling, *member.other_scalings))
        members.append(
            MemberArrays(
                own | shared,
                scaler,
                member.seed,
                tuple(others),
                tuple(member.calibration),
                member.weight,
                regressors,
                Difficulty(**member.difficulty.model_dump()) if member.difficulty else None,
                member.temperature,
            )
        )
    kept = config.reference
    reference = Reference(tensors[REFERENCE], tuple(kept.distances)) if kept else None
    return CheckpointArrays(config, table, members, reference, features)


def _stored(config: Config) -> dict[str, StoredRegressor]:
    """Return each regressor by the prefix of its arrays."""
    return {
        regressor_prefix(index, position) + inner: StoredRegressor(
            kind, config.columns(regressor) if regressor.by_row and kind == KernelMachine.kind else 0
        )
        for index, member in enumerate(config.members)
        for position, regressor in enumerate(member.regressors)
        for inner, kind in kinds_of(regressor.kind, regressor.parts).items()
    }


def _row_arrays(config: Config) -> dict[str, tuple[str, tuple[int, int]]]:
    """Return the types and shapes of the features of training rows."""
    featurizers, experts = config.row_features
    rows, sizes = config.blend.rows if config.blend else 0, expert_sizes(config.architecture)
    return {ROWS + name: ("F64", (rows, each.columns)) for name, each in featurizers.items()} | {
        f"{ROWS}experts.{each}": ("F32", (rows, sizes[each])) for each in experts
    }


def _row_inputs(config: Config, tensors: dict[str, NDArray[Any]]) -> Inputs | None:
    """Return the features of training rows; None if there are none."""
    featurizers, experts = config.row_features
    if not featurizers and not experts:
        return None
    stored = {each: tensors[f"{ROWS}experts.{each}"] for each in experts}
    sizes = [stored[each].shape[1] if each in stored else 0 for each in range(max(experts, default=-1) + 1)]
    vectors = np.concatenate(list(stored.values()), axis=1) if stored else None
    return Inputs({each.name: tensors[ROWS + name] for name, each in featurizers.items()}, vectors, sizes)


def regressor_prefix(member: int, position: int) -> str:
    """Return the prefix of a regressor's array names."""
    return f"members.{member}.regressors.{position}."


def _regressors(
    path: Path, config: Config, member: int, own: dict[str, NDArray[np.float32]], rows: Inputs | None
) -> tuple[WeightedRegressor, ...]:
    """Build the regressors of a member and remove their arrays from its tensors."""
    found = []
    for position, each in enumerate(config.members[member].regressors):
        prefix = f"regressors.{position}."
        arrays = {name.removeprefix(prefix): own.pop(name) for name in list(own) if name.startswith(prefix)}
        try:
            if each.by_row and rows:
                features = rows.of(tuple(each.featurizers), tuple(each.experts))
                regressor = from_rows(arrays, each.kind, each.parts, each.link, features)
            else:
                regressor = from_tensors(arrays, each.kind, each.parts, each.link)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {regressor_prefix(member, position)}* {error}") from error
        if regressor.columns != config.columns(each):
            raise CheckpointError(
                f"{path}: {regressor_prefix(member, position)}* reads {regressor.columns} columns, and its features "
                f"have {config.columns(each)}"
            )
        scaler = TargetScaler(**each.scaling.model_dump())
        names, experts = tuple(each.featurizers), tuple(each.experts)
        found.append(WeightedRegressor(each.name, regressor, scaler, each.weight, names, experts))
    return tuple(found)


def select_target(checkpoint: CheckpointArrays, target: str | None = None) -> CheckpointArrays:
    """Return a checkpoint reduced to one of its targets.

    Parameters
    ----------
    checkpoint : CheckpointArrays
    target : str, optional
        Name of the target or of its task; by default the first.

    Raises
    ------
    InputError
        If there is no such target; the message lists the available ones.
    """
    config = checkpoint.config
    found = [index for index, each in enumerate(config.targets) if target in (None, each.name, each.task)]
    if not found:
        has = ", ".join(each.name for each in config.targets)
        raise InputError(f"{config.name} does not predict {target!r}; it has {has}")
    index = found[0]
    members = [
        replace(
            member,
            tensors=of_target(member.tensors, index),
            scaler=(member.scaler, *member.others)[index],
            others=(),
            calibration=() if index else member.calibration,
        )
        for member in checkpoint.members
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
            "architecture": config.architecture.changed(targets=1),
            "members": configured,
        }
    )
    return replace(checkpoint, config=alone, members=members)
