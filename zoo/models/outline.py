"""What is known of a network before any memory is allocated: its tensors, the length of its vectors, its elements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zoo.data.crystal import MAX_ATOMIC_NUMBER
from zoo.data.elements import known_elements
from zoo.errors import PluginError
from zoo.registry.plugin_files import one_line_with_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from zoo.models.architecture import Architecture, BodyArchitecture
    from zoo.registry.networks import Network

ATOM_TABLE = "atom_table"
"""Name of the buffer with the features of the elements, in a body and in a checkpoint."""

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Outline:
    """What is known of a body from its settings alone.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shapes of the parameters and buffers, without the atom table. Those whose name is that of a counter
        (:func:`is_counter`) are whole numbers, all others have single precision.
    vector_size : int
        Length of a crystal's vector.
    atom_features : int
        Columns of the atom table; 0 for a body without one.
    """

    shapes: Mapping[str, Shape]
    vector_size: int
    atom_features: int = 0


def is_counter(name: str) -> bool:
    """Return whether a tensor is a whole number that counts batches."""
    return name.endswith("num_batches_tracked")


@lru_cache(maxsize=64)
def outline(architecture: BodyArchitecture) -> Outline:
    """Return the outline of a body; see :func:`outline_of`."""
    return outline_of(architecture.plugin, architecture.settings)


def outline_of(network: Network, settings: Any) -> Outline:
    """Return the outline of a network's body with given settings.

    Torch is not needed for a network with a fast path. Of others, the module is built on torch's device ``meta``,
    which allocates nothing.

    Raises
    ------
    PluginError
        If the network cannot be built.
    """
    if network.fast is not None:
        features = getattr(settings, "atom_features", 0)
        return Outline(network.fast.shapes(settings), network.fast.vector_size(settings), features)
    import torch

    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            body: Any = network.build(settings)
        state = body.state_dict()
        table = state.pop(ATOM_TABLE, None)
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        return Outline(shapes, int(body.vector_size), 0 if table is None else table.shape[1])
    except Exception as error:  # a plugin may raise anything
        raise PluginError(
            f"network {network.name!r} cannot be built on torch's device 'meta', where tensors have no values: "
            f"{one_line_with_place(error)}"
        ) from error


def elements_of(architecture: BodyArchitecture, atom_table: NDArray[np.generic] | None) -> frozenset[int]:
    """Return the atomic numbers that a network can take: those with features in its table, of those it is made for."""
    made_for = architecture.plugin.elements
    known = frozenset(range(1, MAX_ATOMIC_NUMBER + 1)) if atom_table is None else known_elements(atom_table)
    return known if made_for is None else known & frozenset(made_for)


def expert_sizes(architecture: Architecture) -> list[int]:
    """Return the length of the vectors of each frozen expert."""
    return [outline(each).vector_size for each in architecture.expert_bodies]
