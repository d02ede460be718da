"""Contents of ``model.safetensors``, validated before any tensor is read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from safetensors import safe_open

from zoo.data.crystal import MAX_ATOMIC_NUMBER
from zoo.errors import CheckpointError
from zoo.models.outline import ATOM_TABLE, Shape, expert_sizes, is_counter, outline
from zoo.models.regression.regressors import array_types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo.models.architecture import Architecture

MAX_HEADER_BYTES = 16_000_000
"""Maximum size of the header of a weights file, which lists the tensors."""

SHARED = "experts."
"""Prefix of the frozen tensors, which are shared by all members and stored once."""

MAX_REGRESSOR_BYTES = 2_000_000_000
"""Maximum total size of the arrays of all regressors in a checkpoint."""

ROWS = "rows."
"""Prefix of the features of training rows; see :mod:`zoo.models.regression.training_rows`."""

REFERENCE = "reference"
"""The vectors of training crystals; see :mod:`zoo.analysis.applicability`."""


class StoredRegressor(NamedTuple):
    """A regressor whose arrays are stored.

    Parameters
    ----------
    kind : str
    columns : int
        Number of its features if it refers to training rows, otherwise 0.
    """

    kind: str
    columns: int = 0


def tensor_shapes(architecture: Architecture) -> dict[str, Shape]:
    """Return the shapes of a network's tensors by name, without its atom table.

    Tensors that exist in the original authors' program have the same names as there. :func:`module_name` maps the names
    to those of :class:`zoo.models.network.CrystalNetwork`.
    """
    size = architecture
    normalize = size.plugin.normalized(size.settings)
    body, experts = outline(size.body), [outline(each) for each in size.expert_bodies]
    shapes = dict(_head("", size, body.vector_size, normalize=normalize))
    shapes |= {size.plugin.tensor_prefix + name: shape for name, shape in body.shapes.items()}
    for other in range(size.targets - 1):
        shapes |= _head(f"others.{other}.", size, body.vector_size, normalize=normalize)
    for place, expert in enumerate(experts):
        shapes |= {f"{SHARED}{place}.{name}": shape for name, shape in expert.shapes.items()}
    if experts:
        shapes |= _head("reader.", size, sum(expert_sizes(size)), normalize=True)
    return shapes


def module_name(stored: str) -> str:
    """Convert the name of a tensor in a checkpoint to that in the state of a `CrystalNetwork`."""
    first, _, rest = stored.partition(".")
    if first in ("norm", "conv_to_fc", "fcs", "fc_out"):
        return f"heads.0.{stored}"
    if first == "others":
        target, _, leaf = rest.partition(".")
        return f"heads.{int(target) + 1}.{leaf}"
    return stored if first in ("body", "experts", "reader") else f"body.{stored}"


def stored_name(module: str, prefix: str) -> str:
    """Convert the name of a tensor in a network's state to that in a checkpoint; inverse of :func:`module_name`.

    Parameters
    ----------
    module : str
    prefix : str
        The prefix of the body's tensors; see :class:`zoo.registry.networks.Network`.
    """
    first, _, rest = module.partition(".")
    if first == "body":
        return rest if rest == ATOM_TABLE else prefix + rest
    target, _, leaf = rest.partition(".")
    if first == "heads":
        return leaf if target == "0" else f"others.{int(target) - 1}.{leaf}"
    return module


def _head(prefix: str, size: Architecture, inputs: int, *, normalize: bool) -> Iterator[tuple[str, Shape]]:
    if normalize:
        yield f"{prefix}norm.running_mean", (inputs,)
        yield f"{prefix}norm.running_var", (inputs,)
        yield f"{prefix}norm.num_batches_tracked", ()
    yield from _linear(f"{prefix}conv_to_fc", inputs, size.head)
    for layer in range(size.head_layers - 1):
        yield from _linear(f"{prefix}fcs.{layer}", size.head, size.head)
    yield from _linear(f"{prefix}fc_out", size.head, size.outputs)


def _linear(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def atom_features(architecture: Architecture) -> int:
    """Return the number of columns of the atom table of a network's checkpoint; 0 if it has none.

    Raises
    ------
    CheckpointError
        If two bodies would read different tables.
    """
    columns = {outline(each).atom_features for each in (architecture.body, *architecture.expert_bodies)} - {0}
    if len(columns) > 1:
        raise CheckpointError("the experts read other features of the elements than the network")
    return columns.pop() if columns else 0


def count_parameters(architecture: Architecture, members: int) -> int:
    """Return the total number of parameters of a checkpoint's networks, excluding the atom table."""
    return sum(
        math.prod(shape) * (1 if name.startswith(SHARED) else members)
        for name, shape in tensor_shapes(architecture).items()
    )


def read_tensors(
    path: Path,
    architecture: Architecture,
    members: Sequence[int],
    references: int = 0,
    regressors: Mapping[str, StoredRegressor] | None = None,
    floats: str = "F32",
    rows: Mapping[str, tuple[str, Shape]] | None = None,
) -> dict[str, NDArray[Any]]:
    """Read a weights file that lists exactly the tensors of a checkpoint.

    The list, of at most `MAX_HEADER_BYTES`, is validated before any tensor is read.

    Parameters
    ----------
    path : Path
    architecture : Architecture
    members : sequence of int
        Indices of the members whose networks are stored.
    references : int
        Number of reference vectors; see :mod:`zoo.analysis.applicability`.
    regressors : mapping of prefix to StoredRegressor, optional
        Regressors whose arrays are stored; see :mod:`zoo.models.regression.regressors`. Their sizes are limited only
        by a total of `MAX_REGRESSOR_BYTES`.
    floats : {"F32", "F16"}
        Type of the networks' parameters and statistics.
    rows : mapping of name to type and shape, optional
        Features of training rows.

    Raises
    ------
    CheckpointError
        If a tensor is missing, unexpected, or of the wrong shape or type; the message names the first.
    SafetensorError, OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER_BYTES:
        raise CheckpointError(f"{path} is damaged: its list of tensors would have {length:,} bytes")
    with safe_open(path, framework="np") as weights:
        listed = {}
        for name in weights.offset_keys():
            entry = weights.get_slice(name)
            listed[name] = (str(entry.get_dtype()), tuple(entry.get_shape()))
        shapes = {name: shape for name, (_, shape) in listed.items()}
        free = _regressor_arrays(path, shapes, regressors or {}, rows or {})
        _check_list(path, listed, architecture, members, references, free, floats)
        return {name: weights.get_tensor(name) for name in listed}


def _check_list(
    path: Path,
    listed: dict[str, tuple[str, Shape]],
    architecture: Architecture,
    members: Sequence[int],
    references: int,
    free: dict[str, tuple[str, Shape]],
    floats: str,
) -> None:
    columns = atom_features(architecture)
    kind, shape = listed.get(ATOM_TABLE, ("", ()))
    rows = shape[0] if len(shape) == 2 else 0
    if columns and ((kind, shape) != ("U8", (rows, columns)) or not 2 <= rows <= MAX_ATOMIC_NUMBER + 1):
        raise CheckpointError(f"{path}: the atom table is missing or has the wrong shape or type")
    shapes = tensor_shapes(architecture)
    expected = {
        name if name.startswith(SHARED) else f"members.{index}.{name}": ("I64" if is_counter(name) else floats, size)
        for index in members
        for name, size in shapes.items()
    }
    expected |= free
    if references:
        expected[REFERENCE] = ("F16", (references, outline(architecture.transferred).vector_size))
    found = {name: entry for name, entry in listed.items() if not (columns and name == ATOM_TABLE)}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise CheckpointError(f"{path}: tensor {name} is missing")
        if name not in expected:
            raise CheckpointError(f"{path}: unexpected tensor {name[:200]!r} ({len(found)} in all)")
        if found[name] != expected[name]:
            have, want = found[name], expected[name]
            shown = str(have[1]) if len(have[1]) < 9 else f"of {len(have[1]):,} dimensions"
            raise CheckpointError(f"{path}: tensor {name} is {have[0]} {shown}, expected {want[0]} {want[1]}")


def _regressor_arrays(
    path: Path,
    shapes: dict[str, Shape],
    regressors: Mapping[str, StoredRegressor],
    rows: Mapping[str, tuple[str, Shape]],
) -> dict[str, tuple[str, Shape]]:
    """Return the expected types and shapes of the regressors' arrays, given the shapes listed in the file."""
    expected = dict(rows)
    total = sum(math.prod(shape) * int(dtype[1:]) // 8 for dtype, shape in rows.values())
    for prefix, each in regressors.items():
        for name, (dtype, dimensions) in array_types(each.kind, by_row=bool(each.columns)).items():
            shape = shapes.get(prefix + name, ())
            kept = shape if len(shape) == dimensions else (0,) * dimensions
            expected[prefix + name] = (dtype, kept)
            total += math.prod(kept) * int(dtype[1:]) // 8
            if name == "model.rows":  # each row becomes a vector in single precision
                total += math.prod(kept) * each.columns * 4
    if total > MAX_REGRESSOR_BYTES:
        raise CheckpointError(f"{path}: the regressors take {total:,} bytes; zoo loads {MAX_REGRESSOR_BYTES:,} at most")
    return expected
