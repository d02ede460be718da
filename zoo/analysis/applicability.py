"""How far a crystal is from those that a network was trained on, by the vectors that the network makes of them.

A checkpoint keeps the vectors of at most `REFERENCES` training crystals, and how far its training crystals are from
them: each from the nearest that is not itself. A new crystal that is farther than nearly all of these stands out, and
gets a note. The distance is Euclidean, each column divided by its standard deviation over the references.

The nearest of a subset is a bounded and plain stand-in for the density of training crystals; it needs no inverse of a
covariance that few crystals determine badly. Distances in the vectors of a network tell where its errors grow:
Janet et al., Chem. Sci. 10, 7913 (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis.conformal import sketch

if TYPE_CHECKING:
    from numpy.typing import NDArray

REFERENCES = 256
"""Most training crystals whose vectors a checkpoint keeps."""

DISTANCES = 99
"""Most distances of training crystals that it keeps: the last of 99 is their 99 % quantile."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Vectors of training crystals, and how far training crystals are from them.

    Parameters
    ----------
    vectors : array of shape (r, d), float16
    distances : tuple of float
        Ascending; at most `DISTANCES`.
    """

    vectors: NDArray[np.float16]
    distances: tuple[float, ...]

    @classmethod
    def of(cls, vectors: NDArray[np.float64], seed: int) -> Reference:
        """Make a reference of the vectors of n training crystals, shape (n, d).

        Parameters
        ----------
        vectors : array of shape (n, d)
            n of 2 or more.
        seed : int
            Decides which crystals are kept, if there are more than `REFERENCES`.
        """
        order = np.random.default_rng(seed).permutation(len(vectors))
        limit = float(np.finfo(np.float16).max)
        kept = np.clip(vectors[order[:REFERENCES]], -limit, limit).astype(np.float16)
        itself = np.full(len(vectors), -1)
        itself[order[:REFERENCES]] = np.arange(len(kept))
        return cls(kept, sketch(_nearest(vectors, kept, itself), DISTANCES))

    @property
    def share(self) -> float:
        """Share of training crystals that a distance beyond all of `distances` exceeds: 0.99, or n / (n + 1)."""
        return len(self.distances) / (len(self.distances) + 1)

    def is_far(self, vectors: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say of n crystals, by their vectors of shape (n, d), which are farther than `share` of training crystals."""
        return _nearest(vectors, self.vectors) > self.distances[-1]


def _nearest(
    vectors: NDArray[np.float64], references: NDArray[np.float16], itself: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Return the distance of each vector to the nearest reference that is not the vector itself."""
    reference = references.astype(np.float64)
    scale = reference.std(axis=0)
    scale[scale < 1e-6] = 1.0  # a column that says nothing about training crystals; a new one may stand out in it
    reference /= scale
    points = vectors / scale
    squared = (points**2).sum(axis=1)[:, None] + (reference**2).sum(axis=1) - 2 * points @ reference.T
    if itself is not None:
        own = np.flatnonzero(itself >= 0)
        squared[own, itself[own]] = np.inf
    return np.asarray(np.sqrt(np.maximum(squared.min(axis=1), 0.0)))
