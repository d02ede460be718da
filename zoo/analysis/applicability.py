"""Distance of a crystal from the training set of a network, in the network's embedding space.

A checkpoint keeps the vectors of at most `REFERENCES` training crystals, together with the distances of its training
crystals from their nearest reference other than themselves. A new crystal that is farther away than nearly all training
crystals is flagged. The distance is Euclidean, each column divided by its standard deviation over the references.

The distance to the nearest reference is a simple proxy for the density of training crystals, of bounded cost. Unlike
the Mahalanobis distance it needs no inverse covariance, which few crystals determine poorly. Distances in a network's
latent space indicate where its errors grow: Janet et al., Chem. Sci. 10, 7913 (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis.conformal import sketch

if TYPE_CHECKING:
    from numpy.typing import NDArray

REFERENCES = 256
"""Maximum number of training crystals whose vectors a checkpoint keeps."""

DISTANCES = 99
"""Maximum number of training distances that a checkpoint keeps: the last of 99 is their 99 % quantile."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Vectors of training crystals, and the distances of training crystals from them.

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
        """Build the reference from the vectors of n training crystals.

        Parameters
        ----------
        vectors : array of shape (n, d)
            n is at least 2.
        seed : int
            Determines which crystals are kept if there are more than `REFERENCES`.
        """
        order = np.random.default_rng(seed).permutation(len(vectors))
        limit = float(np.finfo(np.float16).max)
        kept = np.clip(vectors[order[:REFERENCES]], -limit, limit).astype(np.float16)
        itself = np.full(len(vectors), -1)
        itself[order[:REFERENCES]] = np.arange(len(kept))
        return cls(kept, sketch(_nearest(vectors, kept, itself), DISTANCES))

    @property
    def share(self) -> float:
        """Quantile level of the largest of `distances`: 0.99, or n / (n + 1) with fewer than 99 of them."""
        return len(self.distances) / (len(self.distances) + 1)

    def is_far(self, vectors: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Flag crystals, given by vectors of shape (n, d), that are farther than `share` of the training crystals."""
        return _nearest(vectors, self.vectors) > self.distances[-1]


def _nearest(
    vectors: NDArray[np.float64], references: NDArray[np.float16], itself: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Return the distance of each vector to the nearest reference that is not the vector itself."""
    reference = references.astype(np.float64)
    scale = reference.std(axis=0)
    scale[scale < 1e-6] = 1.0  # constant over the training crystals, but a new crystal may differ
    reference /= scale
    points = vectors / scale
    squared = (points**2).sum(axis=1)[:, None] + (reference**2).sum(axis=1) - 2 * points @ reference.T
    if itself is not None:
        own = np.flatnonzero(itself >= 0)
        squared[own, itself[own]] = np.inf
    return np.asarray(np.sqrt(np.maximum(squared.min(axis=1), 0.0)))
