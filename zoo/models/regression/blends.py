"""Blends: weighted sums of a network and classical regressors.

Each member of a blended checkpoint is one such sum, taken in the transformed space of the target (log10 for a task in
log10). The members are the fits of a cross-validation, each trained without one fold of the rows. Their predictions are
averaged in the transformed space, converted back, and clipped to the range that the task declares valid.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo.analysis.difficulty import disagreement
from zoo.analysis.probabilities import softmax, tempered
from zoo.data.scaling import restored, transformed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zoo.data.scaling import TargetScaler
    from zoo.models.regression.classifiers import Classifier
    from zoo.models.regression.kernel_groups import KernelGroup
    from zoo.models.regression.regressors import Regressor
    from zoo.registry.contracts import Transform

    Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WeightedRegressor:
    """A regressor in a blend.

    Parameters
    ----------
    name : str
        Display name, such as ``"svr on magpie-structure"``.
    regressor : Regressor or Classifier
    scaler : TargetScaler
        Maps the regressor's output to the unit of the target; its transform is the one used in training.
    weight : float
    featurizers : tuple of str
        Names of the featurizers whose concatenated vectors are the input.
    experts : tuple of int
        Frozen experts of the network whose vectors are appended to the input.
    """

    name: str
    regressor: Regressor | Classifier
    scaler: TargetScaler
    weight: float
    featurizers: tuple[str, ...] = ()
    experts: tuple[int, ...] = ()

    def predict(self, features: Array) -> Array:
        """Return predictions in the unit of the target, shape (n,), or the probabilities of K classes, (n, K)."""
        return self.scaler.unscale(self.regressor.predict(features))


class Inputs:
    """Features read by the regressors of a blend; each combination is assembled once and cached.

    Parameters
    ----------
    vectors : mapping of featurizer to array of shape (n, columns)
    experts : array of shape (n, D) or None
        Concatenated vectors of all frozen experts.
    sizes : sequence of int
        Number of columns of each expert; empty without experts.
    """

    def __init__(self, vectors: Mapping[str, Array], experts: NDArray[Any] | None, sizes: Sequence[int] = ()) -> None:
        self._vectors, self._experts = vectors, experts
        self._ends = np.cumsum([0, *sizes])
        self._made: dict[tuple[Any, ...], Array] = {}

    def of(self, featurizers: tuple[str, ...], experts: tuple[int, ...]) -> Array:
        """Return the concatenated vectors of the given featurizers and experts, shape (n, d)."""
        key = featurizers, experts
        if key not in self._made:
            parts = [self._vectors[name] for name in featurizers]
            if experts:
                assert self._experts is not None
                columns = np.concatenate([np.arange(self._ends[each], self._ends[each + 1]) for each in experts])
                parts.append(self._experts[:, columns].astype(np.float64))
            self._made[key] = np.concatenate(parts, axis=1)
        return self._made[key]

    def select(self, rows: NDArray[np.int64]) -> Inputs:
        """Return the features of some of the crystals."""
        vectors = {name: each[rows] for name, each in self._vectors.items()}
        experts = None if self._experts is None else self._experts[rows]
        return Inputs(vectors, experts, np.diff(self._ends).tolist())


class _Member(Protocol):
    @property
    def scaler(self) -> TargetScaler: ...
    @property
    def weight(self) -> float: ...
    @property
    def temperature(self) -> float: ...
    @property
    def regressors(self) -> tuple[WeightedRegressor, ...]: ...


def member_values(
    member: _Member, network: NDArray[Any] | None, inputs: Inputs, kernels: KernelGroup | None = None
) -> tuple[Array, Array]:
    """Return the predictions of one member of a checkpoint, and the disagreement of the models that it sums.

    Parameters
    ----------
    member : Member or MemberArrays
    network : array or None
        Scaled outputs of the member's network; None if its weight is 0.
    inputs : Inputs
    kernels : KernelGroup, optional
        Evaluates the member's kernel machines together.

    Returns
    -------
    values, disagreements : arrays of shape (n,)
        In the transformed space; see :func:`zoo.analysis.difficulty.disagreement`. For K classes, the values are
        probabilities of shape (n, K), calibrated by the member's temperature, and there is no disagreement.
    """
    transform = member.scaler.transform
    parts, shares = [], []
    if network is not None:
        output = member.scaler.unscale(network)
        parts.append(softmax(output) if output.ndim == 2 else transformed(output, transform))
        shares.append(member.weight)
    known = kernels.predict(inputs) if kernels else {}
    for place, each in enumerate(member.regressors):
        numbers = [
            known[place, position]
            if (place, position) in known
            else part.predict(inputs.of(each.featurizers, each.experts))
            for position, part in enumerate(each.regressor.parts)
        ]
        parts.append(transformed(each.scaler.unscale(each.regressor.combined(numbers)), transform))
        shares.append(each.weight)
    values, weights = np.stack(parts), np.array(shares)
    if values.ndim == 3:
        return tempered(np.tensordot(weights, values, axes=1), member.temperature), np.zeros(values.shape[1])
    total: Array = np.sum(weights[:, None] * values, axis=0, dtype=np.float64)
    return total, disagreement(values, weights)


def bagged(members: Array, transform: Transform, valid: tuple[float | None, float | None]) -> Array:
    """Average the transformed predictions of all members; return them clipped, in the target's unit.

    `members` has the shape (members, n), or (members, n, K) for K classes.
    """
    return clip(restored(members.mean(axis=0), transform), valid)


def clip(values: Array, valid: tuple[float | None, float | None]) -> Array:
    """Clip values in the target's unit to the valid range; a bound of None is open."""
    return values if valid == (None, None) else np.clip(values, *valid)


def labels_digest(labels: Sequence[str]) -> str:
    """Return the SHA-256 digest of a featurizer's labels, which identifies its columns."""
    return hashlib.sha256("\n".join(labels).encode()).hexdigest()
