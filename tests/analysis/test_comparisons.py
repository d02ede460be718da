"""Paired tests, corrections, intervals and power laws: against SciPy, closed forms and numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from zoo.analysis.comparisons import Comparison, compare, corrected_resampled_t, gain_interval, holm, paired, power_law

# Ten seeds: a method that is about 10 % better than its reference.
REFERENCE = np.array([1.02, 0.95, 1.10, 0.99, 1.05, 0.91, 1.00, 1.08, 0.97, 1.03])
METHOD = np.array([0.93, 0.88, 0.97, 0.91, 0.93, 0.86, 0.89, 0.98, 0.88, 0.90])


def test_the_tests_are_scipys() -> None:
    found = paired(METHOD, REFERENCE, n_train=500, n_test=100)
    assert found.p == pytest.approx(stats.ttest_rel(METHOD, REFERENCE).pvalue)
    assert found.p_wilcoxon == pytest.approx(stats.wilcoxon(METHOD, REFERENCE).pvalue)
    assert found.p_wilcoxon == pytest.approx(2 / 2**10)  # ten differences of one sign: exact
    assert found.gain == pytest.approx(1 - METHOD.sum() / REFERENCE.sum())
    assert found.low < found.gain < found.high
    assert found.seeds == 10


def test_nadeau_and_bengio_by_hand() -> None:
    """J = 5, differences 1 to 5: mean 3, variance 2.5; n_test/n_train = 1/4, so the variance is 2.5 (1/5 + 1/4)."""
    t, p = corrected_resampled_t([1, 2, 3, 4, 5], n_train=80, n_test=20)
    assert t == pytest.approx(3 / math.sqrt(2.5 * 0.45))
    assert p == pytest.approx(2 * stats.t(df=4).sf(t))


def test_without_test_rows_the_correction_is_none() -> None:
    t, p = corrected_resampled_t(REFERENCE - METHOD, n_train=500, n_test=0)
    plain = stats.ttest_rel(REFERENCE, METHOD)
    assert (t, p) == (pytest.approx(plain.statistic), pytest.approx(plain.pvalue))
    assert corrected_resampled_t(REFERENCE - METHOD, n_train=500, n_test=100)[1] > p


def test_differences_that_do_not_vary() -> None:
    assert corrected_resampled_t([0.0, 0.0, 0.0], n_train=9, n_test=1) == (0.0, 1.0)
    assert corrected_resampled_t([2.0, 2.0, 2.0], n_train=9, n_test=1) == (math.inf, 0.0)


def test_holm_by_hand() -> None:
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04; a later one is never smaller."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_was_not_tested_is_not_counted() -> None:
    found = holm([0.02, math.nan, 0.03])
    assert found[0] == pytest.approx(0.04)
    assert math.isnan(found[1])
    assert found[2] == pytest.approx(0.04)


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_have_no_p_value(seeds: int) -> None:
    found = paired(METHOD[:seeds], REFERENCE[:seeds], n_train=500, n_test=100)
    assert not found.tested
    assert all(map(math.isnan, (found.p, found.p_wilcoxon, found.p_corrected, found.low, found.high)))
    assert found.gain > 0


def test_equal_errors_are_not_different() -> None:
    found = paired(METHOD, METHOD, n_train=500, n_test=100)
    assert (found.gain, found.p, found.p_wilcoxon, found.p_corrected, found.low, found.high) == (0, 1, 1, 1, 0, 0)


def test_unpaired_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="one number per seed"):
        paired(METHOD, REFERENCE[:9], n_train=500, n_test=100)


def test_the_bootstrap_is_paired_and_repeatable() -> None:
    """Every seed is exactly 10 % better, however hard it is: pairing leaves no doubt at all."""
    low, high = gain_interval(REFERENCE * 0.9, REFERENCE)
    assert (low, high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert gain_interval(METHOD, REFERENCE) == gain_interval(METHOD, REFERENCE)


def test_the_interval_covers_the_gain_as_often_as_it_says() -> None:
    """A coverage of 95 %, of 20 seeds, measured on 200 studies: within four standard errors and the known shortfall."""
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        reference = rng.normal(1, 0.1, 20)
        low, high = gain_interval(0.9 * reference + rng.normal(0, 0.05, 20), reference)
        inside += low <= 0.1 <= high
    assert 0.86 <= inside / 200 <= 0.99


def test_a_power_law_is_found() -> None:
    sizes = np.repeat([50, 100, 200, 400], 5)
    noise = np.random.default_rng(0).normal(0, 0.05, len(sizes))
    law = power_law(sizes, 3 * sizes**-0.4 * np.exp(noise))
    assert law is not None
    expected = stats.linregress(np.log(sizes), np.log(3 * sizes**-0.4 * np.exp(noise)))
    assert law.exponent == pytest.approx(expected.slope)
    half = stats.t(df=18).ppf(0.975) * expected.stderr
    assert (law.low, law.high) == (pytest.approx(expected.slope - half), pytest.approx(expected.slope + half))
    assert law.low < -0.4 < law.high
    assert law(100) == pytest.approx(np.exp(expected.intercept) * 100**expected.slope)
    assert law.sizes == 4


def test_without_two_sizes_there_is_no_law() -> None:
    assert power_law([100, 100, 100], [1.0, 1.1, 0.9]) is None
    assert power_law([100, 200, 400], [1.0, math.nan, 0.9]) is None


def test_many_seeds_are_compared_by_a_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    reference = [rng.gamma(2, 1, 30) for _ in range(8)]
    method = [rows * 0.9 + rng.normal(0, 0.02, 30) for rows in reference]
    found = compare(method, reference)
    means = [[rows.mean() for rows in side] for side in (method, reference)]
    assert found.p == pytest.approx(stats.ttest_rel(*means).pvalue)
    assert found.gain == pytest.approx(1 - np.mean(means[0]) / np.mean(means[1]))
    assert found.pairs == 8


def test_one_seed_is_compared_over_rows() -> None:
    rng = np.random.default_rng(2)
    reference = [rng.gamma(2, 1, 40)]
    method = [reference[0] - 0.1]
    found = compare(method, reference)
    assert found.test.startswith("Wilcoxon")
    assert found.p == pytest.approx(stats.wilcoxon(method[0] - reference[0]).pvalue)


def test_equal_methods_are_not_different() -> None:
    rows = [np.array([1.0, 2.0])] * 3
    assert compare(rows, rows).p == 1.0
    assert compare(rows[:1], rows[:1]).p == 1.0


def test_a_notebook_shows_a_comparison_in_a_sentence() -> None:
    worse = Comparison(-0.1234, 0.00001, "paired t-test over 5 seeds", 5)._repr_html_()
    assert "12.3 % higher than the reference&#x27;s; paired t-test over 5 seeds: p &lt; 0.0001." in worse
