"""Running a network without torch: predictions on a CPU, from the arrays of a checkpoint.

To import torch takes longer than to predict a thousand crystals. So what predicts, and never trains, is written here in
NumPy: the same equations as :mod:`zoo.models.cgcnn`, with the batch normalisations folded into the linear maps, for
crystals in groups that stay in a core's cache. A test holds both to 1e-5 of each other. The convolutions are compiled
where that could be done (:mod:`zoo.models.kernels.convolving`), and then each core takes a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils import compiled, workers
from zoo.models import gaussians
from zoo.models.architecture import EPSILON
from zoo.models.pieces import divide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo.data.graphs.packing import PackedGraphs
    from zoo.models.architecture import Architecture, Pooling

    Array = NDArray[np.float32]
    Tensors = Mapping[str, NDArray[np.float32]]

READ = 1024
"""Crystals whose numbers are read from their vectors at once."""

STEEP = np.float32(80.0)
"""Beyond this e^x is nearly too large for single precision; no network that was trained gets there."""


_quiet = np.errstate(all="ignore")
"""As torch does: what is no number shows itself in the prediction."""


class _Crystals:
    """Some of the packed graphs, with the indices that sums over edges and atoms need."""

    def __init__(self, graphs: PackedGraphs, rows: NDArray[np.int64]) -> None:
        chosen = graphs.select(rows)
        ends = np.cumsum(chosen.degrees, dtype=np.int64)
        self.numbers = chosen.numbers
        self.edge_starts = ends - chosen.degrees
        self.atom_starts = chosen.offsets[:-1]
        edges = np.diff(ends[chosen.offsets[1:] - 1], prepend=0)
        self.neighbors = chosen.neighbors + np.repeat(self.atom_starts, edges)
        self.degrees = chosen.degrees
        self.distances = chosen.distances
        self.counts = chosen.counts.astype(np.float32)[:, None]
        self.copies = chosen.copies.astype(np.float32)[:, None]
        self.sizes = chosen.sizes
        self.atoms = np.add.reduceat(self.copies, self.atom_starts, axis=0)

    @cached_property
    def centers(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.degrees)), self.degrees)

    def compiled_edges(self, size: Architecture) -> Any:
        """Return the edges as :class:`zoo.models.kernels.gating.Edges`."""
        ends = np.array([len(self.numbers)])
        return gaussians.compiled_edges(self.distances, self.edge_starts, self.neighbors, self.counts, ends, size)


class _Edges:
    """The edges of some crystals; sums over them take a dozen passes."""

    def __init__(self, crystals: _Crystals, size: Architecture) -> None:
        self.crystals = crystals
        self.bonds = gaussians.expand(crystals.distances, size)
        self.room = np.empty((3, len(self.bonds), size.width), dtype=np.float32)

    def gated_sum(self, weight: Array, center: Array, neighbor: Array) -> Array:
        """Sum σ(gate) softplus(core) over the edges of each atom.

        The arrays have 2 width columns, gates before cores: what each Gaussian adds to them, and each atom at one of
        the ends.
        """
        gate, core, gathered = self.room
        crystals, width = self.crystals, self.room.shape[2]
        for edges, half in ((gate, slice(0, width)), (core, slice(width, None))):
            np.matmul(self.bonds, weight[:, half], out=edges)
            # The indices are in bounds; unless told to clip, `take` would write into a copy first.
            edges += np.take(neighbor[:, half], crystals.neighbors, axis=0, out=gathered, mode="clip")
            edges += np.take(center[:, half], crystals.centers, axis=0, out=gathered, mode="clip")
        np.negative(gate, out=gate)
        np.exp(gate, out=gate)  # where it overflows, the sigmoid is zero, as it should be
        gate += 1
        if core.max() < STEEP:
            np.exp(core, out=core)
            core += 1
            np.log(core, out=core)
        else:
            core[:] = _softplus(core)
        core /= gate
        core *= crystals.counts
        summed: Array = np.add.reduceat(core, crystals.edge_starts, axis=0)
        return summed


class _Convolution:
    """One gated convolution with its normalisations folded in."""

    def __init__(self, tensors: Tensors, prefix: str, width: int) -> None:
        scale, shift = _normalization(tensors, f"{prefix}bn1.")
        maps = (tensors[f"{prefix}fc_full.weight"] * scale[:, None]).T
        self.center, self.neighbor, self.bond = np.split(np.ascontiguousarray(maps), [width, 2 * width])
        self.bias = tensors[f"{prefix}fc_full.bias"] * scale + shift
        self.scale, self.shift = _normalization(tensors, f"{prefix}bn2.")

    def __call__(self, edges: _Edges, atoms: Array) -> Array:
        """Update atoms of shape (M, width)."""
        message = edges.gated_sum(self.bond, atoms @ self.center + self.bias, atoms @ self.neighbor)
        message *= self.scale
        message += self.shift
        message += atoms
        return _softplus(message)


class _Body:
    """The layers before pooling."""

    def __init__(self, size: Architecture, table: NDArray[np.uint8], tensors: Tensors, prefix: str = "") -> None:
        self.tensors, self.prefixes = tensors, [f"{prefix}convs.{layer}." for layer in range(size.convolutions)]
        self.size = size
        embedding = tensors[f"{prefix}embedding.weight"]
        self.elements = table.astype(np.float32) @ embedding.T + tensors[f"{prefix}embedding.bias"]

    @cached_property
    def convolutions(self) -> list[_Convolution]:
        return [_Convolution(self.tensors, prefix, self.size.width) for prefix in self.prefixes]

    @cached_property
    def folded(self) -> Any:
        """The convolutions as :class:`zoo.models.kernels.convolving.Layers`."""
        assert compiled.convolving is not None
        return compiled.convolving.Layers([self._layer(prefix) for prefix in self.prefixes])

    def _layer(self, prefix: str) -> tuple[Any, ...]:
        assert compiled.normalizing is not None
        linear = (np.ascontiguousarray(self.tensors[f"{prefix}fc_full.{part}"]) for part in ("weight", "bias"))
        norms = []
        for norm in ("bn1", "bn2"):
            mean, variance, *others = (
                np.ascontiguousarray(self.tensors[f"{prefix}{norm}.{part}"])
                for part in ("running_mean", "running_var", "weight", "bias")
            )
            norms.append(compiled.normalizing.Normalization(mean, variance, EPSILON, *others))
        return *linear, *norms

    def embed(self, edges: _Edges, pooling: Pooling) -> Array:
        """Return the crystals' vectors."""
        crystals = edges.crystals
        atoms: Array = self.elements[crystals.numbers]
        layers = [atoms]
        for convolution in self.convolutions:
            layers.append(convolution(edges, layers[-1]))
        pooled = np.concatenate(layers, axis=1) if pooling == "all" else layers[-1].copy()
        pooled *= crystals.copies
        pooled = np.add.reduceat(pooled, crystals.atom_starts, axis=0)
        pooled /= crystals.atoms
        return pooled

    def embed_compiled(self, crystals: _Crystals, edges: Any, pooling: Pooling) -> Array:
        """Return the same, given :class:`zoo.models.kernels.gating.Edges`."""
        assert compiled.convolving is not None
        layers, atoms = self.folded, self.elements[crystals.numbers]
        averages = np.empty((len(crystals.sizes), self.size.pooled_by("all")), dtype=np.float32)
        each = edges, crystals.sizes, crystals.copies, atoms
        compiled.convolving.Convolutions(layers, *each, False, False).run(0, averages)
        return averages if pooling == "all" else averages[:, -self.size.width :]


class _Head:
    """The fully connected layers after pooling."""

    def __init__(self, size: Architecture, tensors: Tensors, prefix: str = "") -> None:
        self.norm: tuple[Array, Array] | None = None
        if f"{prefix}norm.running_mean" in tensors:
            self.norm = _normalization(tensors, f"{prefix}norm.")
        names = ["conv_to_fc", *(f"fcs.{layer}" for layer in range(size.head_layers - 1)), "fc_out"]
        self.layers = [(tensors[f"{prefix}{name}.weight"].T, tensors[f"{prefix}{name}.bias"]) for name in names]

    def __call__(self, vectors: Array) -> Array:
        """Return a number for each vector; for so many at once that they stay in a core's cache."""
        parts = [self._read(vectors[first : first + READ]) for first in range(0, max(1, len(vectors)), READ)]
        return np.concatenate(parts)

    def _read(self, vectors: Array) -> Array:
        hidden: Array = _softplus(vectors) if self.norm is None else vectors * self.norm[0] + self.norm[1]
        for weight, bias in self.layers[:-1]:
            hidden = _softplus(hidden @ weight + bias)
        weight, bias = self.layers[-1]
        return np.ravel(hidden @ weight + bias)


@dataclass(frozen=True, eq=False)
class Forward:
    """A network of one target that only predicts.

    Parameters
    ----------
    architecture : Architecture
    atom_table : array of shape (elements, atom_features), uint8
    tensors : mapping of name to array
        Weights and statistics, by the names of :meth:`zoo.models.cgcnn.CGCNN.state_dict`.
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
        """Return what the frozen experts make of the graphs, shape (n, d); None if there are none."""
        return self._pooled(graphs, self._experts, "all") if self._experts else None

    @_quiet
    def embed(self, graphs: PackedGraphs, pooling: Pooling | None = None) -> Array:
        """Return the crystal vectors after pooling, shape (n, d)."""
        return self._pooled(graphs, [self._body], pooling or self.architecture.pooling)

    @_quiet
    def predict_scaled(self, graphs: PackedGraphs, vectors: Array | None = None) -> Array:
        """Return the outputs, shape (n,), in the network's scaled space; `vectors` are those of the experts."""
        own, reader = self._heads
        output = own(self.embed(graphs))
        if reader is None:
            return output
        assert vectors is not None
        return (output + reader(vectors)) * np.float32(0.5)

    def _pooled(self, graphs: PackedGraphs, bodies: Sequence[_Body], pooling: Pooling) -> Array:
        def run(rows: NDArray[np.int64]) -> Array:
            crystals = _Crystals(graphs, rows)
            if compiled.convolving is None:
                edges = _Edges(crystals, self.architecture)
                return np.concatenate([body.embed(edges, pooling) for body in bodies], axis=1)
            each = crystals.compiled_edges(self.architecture)
            return np.concatenate([body.embed_compiled(crystals, each, pooling) for body in bodies], axis=1)

        groups = _groups(graphs)
        # Steps in NumPy are too short for threads: the interpreter's lock changes hands too slowly.
        threads = 1 if compiled.convolving is None else workers.threads()
        return np.concatenate(workers.in_threads(lambda group: run(groups[group]), len(groups), threads))


def _groups(graphs: PackedGraphs) -> list[NDArray[np.int64]]:
    """Divide graphs into runs of about as many edges."""
    pieces = divide(graphs.edges)
    return np.split(np.arange(len(pieces)), np.flatnonzero(np.diff(pieces)) + 1)


def _softplus(values: Array) -> Array:
    """Return log(1 + e^x) without overflow."""
    small = np.abs(values)
    np.negative(small, out=small)
    np.exp(small, out=small)
    small += 1
    np.log(small, out=small)
    small += np.maximum(values, 0)
    return small


def _normalization(tensors: Tensors, prefix: str) -> tuple[Array, Array]:
    """Return the scale and shift of a batch normalisation by its own statistics."""
    scale = 1 / np.sqrt(tensors[f"{prefix}running_var"] + np.float32(EPSILON))
    shift = -tensors[f"{prefix}running_mean"] * scale
    if f"{prefix}weight" not in tensors:
        return scale, shift
    weight = tensors[f"{prefix}weight"]
    return scale * weight, shift * weight + tensors[f"{prefix}bias"]
