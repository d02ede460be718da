"""Split-conformal prediction: intervals from the errors on rows that trained nothing.

The rule, for one network: of the n absolute residuals of its calibration rows, the half-width at level 1 − α is the
⌈(n + 1)(1 − α)⌉-th smallest. If the calibration rows and the new crystal are exchangeable, the interval holds the new
crystal's value with a probability of at least 1 − α, whatever the network (Papadopoulos et al., ECML 2002; Vovk,
Gammerman & Shafer, *Algorithmic Learning in a Random World*, 2005; Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018)).

Several networks, each with calibration rows of its own, are put together as in CV+ (Barber et al., Ann. Stat. 49, 486
(2021)): of all N ends μ_k − r_ki the ⌊α (N + 1)⌋-th smallest is the lower end of the interval, and of all μ_k + r_ki
the ⌈(1 − α)(N + 1)⌉-th smallest the upper one. For K = 1 that is the rule above. Here the calibration rows of different
networks may overlap, and a row that calibrates one may have trained another. So the proof is another one, with the same
result: y outside the interval has a mean conformal p-value of at most α + (1 − α)(K − 1) / (N + K), and a mean of
p-values, whatever they have to do with each other, is a p-value up to a factor of 2 (Vovk & Wang, Biometrika 107, 791
(2020)). The guarantee for K > 1 is therefore 1 − 2α − 2 (1 − α)(K − 1) / (N + K) only. In practice such intervals hold
at least as often as asked for, as the networks together err less than each alone.

Residuals and predictions are in the transformed space of the task: for a task in log10, an interval is a factor.
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Levels at which the coverage is measured."""

LEVEL = 0.9
"""The one that is shown."""

MIN_ROWS = 9
"""Fewest calibration rows of a network. They chose its epoch, and of fewer rows the errors at the best of all epochs
say nothing: with 1 to 3, intervals at 50 % held 20 to 33 % of new crystals (docs/prediction.md)."""

_EXACT = 1e-9
_BLOCK = 2_000_000


def sketch(values: ArrayLike, size: int) -> tuple[float, ...]:
    """Keep at most `size` of n numbers, such that the rule of this module errs to the safe side with them.

    Where there are more, the j-th that is kept is the ⌈j (n + 1) / (size + 1)⌉-th smallest: the quantile that the rule
    takes of those kept is then never smaller than that of all.

    Returns
    -------
    tuple of float
        Ascending, rounded up to six digits.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if len(ordered) > size:
        ranks = -(-np.arange(1, size + 1) * (len(ordered) + 1) // (size + 1))
        ordered = ordered[ranks - 1]
    rounded = (float(f"{value:.6g}") for value in ordered * (1 + 5e-6))
    return tuple(rounded)


def check_level(level: float, calibrations: Sequence[Sequence[float]]) -> None:
    """Refuse a level that is none, or that the calibration rows are too few for.

    Raises
    ------
    InputError
    """
    given: object = level
    if isinstance(given, bool) or not isinstance(given, Real):
        raise InputError(f"an interval is asked for by a number, such as 0.9, not {level!r}")
    # Below a half the ends of several networks may cross, and nobody wants an interval that mostly fails.
    if not 0.5 <= level < 1:
        raise InputError(f"--interval {level:g}: from 0.5 to below 1; 0.9 asks for a 90 % interval")
    rows = sum(map(len, calibrations))
    if _rank(rows, level) > rows:
        most = np.floor(1000 * rows / (rows + 1)) / 1000
        raise InputError(
            f"--interval {level:g} needs more calibration rows than the {rows} there are: at most {most:g}"
        )


def intervals(
    centers: NDArray[np.float64], calibrations: Sequence[Sequence[float]], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and upper ends of intervals, each of shape (n,).

    Parameters
    ----------
    centers : array of shape (K, n)
        Predictions of the K networks.
    calibrations : K sequences of float
        Absolute residuals of each network on rows that it was not trained on.
    level : float
        1 − α.

    Raises
    ------
    InputError
        As :func:`check_level` does.

    Examples
    --------
    >>> lower, upper = intervals(np.array([[10.0]]), [[1, 2, 3, 4, 5, 6, 7, 8, 9]], 0.8)
    >>> float(lower[0]), float(upper[0])  # the eighth of nine: ⌈10 × 0.8⌉
    (2.0, 18.0)
    """
    check_level(level, calibrations)
    radii = np.concatenate([np.asarray(each, dtype=np.float64) for each in calibrations])
    owner = np.repeat(np.arange(len(calibrations)), [len(each) for each in calibrations])
    position = _rank(len(radii), level) - 1
    lower, upper = np.empty(centers.shape[1]), np.empty(centers.shape[1])
    step = max(1, _BLOCK // len(radii))
    for start in range(0, centers.shape[1], step):
        block = slice(start, start + step)
        middle = centers[:, block].T[:, owner]
        lower[block] = -np.partition(radii - middle, position, axis=1)[:, position]
        upper[block] = np.partition(radii + middle, position, axis=1)[:, position]
    return lower, upper


def _rank(rows: int, level: float) -> int:
    """Return ⌈(n + 1)(1 − α)⌉; (9 + 1) × 0.9 is 9, whatever binary numbers make of it."""
    return max(1, int(np.ceil((rows + 1) * level - _EXACT)))


def half_width(calibration: Sequence[float], level: float) -> float | None:
    """Return the half-width of one network's intervals; None with fewer than `MIN_ROWS`, or too few for the level."""
    if len(calibration) < MIN_ROWS or _rank(len(calibration), level) > len(calibration):
        return None
    _, upper = intervals(np.zeros((1, 1)), [calibration], level)
    return float(upper[0])


def covered(residuals: NDArray[np.float64], calibration: Sequence[float], level: float) -> float | None:
    """Return the share of absolute residuals within the half-width; None where there is none."""
    half = half_width(calibration, level)
    return None if half is None else float(np.mean(residuals <= half))


def spread(
    levels: NDArray[np.float64], calibration: int, tested: int, share: float = 0.95
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return between which numbers of test rows an interval holds in a share of all draws, if rows are exchangeable.

    The number is then beta-binomial: of `tested` draws, with a probability whose distribution is
    Beta((m + 1)(1 − α), (m + 1) α) for m calibration rows (Vovk, ACML 2012). ``scipy.stats.betabinom`` gives the same
    quantiles, at the price of its import: most of a second at the end of every run.

    Parameters
    ----------
    levels : array of shape (L,)
        1 − α, below one.
    calibration, tested : int
        Rows that calibrate, and rows that are tested.
    share : float

    Returns
    -------
    low, high : arrays of shape (L,)
        The quantiles that leave out equal parts at both ends.
    """
    held, outside = np.arange(tested), (1 - share) / 2
    found = np.empty((2, len(levels)), dtype=np.int64)
    for column, inside in enumerate((calibration + 1) * levels):
        # How much likelier it is to hold one row more; of all numbers, relative to the likeliest.
        ratios = (tested - held) / (held + 1) * (held + inside) / (tested - held + calibration - inside)
        logarithms = np.append(0.0, np.cumsum(np.log(ratios)))
        below = np.cumsum(np.exp(logarithms - logarithms.max()))
        found[:, column] = np.searchsorted(below, np.array([outside, 1 - outside]) * below[-1])
    return found[0], found[1]
