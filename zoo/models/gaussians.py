"""Distances as Gaussians: all of them, or those few of each distance that are not next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.models.architecture import Architecture

    Array = NDArray[np.float32]

NOTHING = 2e-22
"""Gaussians below e^-50 are zero: times a weight or a gradient they would underflow, and that is slow."""

LEAST = -60.0
"""Where the exponential underflows it takes much longer."""


def expand(distances: Array, size: Architecture) -> Array:
    """Expand distances of shape (R,) in Å into Gaussians, shape (R, gaussians)."""
    centers = np.linspace(0.0, size.gaussian_end, size.gaussians).astype(np.float32)
    expanded: Array = np.subtract.outer(distances, centers)
    expanded /= np.float32(size.spacing)
    expanded *= expanded
    np.negative(expanded, out=expanded)
    np.maximum(expanded, np.float32(LEAST), out=expanded)
    np.exp(expanded, out=expanded)
    expanded[expanded < NOTHING] = 0
    return expanded


def compiled_edges(
    distances: Array,
    starts: NDArray[np.int64],
    neighbors: NDArray[Any],
    counts: Array,
    ends: NDArray[np.int64],
    size: Architecture,
) -> Any:
    """Return edges as the compiled sums take them, each with its largest Gaussians: the next one is below e^-16.

    Parameters
    ----------
    distances : array of shape (R,)
        In Å.
    starts, neighbors, counts, ends : arrays
        Of :class:`zoo.models.kernels.gating.Edges`, which is returned.
    size : Architecture
    """
    assert compiled.gating is not None
    largest = compiled.gating.largest(distances, size.spacing, size.gaussians)
    return compiled.gating.Edges(*largest, starts, neighbors, counts, ends)
