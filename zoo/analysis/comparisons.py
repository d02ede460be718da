"""Is one method better than another: gains with their intervals, paired tests over seeds, error against size.

Everything here takes one number per seed: the error of a method on that seed's test rows. Seeds are paired, because
all methods of a seed have the same training and test rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.analysis.metrics import MIN_SEEDS, paired_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
"""Confidence of every interval."""

RESAMPLES = 9999
"""Bootstrap samples; drawn with a fixed seed, so that a report can be made again to the last digit."""

NAN = float("nan")


@dataclass(frozen=True)
class Paired:
    """A method against a reference, paired over seeds.

    Parameters
    ----------
    gain : float
        Reduction of the mean error, as a fraction of the reference's; negative if the method is worse.
    low, high : float
        Bootstrap interval of `gain`; NaN with fewer than `MIN_SEEDS` seeds.
    p : float
        Two-sided p-value of the paired t-test.
    p_wilcoxon : float
        Of Wilcoxon's signed-rank test.
    p_corrected : float
        Of the corrected resampled t-test, see :func:`corrected_resampled_t`.
    seeds : int
        Number of pairs.
    """

    gain: float
    low: float
    high: float
    p: float
    p_wilcoxon: float
    p_corrected: float
    seeds: int

    @property
    def tested(self) -> bool:
        """Whether there are seeds enough for a test."""
        return self.seeds >= MIN_SEEDS


def paired(method: ArrayLike, reference: ArrayLike, *, n_train: int, n_test: int) -> Paired:
    """Compare the errors of a method with those of a reference, seed by seed.

    With fewer than `MIN_SEEDS` seeds all p-values and the interval are NaN.

    Parameters
    ----------
    method, reference : array-like of shape (seeds,)
        Mean error on the test rows of each seed, in the same order of seeds.
    n_train, n_test : int
        Rows that were trained and tested on in each seed.

    Raises
    ------
    ValueError
        If the numbers of seeds differ, or there is none.

    Examples
    --------
    >>> found = paired([8.0, 9.0, 8.5, 9.5], [10.0, 10.5, 10.0, 12.5], n_train=90, n_test=10)
    >>> f"{found.gain:.3f} {found.p:.3f} {found.p_wilcoxon:.3f} {found.p_corrected:.3f}"
    '0.186 0.011 0.125 0.018'
    """
    ours, theirs = np.asarray(method, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if ours.shape != theirs.shape or ours.ndim != 1 or not len(ours):
        raise ValueError(
            f"paired errors of shapes {ours.shape} and {theirs.shape}: one number per seed is needed in each"
        )
    gain = relative_gain(ours, theirs)
    if len(ours) < MIN_SEEDS:
        return Paired(gain, NAN, NAN, NAN, NAN, NAN, len(ours))
    if np.allclose(ours, theirs, rtol=1e-12, atol=0):
        return Paired(gain, 0.0, 0.0, 1.0, 1.0, 1.0, len(ours))
    from scipy import stats

    low, high = gain_interval(ours, theirs)
    return Paired(
        gain,
        low,
        high,
        paired_t(ours, theirs),
        float(stats.wilcoxon(ours, theirs).pvalue),
        corrected_resampled_t(theirs - ours, n_train=n_train, n_test=n_test)[1],
        len(ours),
    )


def relative_gain(method: NDArray[np.float64], reference: NDArray[np.float64], axis: int = -1) -> float:
    """Return by which fraction of the reference's mean error the method's is smaller."""
    gain: float = 1 - method.mean(axis=axis) / reference.mean(axis=axis)
    return gain


def gain_interval(
    method: ArrayLike, reference: ArrayLike, *, level: float = LEVEL, seed: int = 0
) -> tuple[float, float]:
    """Return the bootstrap interval of the relative gain over paired seeds.

    Bias-corrected and accelerated (Efron, J. Am. Stat. Assoc. 82, 171 (1987); ``scipy.stats.bootstrap``), from the
    percentiles where that is undefined. Few seeds make it too narrow rather than too wide: a resample of three seeds
    has ten different outcomes only.

    Parameters
    ----------
    method, reference : array-like of shape (seeds,)
    level : float
    seed : int
        Of the resampling.
    """
    import warnings

    from scipy import stats

    sides = (np.asarray(method, dtype=np.float64), np.asarray(reference, dtype=np.float64))
    for kind in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a degenerate sample: seen from the NaN
            interval = stats.bootstrap(
                sides,
                relative_gain,
                paired=True,
                vectorized=True,
                confidence_level=level,
                n_resamples=RESAMPLES,
                method=kind,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite([interval.low, interval.high]).all():
            break
    return float(interval.low), float(interval.high)


def corrected_resampled_t(differences: ArrayLike, *, n_train: int, n_test: int) -> tuple[float, float]:
    """Return t and the two-sided p-value of the corrected resampled t-test.

    Training sets drawn from one table share rows, so that the errors of different seeds are not independent and the
    plain paired t-test finds too much. Nadeau & Bengio, Mach. Learn. 52, 239 (2003), section 3, put
    (1/J + n_test/n_train) s² in place of s²/J as the variance of the mean of J differences; t then has J - 1 degrees of
    freedom. Their derivation is for training sets that overlap as much as those of a cross-validation do; where a
    small training set is drawn from a large table the test is stricter than it need be.

    Parameters
    ----------
    differences : array-like of shape (J,)
        Of the errors of two methods, per seed; J at least 2.
    n_train, n_test : int
    """
    from scipy import stats

    values = np.asarray(differences, dtype=np.float64)
    variance = (1 / len(values) + n_test / n_train) * values.var(ddof=1)
    if variance == 0:
        return (0.0, 1.0) if values.mean() == 0 else (float(np.copysign(np.inf, values.mean())), 0.0)
    t = float(values.mean() / np.sqrt(variance))
    return t, float(2 * stats.t.sf(abs(t), len(values) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for the number of comparisons that were made (Holm, Scand. J. Stat. 6, 65 (1979)).

    NaN, a comparison that was not tested, stays NaN and is not counted.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03, float("nan")])
    [0.03, 0.06, 0.06, nan]
    """
    from statsmodels.stats.multitest import multipletests

    p = np.asarray(p_values, dtype=np.float64)
    tested = np.isfinite(p)
    corrected = np.full(len(p), np.nan)
    if tested.any():
        corrected[tested] = multipletests(p[tested], method="holm")[1]
    return [float(value) for value in corrected]


@dataclass(frozen=True)
class PowerLaw:
    """Error = `factor` · size^`exponent`, with the interval of the exponent; how many sizes it was fitted to."""

    factor: float
    exponent: float
    low: float
    high: float
    sizes: int

    def __call__(self, size: ArrayLike) -> NDArray[np.float64]:
        """Return the error at a size, by the fit."""
        return np.asarray(self.factor * np.asarray(size, dtype=np.float64) ** self.exponent)


def power_law(sizes: ArrayLike, errors: ArrayLike, *, level: float = LEVEL) -> PowerLaw | None:
    """Fit the error as a power of the training-set size: least squares of log error on log size.

    Parameters
    ----------
    sizes, errors : array-like of shape (n,)
        One pair per size and seed. Pairs with an error of zero or NaN have no logarithm and are left out.
    level : float
        Confidence of the interval of the exponent (Student's t with n - 2 degrees of freedom). It takes all pairs for
        independent; but the sizes of a seed share test rows, what seeds differ by moves all of them alike, and so the
        interval is too wide rather than too narrow.

    Returns
    -------
    PowerLaw or None
        None with fewer than two sizes or three pairs: there is nothing to fit.

    Examples
    --------
    >>> law = power_law([100, 200, 400], [1.0, 0.5, 0.25])
    >>> f"{law.exponent:.2f}"
    '-1.00'
    """
    import statsmodels.api as sm

    x, y = np.asarray(sizes, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    usable = np.isfinite(y) & (y > 0)
    x, y = x[usable], y[usable]
    different = len(np.unique(x))
    if different < 2 or len(x) < 3:
        return None
    fit = sm.OLS(np.log(y), sm.add_constant(np.log(x))).fit()
    low, high = fit.conf_int(alpha=1 - level)[1]
    return PowerLaw(float(np.exp(fit.params[0])), float(fit.params[1]), float(low), float(high), different)
