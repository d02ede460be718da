"""The contract of networks: what maps the graph of a crystal to a vector.

A network is registered in the entry-point group ``zoo.networks``, or given in a file with ``--plugin``. zoo does
everything around it: heads for the properties, scaling, loss, seeds, splits, transfer, frozen experts, intervals,
checkpoints and model cards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.registry.contracts import ZOO_API, check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

__all__ = ["ZOO_SIZES", "FastPath", "Network", "Widening"]

ZOO_SIZES = ("network", "package", "settings", "head", "head_layers", "targets", "experts", "outputs")
"""Keys of an architecture that belong to zoo; a network's settings have other names."""


@dataclass(frozen=True)
class FastPath:
    """Prediction on a CPU from arrays, without torch, and what must be known for it of a network's body.

    Parameters
    ----------
    possible : callable
        ``possible()`` says whether it can be used here, for example whether its kernels are compiled.
    shapes : callable
        ``shapes(settings)`` returns the shapes of the body's parameters and buffers by name.
    vector_size : callable
        ``vector_size(settings)`` returns the length of a crystal's vector.
    body : callable
        ``body(settings, atom_table, tensors)`` returns an object that stands for a body with these arrays.
    embed : callable
        ``embed(bodies, graphs)`` returns the vectors of several such bodies side by side, shape (n, Σ vector sizes),
        float32, for :class:`zoo.data.graphs.packing.PackedGraphs`.
    """

    possible: Callable[[], bool]
    shapes: Callable[[Any], Mapping[str, tuple[int, ...]]]
    vector_size: Callable[[Any], int]
    body: Callable[[Any, NDArray[np.uint8] | None, Mapping[str, NDArray[Any]]], Any]
    embed: Callable[[Sequence[Any], Any], NDArray[np.float32]]


@dataclass(frozen=True)
class Widening:
    """How several bodies become one that computes the vectors of all of them side by side.

    Parameters
    ----------
    settings : callable
        ``settings(several)`` returns the settings of the wide body. Raises ValueError if there is none.
    copy : callable
        ``copy(bodies, wide)`` copies the tensors of the bodies into those of the wide one, and returns for each the
        positions of its vector's components in the vector of the wide body.
    """

    settings: Callable[[Sequence[Any]], Any]
    copy: Callable[[Sequence[Any], Any], Sequence[Tensor]]


_ATOMIC_NUMBERS = range(1, 119)


def _itself(settings: Any) -> Any:
    return settings


def _always(settings: Any) -> bool:  # noqa: ARG001
    return True


@dataclass(frozen=True)
class Network:
    """A network that maps crystal graphs to vectors.

    The module that `build` returns, the body, has

    - ``embed(batch)``, which returns the vectors of B crystals, shape (B, d). ``batch`` is a
      :class:`zoo.data.graphs.batch.GraphBatch`; ``batch.graph`` is a batched DGLGraph with the node data ``number``
      (M,), the atomic numbers, and ``copies`` (M, 1), and the edge data ``distance`` (R,) in Å and ``count`` (R, 1).
      An edge leads from each neighbour to its centre. A node stands for `copies` equal atoms of the cell, and an edge
      for `count` equal neighbours, so sums over neighbours are weighted by `count`, and sums over atoms by `copies`;
    - ``vector_size``, the length d of a vector;
    - ``depths``, a tuple of tuples of prefixes of parameter names, from the input to the output. Layers nearer to the
      input learn more slowly in the mode ``layerwise``.

    A body may keep features of the elements in a buffer ``atom_table`` of shape (elements, features), whole numbers
    from 0 to 255; a checkpoint then has its own table.

    Parameters
    ----------
    name : str
        Name that users type, in a recipe as ``network = "NAME"``.
    settings : type
        A pydantic model, frozen, with ``extra="forbid"``, in which every number has bounds: the sizes of the network.
    build : callable
        ``build(settings)`` returns a torch module with random weights from torch's global generator. Imports torch
        inside, so that the contract can be read without it.
    description, citation : str
        One sentence, and the source of the network.
    elements : tuple of int or None
        Atomic numbers that it can take; None for all.
    zoo_api : int
        Version of the contract that the plugin was written for.
    transferred : callable
        ``transferred(settings)`` returns the settings by which a body with the same tensors gives the vectors that
        describe a crystal best, for other properties than the one it was trained on; by default the same.
    normalized : callable
        ``normalized(settings)`` says whether heads normalise each component of the vectors to mean 0 and variance 1;
        otherwise they apply the softplus first.
    widening : Widening or None
        How a pretraining starts from several of its bodies side by side.
    fast : FastPath or None
        Prediction without torch.
    tensor_prefix : str
        Prefix of the body's tensors in a checkpoint.
    """

    name: str
    settings: type[Any]
    build: Callable[[Any], nn.Module]
    description: str = ""
    citation: str = ""
    elements: tuple[int, ...] | None = None
    zoo_api: int = ZOO_API
    transferred: Callable[[Any], Any] = _itself
    normalized: Callable[[Any], bool] = _always
    widening: Widening | None = None
    fast: FastPath | None = None
    tensor_prefix: str = "body."

    def __post_init__(self) -> None:
        from pydantic import BaseModel

        check_name("network", self.name)
        settings: object = self.settings
        if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
            raise TypeError(f"network {self.name!r}: settings={settings!r} is not a pydantic model")
        config = settings.model_config
        if config.get("extra") != "forbid" or not config.get("frozen"):
            raise TypeError(
                f'network {self.name!r}: settings need model_config = ConfigDict(extra="forbid", frozen=True)'
            )
        if taken := [name for name in settings.model_fields if name in ZOO_SIZES]:
            raise TypeError(f"network {self.name!r}: settings.{taken[0]} is a name that zoo uses; choose another")
        elements: object = self.elements
        if not (
            elements is None or (isinstance(elements, tuple) and all(each in _ATOMIC_NUMBERS for each in elements))
        ):
            raise TypeError(f"network {self.name!r}: elements={elements!r} is not a tuple of atomic numbers, 1 to 118")
        if not callable(vars(self)["build"]):
            raise TypeError(f"network {self.name!r}: build={self.build!r} must be a function that returns a module")
