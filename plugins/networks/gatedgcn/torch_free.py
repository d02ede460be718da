"""Vectors of crystals on a CPU without torch, from the arrays of a checkpoint; requires the compiled kernels.

Importing torch takes longer than predicting a thousand crystals. The result is that of
:class:`zoo.plugins.networks.gatedgcn.body.Body`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils import compiled
from zoo.models.kernels.arrays import SMALLEST_EXPONENT, by_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from zoo.plugins.networks.gatedgcn.settings import Settings

    from zoo.data.graphs.packing import PackedGraphs

    Array = NDArray[np.float32]
    Tensors = Mapping[str, NDArray[np.float32]]
    Shape = tuple[int, ...]

EPSILON = 1e-3
"""Keeps the sum of gates from zero."""

ELEMENTS = 119
"""Rows of the embedding, by atomic number; the first is not used."""

NORM_EPSILON = 1e-5
"""Of layer normalisation."""


def possible() -> bool:
    """Return whether the kernel needed for prediction is compiled."""
    return compiled.updating is not None


def shapes(settings: Settings) -> dict[str, Shape]:
    """Return the shapes of the body's tensors by name."""
    return dict(_shapes(settings))


def _shapes(size: Settings) -> Iterator[tuple[str, Shape]]:
    width, edge = size.width, size.edge_width
    yield "embedding.weight", (ELEMENTS, width)
    yield "expansion.weight", (edge, size.gaussians)
    yield "expansion.bias", (edge,)
    maps = {"center": (edge, width), "neighbor": (edge, width), "edge": (edge, edge), "value": (width, width)}
    maps |= {"hidden": (2 * width, 2 * width), "out": (width, 2 * width)}
    for layer in range(size.layers):
        for name, shape in maps.items():
            yield f"layers.{layer}.{name}.weight", shape
            if name in ("center", "hidden", "out"):
                yield f"layers.{layer}.{name}.bias", shape[:1]
        for name in ("norm_atoms", "norm_messages"):
            yield f"layers.{layer}.{name}.weight", (width,)
            yield f"layers.{layer}.{name}.bias", (width,)


def vector_size(settings: Settings) -> int:
    """Return the length of a crystal's vector."""
    size: int = settings.vector_size
    return size


class ArrayBody:
    """The network up to the vector of a crystal.

    Parameters
    ----------
    settings : Settings
    atom_table : None
        It has no features of elements but those it has learned.
    tensors : mapping of name to array
    """

    def __init__(self, settings: Settings, atom_table: NDArray[np.uint8] | None, tensors: Tensors) -> None:  # noqa: ARG002
        self.settings = settings
        self.centers = np.linspace(0, settings.gaussian_end, settings.gaussians, dtype=np.float32)
        self.tensors = {name: np.asarray(tensors[name], dtype=np.float32) for name in shapes(settings)}

    def embed(self, graphs: PackedGraphs) -> Array:
        """Return the vectors of graphs, shape (n, d)."""
        assert compiled.updating is not None
        own, size = self.tensors, self.settings
        first = np.concatenate([[0], np.cumsum(graphs.degrees, dtype=np.int64)])
        counts = graphs.counts.astype(np.float32)
        weights = counts / np.repeat(np.add.reduceat(counts, first[:-1]), graphs.degrees)
        neighbors = graphs.neighbors + np.repeat(graphs.offsets[:-1], graphs.edges)
        kernel = compiled.updating.Graph(first, neighbors, weights, np.array([len(graphs.numbers)], dtype=np.int64))
        atoms: Array = own["embedding.weight"][graphs.numbers]
        edges = _silu(self._linear("expansion", self._expand(graphs.distances)))
        outputs, around = [atoms], [edges]
        for layer in (f"layers.{index}." for index in range(size.layers)):
            inner = self._norm(f"{layer}norm_atoms", atoms)
            of_centers, of_edges = self._linear(f"{layer}center", inner), self._linear(f"{layer}edge", edges)
            of_neighbors: Array = inner @ self._of_neighbor(layer)
            new, totals = np.empty(edges.shape, np.float32), np.empty(of_neighbors.shape, np.float32)
            kernel.update(0, new, totals, of_centers, of_neighbors, of_edges, edges)
            edges = new
            grouped: Array = totals.reshape(len(atoms), -1, size.edge_width)
            messages: Array = (grouped[:, :-1] / (grouped[:, -1:] + np.float32(EPSILON))).reshape(atoms.shape)
            both = np.concatenate([inner, self._norm(f"{layer}norm_messages", messages)], axis=1)
            change = self._linear(f"{layer}out", _silu(self._linear(f"{layer}hidden", both)))
            atoms = np.add(atoms, change, dtype=np.float32)
            outputs.append(atoms)
            around.append(edges)
        if size.pooling == "both":
            outputs += [np.add.reduceat(each * weights[:, None], first[:-1], axis=0) for each in around]
        copies = graphs.copies.astype(np.float32)[:, None]
        sums = np.add.reduceat(np.concatenate(outputs, axis=1) * copies, graphs.offsets[:-1], axis=0)
        return np.divide(sums, np.add.reduceat(copies, graphs.offsets[:-1], axis=0), dtype=np.float32)

    def _of_neighbor(self, layer: str) -> Array:
        return np.concatenate([self.tensors[f"{layer}{name}.weight"] for name in ("neighbor", "value")]).T

    def _linear(self, name: str, values: Array) -> Array:
        mapped: Array = values @ self.tensors[f"{name}.weight"].T
        bias = self.tensors.get(f"{name}.bias")
        if bias is not None:
            mapped += bias
        return mapped

    def _norm(self, name: str, values: Array) -> Array:
        excess = values - values.mean(axis=1, keepdims=True)
        scale = 1 / np.sqrt(np.square(excess).mean(axis=1, keepdims=True) + np.float32(NORM_EPSILON))
        normed: Array = excess * scale * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]
        return normed

    def _expand(self, distances: Array) -> Array:
        exponents = -np.square((distances[:, None] - self.centers) / np.float32(self.settings.spacing))
        expanded: Array = np.exp(exponents, where=exponents > SMALLEST_EXPONENT, out=np.zeros_like(exponents))
        return expanded


def _silu(values: Array) -> Array:
    with np.errstate(over="ignore"):  # the quotient is then zero, as it should be
        result: Array = values / (1 + np.exp(-values))
    return result


def embed(bodies: Sequence[Any], graphs: PackedGraphs) -> Array:
    """Return the vectors of several bodies side by side."""
    return by_pieces(lambda chosen: np.concatenate([body.embed(chosen) for body in bodies], axis=1), graphs)
