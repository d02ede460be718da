"""Split-conformal prediction: intervals from the errors on calibration rows, which are not used for training.

For one network, the half-width at level 1 − α is the ⌈(n + 1)(1 − α)⌉-th smallest of the n absolute residuals of its
calibration rows. If the calibration rows and the new crystal are exchangeable, the interval contains the
new crystal's value with a probability of at least 1 − α, whatever the network (Papadopoulos et al., ECML 2002; Vovk,
Gammerman & Shafer, *Algorithmic Learning in a Random World*, 2005; Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018)).

Several networks, each with its own calibration rows, are combined as in CV+ (Barber et al., Ann. Stat. 49, 486 (2021)):
of all N ends μ_k − r_ki, the ⌊α (N + 1)⌋-th smallest is the lower end of the interval; of all μ_k + r_ki, the
⌈(1 − α)(N + 1)⌉-th smallest is the upper end. For K = 1 this is the rule above. Unlike in CV+, the calibration rows of
different networks may overlap, and a row that calibrates one may have trained another, so the proof differs: a y
outside the interval has a mean conformal p-value of at most α + (1 − α)(K − 1) / (N + K), and a mean of p-values,
however dependent, is a p-value up to a factor of 2 (Vovk & Wang, Biometrika 107, 791 (2020)). For K > 1 only
1 − 2α − 2 (1 − α)(K − 1) / (N + K) is therefore guaranteed. In practice coverage is at least the level, because the
average of the networks errs less than each of them.

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

COVERAGE_LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Levels at which coverage is measured."""

INTERVAL_LEVEL = 0.9
"""Level of the intervals shown in reports and tables."""

MIN_ROWS = 9
"""Minimum number of calibration rows of a network. They also select its best epoch, so the errors on very few of them
are far too small: with 1 to 3 rows, 50 % intervals contained 20 to 33 % of new crystals
(docs/explanation/intervals.md)."""

_ROUNDING = 1e-9
_BLOCK_ENDS = 2_000_000  # number of interval ends held in memory at once


def sketch(values: ArrayLike, size: int) -> tuple[float, ...]:
    """Keep at most `size` of n residuals, such that intervals computed from them are never narrower.

    If there are more, the j-th one kept is the ⌈j (n + 1) / (size + 1)⌉-th smallest. The conformal quantile of those
    kept is then never smaller than that of all.

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
    """Raise an error if a level is out of range or needs more calibration rows than there are.

    Raises
    ------
    InputError
    """
    given: object = level
    if isinstance(given, bool) or not isinstance(given, Real):
        raise InputError(f"the level of an interval is a number such as 0.9, not {level!r}")
    # Below one half the ends may cross if there are several networks.
    if not 0.5 <= level < 1:
        raise InputError(f"--interval {level:g}: must be from 0.5 to below 1; 0.9 gives a 90 % interval")
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
    step = max(1, _BLOCK_ENDS // len(radii))
    for start in range(0, centers.shape[1], step):
        block = slice(start, start + step)
        middle = centers[:, block].T[:, owner]
        lower[block] = -np.partition(radii - middle, position, axis=1)[:, position]
        upper[block] = np.partition(radii + middle, position, axis=1)[:, position]
    return lower, upper


def _rank(rows: int, level: float) -> int:
    """Return ⌈(n + 1)(1 − α)⌉, robust to rounding: (9 + 1) × 0.9 is 9."""
    return max(1, int(np.ceil((rows + 1) * level - _ROUNDING)))


def half_width(calibration: Sequence[float], level: float) -> float | None:
    """Return the half-width of one network's intervals; None with fewer than `MIN_ROWS`, or too few for the level."""
    if len(calibration) < MIN_ROWS or _rank(len(calibration), level) > len(calibration):
        return None
    _, upper = intervals(np.zeros((1, 1)), [calibration], level)
    return float(upper[0])


def covered(residuals: NDArray[np.float64], calibration: Sequence[float], level: float) -> float | None:
    """Return the share of absolute residuals within the half-width; None if there is no half-width."""
    half = half_width(calibration, level)
    return None if half is None else float(np.mean(residuals <= half))


def coverage_band(
    levels: NDArray[np.float64], calibration: int, tested: int, share: float = 0.95
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the range of coverage expected under exchangeability: the central `share` of its distribution.

    The number of covered rows is beta-binomial: `tested` draws with a probability distributed as
    Beta((m + 1)(1 − α), (m + 1) α) for m calibration rows (Vovk, ACML 2012).

    Parameters
    ----------
    levels : array of shape (L,)
        1 − α, below one.
    calibration, tested : int
        Numbers of calibration rows and of test rows.
    share : float

    Returns
    -------
    low, high : arrays of shape (L,)
        Quantiles that cut off equal probabilities in both tails.
    """
    from scipy.stats import betabinom  # slow to import, and needed by one figure only

    inside, tail = (calibration + 1) * levels, (1 - share) / 2
    low, high = (betabinom.ppf(q, tested, inside, calibration + 1 - inside) for q in (tail, 1 - tail))
    return low.astype(np.int64), high.astype(np.int64)
