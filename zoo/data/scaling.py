"""Target scaling: physical unit → the network's output, and back.

A target y passes through three invertible maps. Their constants are fitted to the training rows and stored in the
checkpoint:

1. the task's transform, t = y or t = log10(y);
2. standardisation, z = (t − μ) / σ, with mean and standard deviation of the training rows;
3. tanh scaling, s = b · tanh(z / b), which maps every property to the same range (−b, b) and hardly changes values
   near the mean (unit slope at z = 0).

Lee & Asahi, Comput. Mater. Sci. 190, 110314 (2021), scale source and target property to a common bounded range by a
tanh of the standardised value; b = 3 is our choice. With b = None step 3 is left out, as in the checkpoints of the
original CGCNN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from zoo.registry.contracts import Transform

BOUND = 3.0
"""b of the tanh scaling, in standard deviations."""

LIMIT_MARGIN = 1.0
"""Number of standard deviations by which predictions may exceed the most extreme training target."""

DECADES = 2.0
"""Decades that the middle 90 % of a property's values span if it is better learned in log10."""

MIN_VALUES = 10
"""Fewest values from which a transform is proposed."""

_MAX_TANH = 1.0 - 1e-6


@dataclass(frozen=True)
class TargetScaler:
    """The three maps with their constants.

    Parameters
    ----------
    transform : {"identity", "log10"}
    mean, std : float
        Mean and standard deviation of the transformed training targets, in their transformed unit.
    bound : float or None
        b of the tanh scaling, in standard deviations; None for a plain z-score.
    limit : float or None
        Largest |z| of a prediction; None for no limit. The inverse tanh is so steep near its ends that a small
        error of the network would turn into a modulus of a thousand terapascals.

    Examples
    --------
    >>> scaler = TargetScaler.fit([10.0, 100.0, 1000.0], "log10")
    >>> scaler.scale([100.0]).round(6).tolist()
    [0.0]
    >>> scaler.unscale(scaler.scale([37.0])).round(6).tolist()
    [37.0]
    """

    transform: Transform
    mean: float
    std: float
    bound: float | None = BOUND
    limit: float | None = None

    @classmethod
    def fit(cls, values: ArrayLike, transform: Transform = "identity", bound: float | None = BOUND) -> TargetScaler:
        """Fit the constants to training targets.

        Parameters
        ----------
        values : array-like of shape (n,)
            Targets of the training rows, in the task's unit.
        transform : {"identity", "log10"}
        bound : float or None

        Raises
        ------
        InputError
            If all targets are equal, so that there is nothing to learn.
        """
        targets = transformed(values, transform)
        std = float(targets.std())
        if not std > 1e-12 * float(np.abs(targets).max(initial=0.0)):
            raise InputError(f"all {len(targets)} training targets are equal; there is nothing to learn from them")
        mean = float(targets.mean())
        limit = None if bound is None else float(np.abs(targets - mean).max() / std) + LIMIT_MARGIN
        return cls(transform, mean, std, bound, limit)

    def scale(self, values: ArrayLike) -> NDArray[np.float64]:
        """Map targets of shape (n,) in the task's unit to network outputs."""
        z = (transformed(values, self.transform) - self.mean) / self.std
        return z if self.bound is None else self.bound * np.tanh(z / self.bound)

    def unscale(self, scaled: ArrayLike) -> NDArray[np.float64]:
        """Map network outputs of shape (n,) back to the task's unit."""
        z = np.asarray(scaled, dtype=np.float64)
        if self.bound is not None:
            z = self.bound * np.arctanh(np.clip(z / self.bound, -_MAX_TANH, _MAX_TANH))
        if self.limit is not None:
            z = np.clip(z, -self.limit, self.limit)
        return restored(z * self.std + self.mean, self.transform)


def propose_transform(values: ArrayLike) -> tuple[Transform, str]:
    """Propose the transform of a property from its training values, with the reason.

    It is log10 if all values are positive and their middle 90 % (between the 5 % and 95 % quantiles) span at least
    two decades, as those of conductivities do; moduli, dielectric constants and gaps span 1 to 1.5. Otherwise the
    values themselves are learned.

    Parameters
    ----------
    values : array-like of shape (n,)
        Targets of training rows only.

    Returns
    -------
    transform : {"identity", "log10"}
    reason : str

    Examples
    --------
    >>> import numpy as np
    >>> propose_transform(np.geomspace(0.001, 10, 50))
    ('log10', 'the middle 90 % of the training values span 3.6 decades')
    >>> propose_transform(np.linspace(5, 400, 50))
    ('identity', 'the middle 90 % of the training values span 1.2 decades')
    >>> propose_transform(np.linspace(-1, 1, 50))
    ('identity', 'not all training values are positive')
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) < MIN_VALUES:
        return "identity", f"fewer than {MIN_VALUES} rows are always training rows, too few to tell"
    if not (array > 0).all():
        return "identity", "not all training values are positive"
    low, high = np.quantile(np.log10(array), (0.05, 0.95))
    reason = f"the middle 90 % of the training values span {high - low:.1f} decades"
    return ("log10" if high - low >= DECADES else "identity"), reason


UNSCALED = TargetScaler("identity", 0.0, 1.0, bound=None)
"""Scaling of logits and probabilities, which are not scaled."""


def transformed(values: ArrayLike, transform: Transform) -> NDArray[np.float64]:
    """Apply a task's transform to values of shape (n,) in the task's unit."""
    array = np.asarray(values, dtype=np.float64)
    return np.log10(array) if transform == "log10" else array


def restored(values: NDArray[np.float64], transform: Transform) -> NDArray[np.float64]:
    """Invert :func:`transformed`."""
    return 10.0**values if transform == "log10" else values
