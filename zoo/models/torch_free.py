"""Prediction on a CPU without torch, from the arrays of a checkpoint; requires the compiled kernels.

Importing torch takes longer than predicting a thousand crystals. The result is that of
:class:`zoo.models.cgcnn.CGCNN`, which is used where the kernels are missing (tests/equivalence).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils import compiled, workers
from zoo.models.architecture import EPSILON
from zoo.models.kernels.arrays import edges_of, pieces_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo.data.graphs.packing import PackedGraphs
    from zoo.models.architecture import Architecture, Pooling

    Array = NDArray[np.float32]
    Tensors = Mapping[str, NDArray[np.float32]]

HEAD_BATCH = 1024
"""Crystals per pass through a head, so that their vectors stay in a core's cache."""

_quiet = np.errstate(all="ignore")
"""As in torch, NaN propagates to the prediction."""


def possible() -> bool:
    """Return whether the kernels needed for prediction are compiled."""
    return None not in (compiled.gating, compiled.normalizing, compiled.convolving)


class _Body:
    """The layers before pooling; see :class:`zoo.models.body.Body`."""

    def __init__(self, size: Architecture, table: NDArray[np.uint8], tensors: Tensors, prefix: str = "") -> None:
        self.size = size
        embedding = tensors[f"{prefix}embedding.weight"]
        self.elements = table.astype(np.float32) @ embedding.T + tensors[f"{prefix}embedding.bias"]
        self.layers: Any = None
        if size.convolutions:
            assert compiled.convolving is not None
            prefixes = [f"{prefix}convs.{layer}." for layer in range(size.convolutions)]
            self.layers = compiled.convolving.Layers([_layer(tensors, each) for each in prefixes])

    def embed(self, graphs: PackedGraphs, edges: Any, pooling: Pooling) -> Array:
        """Return the pooled vectors of graphs, shape (n, d), given their edges as one piece."""
        atoms, copies = self.elements[graphs.numbers], graphs.copies.astype(np.float32)[:, None]
        if self.layers is None:
            starts = graphs.offsets[:-1]
            total: Array = np.add.reduceat(atoms * copies, starts)
            total /= np.add.reduceat(copies, starts)
            return total
        assert compiled.convolving is not None
        averages = np.empty((len(graphs), self.size.pooled_by("all")), dtype=np.float32)
        compiled.convolving.Convolutions(self.layers, edges, graphs.sizes, copies, atoms, False, False).run(0, averages)
        return averages if pooling == "all" else averages[:, -self.size.width :]


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
    atom_table : array of shape (elements, atom_features), uint8
    tensors : mapping of name to array
        Weights and statistics, by their names in a checkpoint; see :mod:`zoo.models.checkpoint.tensors`.
    """

    architecture: Architecture
    atom_table: NDArray[np.uint8]
    tensors: Tensors

    @cached_property
    def _body(self) -> _Body:
        return _Body(self.architecture, self.atom_table, self.tensors)

    @cached_property
    def _experts(self) -> list[_Body]:
        return [
            _Body(self.architecture, self.atom_table, self.tensors, f"experts.{expert}.")
            for expert in range(self.architecture.experts)
        ]

    @cached_property
    def _heads(self) -> tuple[_Head, _Head | None]:
        reader = _Head(self.architecture, self.tensors, "reader.") if self.architecture.experts else None
        return _Head(self.architecture, self.tensors), reader

    @_quiet
    def expert_vectors(self, graphs: PackedGraphs) -> Array | None:
        """Return the frozen experts' vectors of the graphs, shape (n, d); None if there are no experts."""
        return self._pooled(graphs, self._experts, "all") if self._experts else None

    @_quiet
    def embed(self, graphs: PackedGraphs, pooling: Pooling | None = None) -> Array:
        """Return the crystal vectors after pooling, shape (n, d)."""
        return self._pooled(graphs, [self._body], pooling or self.architecture.pooling)

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

    def _pooled(self, graphs: PackedGraphs, bodies: Sequence[_Body], pooling: Pooling) -> Array:
        pieces = pieces_of(graphs.edges)
        rows = np.split(np.arange(len(pieces)), np.flatnonzero(np.diff(pieces)) + 1)

        def run(piece: int) -> Array:
            chosen = graphs.select(rows[piece])
            shift = np.repeat(chosen.offsets[:-1], chosen.edges)
            counts = chosen.counts.astype(np.float32)[:, None]
            ends = np.array([len(chosen.numbers)])
            edges = edges_of(
                self.architecture, chosen.distances, chosen.degrees, chosen.neighbors + shift, counts, ends
            )
            return np.concatenate([body.embed(chosen, edges, pooling) for body in bodies], axis=1)

        return np.concatenate(workers.in_threads(run, len(rows), workers.threads()))


def _layer(tensors: Tensors, prefix: str) -> tuple[Any, ...]:
    """Return the weights, biases and normalisations of a convolution in the kernels' format."""
    assert compiled.normalizing is not None
    norms = []
    for name in ("bn1", "bn2"):
        mean, variance, gain, bias = (
            tensors[f"{prefix}{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        norms.append(compiled.normalizing.Normalization(mean, variance, EPSILON, gain, bias))
    linear = (np.ascontiguousarray(tensors[f"{prefix}fc_full.{part}"]) for part in ("weight", "bias"))
    return *linear, *norms


def _softplus(values: Array) -> Array:
    """Return log(1 + e^x) without overflow."""
    small = np.abs(values)
    np.negative(small, out=small)
    np.exp(small, out=small)
    small += 1
    np.log(small, out=small)
    small += np.maximum(values, 0)
    return small
