"""Crystals, graphs and batches on which networks are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.testing.sample_crystals import crystals

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from pymatgen.core import Structure

    from zoo.data.graphs.neighbors import CrystalGraph

_TOLERANCE = 1e-4
"""Relative to the largest component: sums in single precision depend on their order."""


def are_close(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Return whether vectors are the same but for the rounding of sums."""
    import numpy as np

    largest = max(float(np.abs(one).max(initial=0)), 1e-6)
    return bool((np.abs(one - other) <= _TOLERANCE * largest).all())


def structures(network: Any, given: Sequence[Structure] | None) -> list[Structure]:
    """Return the crystals to check a network on: those given, or five real ones, with elements that it takes."""
    from pymatgen.core import Element

    found = list(crystals().values() if given is None else given)
    made_for = network.elements
    if made_for is None:
        return found
    return [each for each in found if {Element(symbol).Z for symbol in each.symbol_set} <= set(made_for)]


def graphs(given: Sequence[Structure]) -> list[CrystalGraph]:
    """Return their graphs."""
    from zoo.data.crystal import Crystal
    from zoo.data.graphs.neighbors import build_graph

    return [build_graph(Crystal.from_structure(each)) for each in given]


def batch(given: Sequence[CrystalGraph]) -> Any:
    """Return a batch in which equal atoms are merged, as in training."""
    import numpy as np

    from zoo.data.graphs.batch import GraphBatch
    from zoo.data.graphs.packing import PackedGraphs

    return GraphBatch.gather(PackedGraphs.pack(given), np.arange(len(given)))


def complete(given: Sequence[CrystalGraph]) -> Any:
    """Return a batch in which each atom and each neighbour is listed."""
    import numpy as np
    import torch

    from zoo.data.graphs.batch import GraphBatch

    sizes = np.array([len(graph) for graph in given])
    starts = np.cumsum(sizes) - sizes
    neighbors = [graph.neighbors.ravel() + start for graph, start in zip(given, starts, strict=True)]
    distances = torch.from_numpy(np.concatenate([graph.distances.ravel() for graph in given]))
    return GraphBatch(
        torch.from_numpy(np.concatenate([graph.numbers for graph in given]).astype(np.int64)),
        torch.ones(int(sizes.sum()), 1),
        torch.from_numpy(np.repeat([graph.neighbors.shape[1] for graph in given], sizes).astype(np.int64)),
        torch.from_numpy(np.concatenate(neighbors).astype(np.int64)),
        distances,
        torch.ones(len(distances), 1),
        torch.from_numpy(sizes.astype(np.int64)),
    )
