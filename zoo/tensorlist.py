"""What a file of weights lists, held against what its configuration tells of, before a tensor is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open

from zoo.crystals import MAX_ATOMIC_NUMBER
from zoo.errors import CheckpointError
from zoo.models.cgcnn import CGCNN, Architecture

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

MAX_HEADER_BYTES = 16_000_000
"""Bytes of the list of tensors at the beginning of the weights."""


SHARED = "experts."
"""Tensors of this prefix stand in the file once, for all members."""

REFERENCE = "reference"
"""The tensor of vectors of training crystals; see :mod:`zoo.applicability`."""


def outline(architecture: Architecture, rows: int) -> dict[str, Tensor]:
    """Return the tensors of a network, their shapes and types without their memory."""
    with torch.device("meta"):
        network = CGCNN(architecture, torch.empty(rows, architecture.atom_features))
        return {name: tensor for name, tensor in network.state_dict().items() if name != "atom_table"}


def listed_in(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of every tensor in a file, from its first bytes alone."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER_BYTES:
        raise CheckpointError(f"{path} is damaged: its list of tensors would have {length:,} bytes")
    with safe_open(path, framework="pt") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        return {name: (str(each.get_dtype()), tuple(each.get_shape())) for name, each in slices.items()}


def check(path: Path, architecture: Architecture, members: int, references: int = 0) -> None:
    """Raise an error unless a file lists exactly the tensors of so many networks and references, and an atom table.

    Raises
    ------
    CheckpointError
        Names the first tensor that is missing, superfluous, or of the wrong shape or type.
    SafetensorError, OSError
        If the file cannot be read.
    """
    listed = listed_in(path)
    kind, shape = listed.get("atom_table", ("", ()))
    rows = shape[0] if len(shape) == 2 else 0
    if (kind, shape) != ("U8", (rows, architecture.atom_features)) or not 2 <= rows <= MAX_ATOMIC_NUMBER + 1:
        raise CheckpointError(f"{path}: the atom table is missing or has the wrong shape or type")
    wanted = outline(architecture, rows)
    expected = {
        name if name.startswith(SHARED) else f"members.{index}.{name}": (
            "F32" if tensor.is_floating_point() else "I64",
            tuple(tensor.shape),
        )
        for index in range(members)
        for name, tensor in wanted.items()
    }
    if references:
        expected[REFERENCE] = ("F16", (references, replace(architecture, pooling="all").pooled))
    found = {name: each for name, each in listed.items() if name != "atom_table"}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise CheckpointError(f"{path}: tensor {name} is missing")
        if name not in expected:
            raise CheckpointError(f"{path}: unexpected tensor {name[:200]!r} ({len(found)} in all)")
        if found[name] != expected[name]:
            have, want = found[name], expected[name]
            raise CheckpointError(f"{path}: tensor {name} is {have[0]} {have[1]}, expected {want[0]} {want[1]}")
