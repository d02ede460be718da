"""What a file of weights lists, held against what its configuration tells of, before a tensor is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import safe_open

from zoo.data.crystal import MAX_ATOMIC_NUMBER
from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo.models.architecture import Architecture

MAX_HEADER_BYTES = 16_000_000
"""Bytes of the list of tensors at the beginning of the weights."""


SHARED = "experts."
"""Tensors of this prefix stand in the file once, for all members."""

REFERENCE = "reference"
"""The tensor of vectors of training crystals; see :mod:`zoo.analysis.applicability`."""

Shape = tuple[int, ...]


def outline(architecture: Architecture) -> dict[str, Shape]:
    """Return the shapes of a network's tensors by name, without its atom table.

    They are those of :meth:`zoo.models.cgcnn.CGCNN.state_dict`, without torch.
    """
    size = architecture
    everything = size.pooling == "all"
    shapes = dict(_head("", size, size.pooled, normalize=everything))
    shapes |= _body("", size)
    for other in range(size.targets - 1):
        shapes |= _head(f"others.{other}.", size, size.pooled, normalize=everything)
    for expert in range(size.experts):
        shapes |= _body(f"{SHARED}{expert}.", size)
    if size.experts:
        shapes |= _head("reader.", size, size.experts * size.pooled_by("all"), normalize=True)
    return shapes


def is_counter(name: str) -> bool:
    """Say whether a tensor counts something: its numbers are whole."""
    return name.endswith("num_batches_tracked")


def _body(prefix: str, size: Architecture) -> Iterator[tuple[str, Shape]]:
    yield from _linear(f"{prefix}embedding", size.atom_features, size.width)
    for layer in range(size.convolutions):
        place = f"{prefix}convs.{layer}"
        yield from _linear(f"{place}.fc_full", 2 * size.width + size.gaussians, 2 * size.width)
        for norm, width in (("bn1", 2 * size.width), ("bn2", size.width)):
            yield from _statistics(f"{place}.{norm}", width)
            yield f"{place}.{norm}.weight", (width,)
            yield f"{place}.{norm}.bias", (width,)


def _head(prefix: str, size: Architecture, inputs: int, *, normalize: bool) -> Iterator[tuple[str, Shape]]:
    if normalize:
        yield from _statistics(f"{prefix}norm", inputs)
    yield from _linear(f"{prefix}conv_to_fc", inputs, size.head)
    for layer in range(size.head_layers - 1):
        yield from _linear(f"{prefix}fcs.{layer}", size.head, size.head)
    yield from _linear(f"{prefix}fc_out", size.head, 1)


def _linear(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _statistics(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.running_mean", (width,)
    yield f"{name}.running_var", (width,)
    yield f"{name}.num_batches_tracked", ()


def listed_in(path: Path) -> dict[str, tuple[str, Shape]]:
    """Return type and shape of every tensor in a file, from its first bytes alone."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER_BYTES:
        raise CheckpointError(f"{path} is damaged: its list of tensors would have {length:,} bytes")
    with safe_open(path, framework="np") as file:
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
    wanted = outline(architecture)
    expected = {
        name if name.startswith(SHARED) else f"members.{index}.{name}": ("I64" if is_counter(name) else "F32", size)
        for index in range(members)
        for name, size in wanted.items()
    }
    if references:
        expected[REFERENCE] = ("F16", (references, architecture.pooled_by("all")))
    found = {name: each for name, each in listed.items() if name != "atom_table"}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise CheckpointError(f"{path}: tensor {name} is missing")
        if name not in expected:
            raise CheckpointError(f"{path}: unexpected tensor {name[:200]!r} ({len(found)} in all)")
        if found[name] != expected[name]:
            have, want = found[name], expected[name]
            shown = str(have[1]) if len(have[1]) < 9 else f"of {len(have[1]):,} dimensions"
            raise CheckpointError(f"{path}: tensor {name} is {have[0]} {shown}, expected {want[0]} {want[1]}")
