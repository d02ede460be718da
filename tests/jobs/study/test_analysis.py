"""What follows from a study's errors: comparisons, and sentences that claim no more than was found."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from zoo._utils.wording import interval
from zoo.analysis.comparisons import corrected_resampled_t
from zoo.analysis.metrics import errors
from zoo.jobs.study.analysis import Analysis
from zoo.training.settings import FROM_SCRATCH

ROWS = 40
FACTORS = MappingProxyType({FROM_SCRATCH: 1.0, "dEf-10k": 0.8, "Eg-NM": 0.95, "rf": 0.9, "mean": 3.0})
KINDS = MappingProxyType(
    {FROM_SCRATCH: "scratch", "dEf-10k": "transfer", "Eg-NM": "transfer", "rf": "classical", "mean": "classical"}
)


def cells(seeds: int, noise: float, factors: dict[str, float], *, log10: bool) -> pd.DataFrame:
    """Errors of predictions that are off by 10/√size from scratch, and by a factor of it with other methods."""
    rng = np.random.default_rng(0)
    targets = {seed: rng.uniform(50, 90, ROWS) for seed in range(seeds)}
    rows = []
    for size in (50, 200):
        for seed in range(seeds):
            shape = rng.choice([-1, 1], ROWS) * rng.uniform(0.5, 1.5, ROWS)
            for method, factor in factors.items():
                error = factor * (1 + noise * rng.normal()) * 10 / size**0.5 * shape
                found = errors(targets[seed], targets[seed] + error, log10=log10)
                rows.append({"method": method, "size": size, "seed": seed, "test_rows": ROWS, **found})
    return pd.DataFrame(rows)


def analysis(
    seeds: int = 6, noise: float = 0.02, factors: dict[str, float] | None = None, transform: str = "identity"
) -> Analysis:
    """What follows from `cells`."""
    factors = dict(FACTORS) if factors is None else factors
    found = cells(seeds, noise, factors, log10=transform == "log10")
    return Analysis(found, {method: KINDS[method] for method in factors}, transform)  # type: ignore[arg-type]


def test_methods_are_compared_by_what_they_are_trained_on() -> None:
    found, log = analysis(), analysis(transform="log10")
    assert (found.errors.error == found.errors.mae).all()
    assert (log.errors.error == log.errors.mae_log10).all()
    assert (log.errors.mae == found.errors.mae).all()


def test_comparisons_are_with_scratch_and_of_the_best_with_the_best() -> None:
    found = analysis()
    made = [(each.method, each.reference) for each in found.compared if each.size == 50]
    assert made == [(m, FROM_SCRATCH) for m in ("dEf-10k", "Eg-NM", "rf", "mean")] + [("dEf-10k", "rf")]
    assert found.best("transfer", 50) == "dEf-10k"
    assert found.best("classical", 50) == "rf"


def test_all_p_values_are_corrected_together() -> None:
    found = analysis()
    rows = found.errors.set_index(["method", "size", "seed"]).sort_index().error
    pairs = [(rows[each.method, each.size], rows[each.reference, each.size], each.size) for each in found.compared]
    t = [scipy_stats.ttest_rel(ours, theirs).pvalue for ours, theirs, _ in pairs]
    signed = [scipy_stats.wilcoxon(ours, theirs).pvalue for ours, theirs, _ in pairs]
    stricter = [
        corrected_resampled_t((ours - theirs).to_numpy(), n_train=n, n_test=ROWS)[1] for ours, theirs, n in pairs
    ]
    for raw, name in ((t, "p"), (signed, "p_wilcoxon"), (stricter, "p_corrected")):
        expected = multipletests(raw, method="holm")[1]
        assert [getattr(each, name) for each in found.compared] == pytest.approx(list(expected))
    assert {each.family for each in found.compared} == {10}


def test_a_failed_cell_takes_its_partner_out_and_nothing_else() -> None:
    whole = analysis()
    lost = whole.errors.eval("method == 'dEf-10k' and size == 50")
    found = replace(whole, errors=whole.errors[~(lost & (whole.errors.seed == 2))])
    seeds = {(each.method, each.reference, each.size): each.paired.seeds for each in found.compared}
    assert seeds["dEf-10k", FROM_SCRATCH, 50] == seeds["dEf-10k", "rf", 50] == 5
    assert seeds["rf", FROM_SCRATCH, 50] == seeds["dEf-10k", FROM_SCRATCH, 200] == 6
    assert found.best("transfer", 50) == "dEf-10k"
    # A method that failed on all but the seeds that are easy for everybody is not the best for it.
    few = found.errors.assign(error=lambda e: e.error.where(~(e.eval("method == 'Eg-NM' and size == 50")), 0.01))
    few = few[~few.eval("method == 'Eg-NM' and size == 50 and seed > 1")].assign(mae=few["error"])
    assert replace(whole, errors=few).best("transfer", 50) == "dEf-10k"
    found = replace(whole, errors=whole.errors[~lost])
    assert found.best("transfer", 50) == "Eg-NM"
    assert found.sentence(50).startswith("Transfer from Eg-NM")


def test_the_error_falls_with_the_root_of_the_rows() -> None:
    laws = analysis().power_laws
    assert laws.keys() == FACTORS.keys()
    for law in laws.values():
        assert law.low < -0.5 < law.high
        assert law.exponent == pytest.approx(-0.5, abs=0.05)


def test_a_gain_is_claimed_with_its_interval_and_p() -> None:
    found = analysis()
    each = found.comparison("dEf-10k", FROM_SCRATCH, 200)
    assert each is not None
    gain = 100 * each.paired.gain
    assert gain == pytest.approx(20, abs=2)
    assert found.sentence(200).startswith(
        f"Transfer from dEf-10k cuts the error by {gain:.1f} % against training from scratch at 200 rows (95 % inter"
    )
    assert found.sentence(200).endswith(f"{interval(each.paired.low, each.paired.high)}, p < 0.0001)")
    rival = found.comparison("dEf-10k", "rf", 200)
    assert rival is not None
    assert rival.paired.gain == pytest.approx(1 - 0.8 / 0.9, abs=0.03)
    gain = 100 * rival.paired.gain
    said = f"Against rf, the best classical method, the error of dEf-10k is {gain:.1f} % lower (95 % interval "
    assert found.against_classical(200).startswith(said)
    assert "error in log10 by" in analysis(transform="log10").sentence(200)


def test_a_constant_that_is_better_is_named() -> None:
    found = analysis(factors={FROM_SCRATCH: 1.0, "dEf-10k": 0.8, "mean": 0.7})
    assert found.sentence(200).endswith("; but guessing the mean of the training rows is better still")
    assert "guessing" not in analysis().sentence(200)


def test_luck_is_called_luck() -> None:
    found = analysis(noise=0.3, factors={FROM_SCRATCH: 1.0, "dEf-10k": 0.97, "rf": 1.0})
    assert found.sentence(50).startswith(
        "No significant difference at 50 rows: with transfer from dEf-10k the error is "
    )
    assert "there is no significant difference: the error of dEf-10k is" in found.against_classical(50)
    assert {each.answer for each in found.compared} == {"no significant difference"}


def test_a_difference_that_the_correction_takes_away_is_explained() -> None:
    found = analysis(noise=0.08, factors={**FACTORS, "dEf-10k": 0.91, "Eg-NM": 1.0})
    each = found.comparison("dEf-10k", FROM_SCRATCH, 50)
    assert each is not None
    assert each.paired.p < 0.05 <= each.p
    assert found.sentence(50).endswith(f"p = {each.p:.2g} corrected for 10 comparisons, {each.paired.p:.2g} before)")


def test_a_loss_is_admitted() -> None:
    found = analysis(factors={FROM_SCRATCH: 1.0, "dEf-10k": 1.2})
    each = found.comparison("dEf-10k", FROM_SCRATCH, 200)
    assert each is not None
    assert found.sentence(200).startswith(
        "Transfer does not help at 200 rows: with transfer from dEf-10k, the best, the error is "
        f"{-100 * each.paired.gain:.1f} % higher"
    )
    assert f"95 % interval {interval(-each.paired.high, -each.paired.low)}" in found.sentence(200)
    assert each.answer == "higher error"
    assert found.against_classical(200) == ""


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_have_no_p_value_and_say_why(seeds: int) -> None:
    found = analysis(seeds=seeds)
    few = f"{seeds} seed{'s' if seeds > 1 else ''}, but a test over seeds needs at least 3"
    assert found.sentence(200).endswith(
        f"lower than from scratch at 200 rows; whether that is chance cannot be said: {few}"
    )
    assert found.against_classical(200).endswith(f"lower (not tested: {few})")
    assert not any(each.significant for each in found.compared)
    assert found.test == ""


def test_without_scratch_or_transfer_no_gain_is_stated() -> None:
    alone = analysis(factors={"rf": 0.9, "mean": 3.0})
    assert alone.sentence(50).startswith("Of all methods rf has the smallest error at 50 rows, ")
    single = analysis(factors={FROM_SCRATCH: 1.0}).sentence(50)
    assert single.startswith("The error at 50 rows is 1.4")  # 10/√50 eV, give or take noise
    assert single.endswith(" (from scratch); no backbone was tried, so no gain of transfer is stated")
    assert alone.sentence(50).endswith("nothing was trained from scratch, so no gain of transfer is stated")
    without = analysis(factors={FROM_SCRATCH: 1.0, "rf": 0.9})
    assert without.sentence(50).endswith("no backbone was tried, so no gain of transfer is stated")


def test_the_test_is_named_once() -> None:
    assert (
        analysis().test
        == "p: paired t-test over 6 seeds, corrected by Holm's method for the 10 comparisons of the study"
    )
