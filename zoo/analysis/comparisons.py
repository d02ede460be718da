"""Comparison of methods: relative gains with intervals, paired tests, power-law fits of learning curves.

The tests take one number per seed, the error of a method on that seed's test rows. They are paired, because all methods
of a seed share the same training and test rows. Only :func:`compare` falls back to a test over rows when there are too
few seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from zoo._utils.wording import as_html, format_p, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

# scipy.stats and statsmodels take up to a second to import, so they are imported where they are used.

MIN_SEEDS = 3
"""Minimum number of seeds for a test over seeds: with two, the standard deviation has one degree of freedom."""

CONFIDENCE = 0.95
"""Confidence level of the intervals of gains and exponents."""

RESAMPLES = 9999
"""Number of bootstrap samples, drawn with a fixed seed so that reports are exactly reproducible."""

NAN = float("nan")

Metric = Literal["mae", "rmse", "log_loss"]


@dataclass(frozen=True)
class Comparison:
    """Comparison of a method with a reference on the same test rows, by a single test.

    Parameters
    ----------
    gain : float
        Reduction of the mean error, as a fraction of the reference's.
    p : float
        Two-sided p-value of `test`.
    test : str
        Name of the test and of its samples.
    pairs : int
        Number of pairs tested.
    """

    gain: float
    p: float
    test: str
    pairs: int

    def _repr_html_(self) -> str:
        """Return the comparison as a sentence, for notebooks."""
        change = f"The error is {percent(abs(self.gain))} {'lower' if self.gain > 0 else 'higher'} than the reference's"
        return as_html(f"{change}; {self.test}: p = {format_p(self.p)}.".replace("= <", "<"))


@dataclass(frozen=True)
class Paired:
    """Comparison of a method with a reference, paired over seeds, by all tests.

    Parameters
    ----------
    gain : float
        Reduction of the mean error, as a fraction of the reference's; negative if the method is worse.
    low, high : float
        Bootstrap interval of `gain`; NaN with fewer than `MIN_SEEDS` seeds.
    p : float
        Two-sided p-value of the paired t-test.
    p_wilcoxon : float
        Two-sided p-value of Wilcoxon's signed-rank test.
    p_corrected : float
        Two-sided p-value of the corrected resampled t-test, see :func:`corrected_resampled_t`.
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
        """Whether there are enough seeds for a test."""
        return self.seeds >= MIN_SEEDS


def compare(
    method: Sequence[ArrayLike], reference: Sequence[ArrayLike], *, metric: Metric = "mae", over: str = "seeds"
) -> Comparison:
    """Compare absolute errors over seeds or folds.

    With `MIN_SEEDS` seeds or more: a paired t-test over the errors of the seeds, as in Lee & Asahi (2021). With fewer:
    Wilcoxon's signed-rank test over the test rows. The latter tests whether this particular model is better on these
    rows, not whether a model trained with another seed would be.

    Parameters
    ----------
    method, reference : sequence over seeds of arrays of shape (n,)
        Absolute errors, or logarithmic losses, on the test rows of each seed, in the same order of rows.
    metric : {"mae", "rmse", "log_loss"}
        Average over the rows of a seed: the mean, or the root of the mean square.
    over : str
        Name of the samples: "seeds" or "folds".
    """
    ours = [np.asarray(rows, dtype=np.float64) for rows in method]
    theirs = [np.asarray(rows, dtype=np.float64) for rows in reference]
    mean_ours, mean_theirs = (
        np.array([np.sqrt((rows**2).mean()) if metric == "rmse" else rows.mean() for rows in side])
        for side in (ours, theirs)
    )
    gain = float(relative_gain(mean_ours, mean_theirs))
    if len(ours) >= MIN_SEEDS:
        name = f"paired t-test over {len(ours)} {over}"
        return Comparison(gain, paired_t(mean_ours, mean_theirs), name, len(ours))
    rows_ours, rows_theirs = np.concatenate(ours), np.concatenate(theirs)
    name = f"Wilcoxon signed-rank test over {len(rows_ours)} test rows"
    return Comparison(gain, signed_rank(rows_ours, rows_theirs), name, len(rows_ours))


def paired_t(method: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of the paired t-test between errors of shape (pairs,); 1 if they are equal."""
    from scipy import stats

    if np.allclose(method, reference, rtol=1e-12, atol=0):
        return 1.0
    return float(stats.ttest_rel(method, reference).pvalue)


def signed_rank(method: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test of errors of shape (pairs,); 1 if they are equal."""
    from scipy import stats

    return float(stats.wilcoxon(method, reference).pvalue) if np.any(method != reference) else 1.0


def paired(method: ArrayLike, reference: ArrayLike, *, n_train: int, n_test: int) -> Paired:
    """Compare the errors of a method with those of a reference, seed by seed.

    With fewer than `MIN_SEEDS` seeds all p-values and the interval are NaN.

    Parameters
    ----------
    method, reference : array-like of shape (seeds,)
        Mean error on the test rows of each seed, with seeds in the same order.
    n_train, n_test : int
        Number of training and test rows of each seed.

    Raises
    ------
    ValueError
        If the numbers of seeds differ or are zero.

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
    low, high = gain_interval(ours, theirs)
    return Paired(
        gain,
        low,
        high,
        paired_t(ours, theirs),
        signed_rank(ours, theirs),
        corrected_resampled_t(theirs - ours, n_train=n_train, n_test=n_test)[1],
        len(ours),
    )


def relative_gain(method: NDArray[np.float64], reference: NDArray[np.float64], axis: int = -1) -> float:
    """Return the reduction of the mean error, as a fraction of the reference's."""
    gain: float = 1 - method.mean(axis=axis) / reference.mean(axis=axis)
    return gain


def gain_interval(method: ArrayLike, reference: ArrayLike) -> tuple[float, float]:
    """Return the bootstrap interval of the relative gain over paired seeds.

    Bias-corrected and accelerated (Efron, J. Am. Stat. Assoc. 82, 171 (1987); ``scipy.stats.bootstrap``); percentiles
    where that is undefined. With few seeds it tends to be too narrow: three seeds have only ten distinct resamples.

    Parameters
    ----------
    method, reference : array-like of shape (seeds,)
    """
    import warnings

    from scipy import stats

    sides = (np.asarray(method, dtype=np.float64), np.asarray(reference, dtype=np.float64))
    for kind in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # degenerate samples give NaN, handled below
            interval = stats.bootstrap(
                sides,
                relative_gain,
                paired=True,
                vectorized=True,
                confidence_level=CONFIDENCE,
                n_resamples=RESAMPLES,
                method=kind,
                rng=np.random.default_rng(0),
            ).confidence_interval
        if np.isfinite([interval.low, interval.high]).all():
            break
    return float(interval.low), float(interval.high)


def corrected_resampled_t(differences: ArrayLike, *, n_train: int, n_test: int) -> tuple[float, float]:
    """Return t and the two-sided p-value of the corrected resampled t-test.

    Training sets drawn from one table share rows, so the errors of different seeds are not independent, and the plain
    paired t-test is too liberal. Nadeau & Bengio, Mach. Learn. 52, 239 (2003), section 3, estimate the variance of the
    mean of J differences as (1/J + n_test/n_train) s² instead of s²/J; t has J - 1 degrees of freedom. Neither SciPy
    nor statsmodels has this test. It was derived for training sets that overlap as much as those of a
    cross-validation; where a small training set is drawn from a large table it is conservative.

    Parameters
    ----------
    differences : array-like of shape (J,)
        Differences between the errors of two methods, per seed; J is at least 2.
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
    """Correct p-values for multiple comparisons (Holm, Scand. J. Stat. 6, 65 (1979)).

    NaN marks an untested comparison; it stays NaN and is not counted.

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
    """Fit of error = `factor` · size^`exponent`, with the interval of the exponent and the number of sizes fitted."""

    factor: float
    exponent: float
    low: float
    high: float
    sizes: int

    def __call__(self, size: ArrayLike) -> NDArray[np.float64]:
        """Return the fitted error for a training-set size."""
        return np.asarray(self.factor * np.asarray(size, dtype=np.float64) ** self.exponent)


def power_law(sizes: ArrayLike, errors: ArrayLike, *, level: float = CONFIDENCE) -> PowerLaw | None:
    """Fit the error as a power of the training-set size, by least squares of log error on log size.

    Parameters
    ----------
    sizes, errors : array-like of shape (n,)
        One pair per size and seed. Pairs with an error of zero or NaN have no logarithm and are left out.
    level : float
        Confidence of the interval of the exponent (Student's t with n - 2 degrees of freedom). All pairs count as
        independent. The sizes of a seed share their test rows, so differences between seeds shift whole curves, and
        the interval is conservative.

    Returns
    -------
    PowerLaw or None
        None with fewer than two sizes or three pairs.

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
