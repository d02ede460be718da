"""Vectors of crystals on a CPU without torch, from the arrays of a checkpoint; requires the compiled kernels.

Importing torch takes longer than predicting a thousand crystals. The result is that of the torch module
(tests/equivalence).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils import compiled
from zoo.models.architecture import EPSILON
from zoo.models.kernels.arrays import by_pieces, edges_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from zoo.plugins.networks.cgcnn.settings import Settings

    from zoo.data.graphs.packing import PackedGraphs

    Array = NDArray[np.float32]
    Tensors = Mapping[str, NDArray[np.float32]]
    Shape = tuple[int, ...]


def possible() -> bool:
    """Return whether the kernels needed for prediction are compiled."""
    return None not in (compiled.gating, compiled.normalizing, compiled.convolving)


def shapes(settings: Settings) -> dict[str, Shape]:
    """Return the shapes of the body's tensors by name, without the atom table."""
    return dict(_shapes(settings))


def _shapes(size: Settings) -> Iterator[tuple[str, Shape]]:
    yield "embedding.weight", (size.width, size.atom_features)
    yield "embedding.bias", (size.width,)
    for layer in range(size.convolutions):
        yield f"convs.{layer}.fc_full.weight", (2 * size.width, 2 * size.width + size.gaussians)
        yield f"convs.{layer}.fc_full.bias", (2 * size.width,)
        for norm, width in (("bn1", 2 * size.width), ("bn2", size.width)):
            for part in ("running_mean", "running_var", "weight", "bias"):
                yield f"convs.{layer}.{norm}.{part}", (width,)
            yield f"convs.{layer}.{norm}.num_batches_tracked", ()


class ArrayBody:
    """The layers before pooling; see :class:`zoo.plugins.networks.cgcnn.body.Body`.

    Parameters
    ----------
    settings : Settings
    atom_table : array of shape (elements, atom_features), uint8
    tensors : mapping of name to array
    """

    def __init__(self, settings: Settings, atom_table: NDArray[np.uint8], tensors: Tensors) -> None:
        assert compiled.convolving is not None
        self.settings = settings
        self.elements = atom_table.astype(np.float32) @ tensors["embedding.weight"].T + tensors["embedding.bias"]
        prefixes = [f"convs.{layer}." for layer in range(settings.convolutions)]
        self.layers: Any = compiled.convolving.Layers([_layer(tensors, each) for each in prefixes])

    def embed(self, graphs: PackedGraphs, edges: Any) -> Array:
        """Return the vectors of graphs, shape (n, d), given their edges as one piece."""
        assert compiled.convolving is not None
        size = self.settings
        atoms, sizes = self.elements[graphs.numbers], graphs.sizes
        copies = weights = graphs.copies.astype(np.float32)[:, None]
        if size.pooling == "mean-max-min":  # each atom is its own average if it counts as a crystal
            sizes, weights = np.ones(len(atoms), dtype=sizes.dtype), np.ones_like(copies)
        found = np.empty((len(sizes), size.width * (size.convolutions + 1)), dtype=np.float32)
        compiled.convolving.Convolutions(self.layers, edges, sizes, weights, atoms, False, False).run(0, found)
        if size.pooling == "mean-max-min":
            first = graphs.offsets[:-1]
            means = np.add.reduceat(found * copies, first) / np.add.reduceat(copies, first)
            return np.concatenate([means, np.maximum.reduceat(found, first), np.minimum.reduceat(found, first)], axis=1)
        return found if size.pooling == "all" else found[:, -size.width :]


def embed(bodies: Sequence[ArrayBody], graphs: PackedGraphs) -> Array:
    """Return the vectors of several bodies side by side; those with the same Gaussians share their expansion."""

    def run(chosen: PackedGraphs) -> Array:
        shift = np.repeat(chosen.offsets[:-1], chosen.edges)
        counts = chosen.counts.astype(np.float32)[:, None]
        ends = np.array([len(chosen.numbers)])
        expanded: dict[tuple[int, float], Any] = {}
        for size in (body.settings for body in bodies):
            if (size.gaussians, size.gaussian_end) not in expanded:
                edges = edges_of(
                    size.spacing,
                    size.gaussians,
                    chosen.distances,
                    chosen.degrees,
                    chosen.neighbors + shift,
                    counts,
                    ends,
                )
                expanded[size.gaussians, size.gaussian_end] = edges
        parts = [body.embed(chosen, expanded[body.settings.gaussians, body.settings.gaussian_end]) for body in bodies]
        return np.concatenate(parts, axis=1)

    return by_pieces(run, graphs)


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
