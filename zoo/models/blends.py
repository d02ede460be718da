"""A blend: the weighted sum of a network and classical regressors, one member of a checkpoint.

The parts are summed in the transformed space of the target (log10 for a task in log10). The members of a blend are the
fits of a cross-validation, each without one fold of the rows; a prediction is their mean in the same space, restored,
and clipped to the values that the task calls possible.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.scaling import restored, transformed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo.data.scaling import TargetScaler
    from zoo.models.regressors import Regressor
    from zoo.registry.contracts import Transform

    Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WeightedRegressor:
    """A regressor in a blend.

    Parameters
    ----------
    name : str
        As shown to users: ``"svr on magpie-structure"``.
    regressor : Regressor
    scaler : TargetScaler
        From the regressor's output to the unit of the target; its transform is the scale that was learned on.
    weight : float
    featurizers : tuple of str
        Names of the featurizers whose vectors it reads, side by side.
    experts : tuple of int
        Frozen experts of the network whose vectors it reads after those.
    """

    name: str
    regressor: Regressor
    scaler: TargetScaler
    weight: float
    featurizers: tuple[str, ...] = ()
    experts: tuple[int, ...] = ()

    def features(self, vectors: Mapping[str, Array], experts: Array | None, width: int) -> Array:
        """Put together the features, shape (n, d).

        Parameters
        ----------
        vectors : mapping of featurizer to array of shape (n, columns)
        experts : array of shape (n, D) or None
            Vectors of all frozen experts, side by side.
        width : int
            Columns of each of them.
        """
        parts = [vectors[name] for name in self.featurizers]
        if self.experts:
            assert experts is not None
            parts += [experts[:, i * width : (i + 1) * width].astype(np.float64) for i in self.experts]
        return np.concatenate(parts, axis=1)

    def predict(self, features: Array) -> Array:
        """Return predictions in the unit of the target, shape (n,)."""
        return self.scaler.unscale(self.regressor.predict(features))


def combine(values: Sequence[Array], weights: Sequence[float], transform: Transform) -> Array:
    """Return the weighted sum of predictions, each of shape (n,) and in the target's unit, in the transformed space."""
    total: Array = sum(weight * transformed(each, transform) for each, weight in zip(values, weights, strict=True))  # type: ignore[assignment]
    return total


def bagged(members: Array, transform: Transform, valid: tuple[float | None, float | None]) -> Array:
    """Return the mean of members, shape (K, n) and in the transformed space, in the target's unit and clipped."""
    return clip(restored(members.mean(axis=0), transform), valid)


def clip(values: Array, valid: tuple[float | None, float | None]) -> Array:
    """Clip values in the target's unit to the range that is possible; None where it has no end."""
    return values if valid == (None, None) else np.clip(values, *valid)


def labels_digest(labels: Sequence[str]) -> str:
    """Return the SHA-256 of a featurizer's labels: other labels are other columns."""
    return hashlib.sha256("\n".join(labels).encode()).hexdigest()
