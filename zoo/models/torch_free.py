"""Prediction on a CPU without torch, from the arrays of a checkpoint; requires the fast paths of its networks.

The result is that of :class:`zoo.models.network.CrystalNetwork`, which is used elsewhere (tests/equivalence).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.models.architecture import EPSILON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo.data.graphs.packing import PackedGraphs
    from zoo.models.architecture import Architecture, BodyArchitecture

    Array = NDArray[np.float32]
    Tensors = Mapping[str, NDArray[np.float32]]

HEAD_BATCH = 1024
"""Crystals per pass through a head, so that their vectors stay in a core's cache."""

_quiet = np.errstate(all="ignore")
"""As in torch, NaN propagates to the prediction."""


def possible(architecture: Architecture) -> bool:
    """Return whether all networks of an architecture have a fast path that can be used here."""
    paths = [each.plugin.fast for each in (architecture, *architecture.expert_bodies)]
    return all(path is not None and path.possible() for path in paths)


class _Head:
    """The fully connected layers after pooling; see :class:`zoo.models.heads.Head`."""

    def __init__(self, size: Architecture, tensors: Tensors, prefix: str = "") -> None:
        self.norm: tuple[Array, Array] | None = None
        if f"{prefix}norm.running_mean" in tensors:
            scale = 1 / np.sqrt(tensors[f"{prefix}norm.running_var"] + np.float32(EPSILON))
            self.norm = scale, -tensors[f"{prefix}norm.running_mean"] * scale
        names = ["conv_to_fc", *(f"fcs.{layer}" for layer in range(size.head_layers - 1)), "fc_out"]
        self.layers = [(tensors[f"{prefix}{name}.weight"].T, tensors[f"{prefix}{name}.bias"]) for name in names]

    def __call__(self, vectors: Array) -> Array:
        """Return a scaled number for each vector, shape (n,), or the logits of classes, (n, outputs)."""
        starts = range(0, max(1, len(vectors)), HEAD_BATCH)
        return np.concatenate([self._read(vectors[start : start + HEAD_BATCH]) for start in starts])

    def _read(self, vectors: Array) -> Array:
        hidden: Array = _softplus(vectors) if self.norm is None else vectors * self.norm[0] + self.norm[1]
        for weight, bias in self.layers[:-1]:
            hidden = _softplus(hidden @ weight + bias)
        weight, bias = self.layers[-1]
        output: Array = hidden @ weight + bias
        return output[:, 0] if output.shape[1] == 1 else output


@dataclass(frozen=True, eq=False)
class Predictor:
    """Prediction with a network of one target.

    Parameters
    ----------
    architecture : Architecture
    atom_table : array of shape (elements, atom_features), uint8, or None
    tensors : mapping of name to array
        Weights and statistics, by their names in a checkpoint; see :mod:`zoo.models.checkpoint.tensors`.
    """

    architecture: Architecture
    atom_table: NDArray[np.uint8] | None
    tensors: Tensors
    _bodies: dict[Any, Any] = field(default_factory=dict, init=False)

    def _body(self, size: BodyArchitecture, prefix: str) -> Any:
        if (size, prefix) not in self._bodies:
            own = {
                name.removeprefix(prefix): tensor for name, tensor in self.tensors.items() if name.startswith(prefix)
            }
            assert size.plugin.fast is not None
            self._bodies[size, prefix] = size.plugin.fast.body(size.settings, self.atom_table, own)
        return self._bodies[size, prefix]

    @cached_property
    def _heads(self) -> tuple[_Head, _Head | None]:
        reader = _Head(self.architecture, self.tensors, "reader.") if self.architecture.experts else None
        return _Head(self.architecture, self.tensors), reader

    @_quiet
    def expert_vectors(self, graphs: PackedGraphs) -> Array | None:
        """Return the frozen experts' vectors of the graphs, shape (n, d); None if there are no experts."""
        sizes = self.architecture.expert_bodies
        if not sizes:
            return None
        bodies = [self._body(size, f"experts.{place}.") for place, size in enumerate(sizes)]
        return _side_by_side(sizes, bodies, graphs)

    @_quiet
    def embed(self, graphs: PackedGraphs, body: BodyArchitecture | None = None) -> Array:
        """Return the vectors of crystals, shape (n, d); those of another `body` with the same tensors, if given."""
        size = body or self.architecture.body
        return _side_by_side([size], [self._body(size, size.plugin.tensor_prefix)], graphs)

    @_quiet
    def predict_scaled(self, graphs: PackedGraphs, vectors: Array | None = None) -> Array:
        """Return the outputs in the network's scaled space, (n,), or of classes (n, outputs).

        `vectors` are those of the experts, if they are already known.
        """
        own, reader = self._heads
        output = own(self.embed(graphs))
        if reader is None:
            return output
        if vectors is None:
            vectors = self.expert_vectors(graphs)
        assert vectors is not None
        return (output + reader(vectors)) * np.float32(0.5)


def _side_by_side(sizes: Sequence[BodyArchitecture], bodies: Sequence[Any], graphs: PackedGraphs) -> Array:
    """Return the concatenated vectors; neighbouring bodies of one network are computed together."""
    parts = []
    start = 0
    for end in range(1, len(sizes) + 1):
        if end == len(sizes) or sizes[end].network != sizes[start].network:
            fast = sizes[start].plugin.fast
            assert fast is not None
            parts.append(fast.embed(bodies[start:end], graphs))
            start = end
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def _softplus(values: Array) -> Array:
    """Return log(1 + e^x) without overflow."""
    small = np.abs(values)
    np.negative(small, out=small)
    np.exp(small, out=small)
    small += 1
    np.log(small, out=small)
    small += np.maximum(values, 0)
    return small
