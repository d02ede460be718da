"""Analysis of a study: comparisons of errors, and one-sentence conclusions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.wording import counted, format_p, interval
from zoo.analysis import comparisons
from zoo.analysis.comparisons import MIN_SEEDS
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd

    from zoo.analysis.comparisons import Paired, PowerLaw
    from zoo.jobs.study.plan import MethodKind
    from zoo.registry.contracts import Transform

ALPHA = 0.05
"""Default significance level for corrected p-values."""

TRIVIAL = {"mean": "the mean of the training rows", "majority": "the shares of the classes"}
"""Baselines that ignore the crystals, and what they guess; shown, but excluded from the best classical method."""


@dataclass(frozen=True)
class Compared:
    """A comparison between two methods at one training-set size.

    Parameters
    ----------
    method, reference : str
    size : int
        Number of training rows.
    paired : Paired
        Gain and uncorrected tests.
    p, p_wilcoxon, p_corrected : float
        P-values after Holm's correction over all comparisons of the study.
    family : int
        Number of comparisons corrected together.
    alpha : float
        Significance level.
    """

    method: str
    reference: str
    size: int
    paired: Paired
    p: float
    p_wilcoxon: float
    p_corrected: float
    family: int
    alpha: float = ALPHA

    @property
    def significant(self) -> bool:
        """Whether the corrected paired t-test is significant; False without a test."""
        return self.p < self.alpha

    @property
    def answer(self) -> str:
        """The conclusion in a few words."""
        if not self.paired.tested:
            return "not tested"
        if not self.significant:
            return "no significant difference"
        return "lower error" if self.paired.gain > 0 else "higher error"


@dataclass(frozen=True, eq=False)
class Analysis:
    """The errors of a study, with comparisons and conclusions.

    Parameters
    ----------
    errors : DataFrame
        One row per finished cell, with the columns method, size, seed, test_rows, mae and, with log10, mae_log10, or,
        of classes, log_loss;
        other columns of ``results.parquet`` are allowed. A column `error` is added, by which methods are compared.
    kinds : mapping of method to {"scratch", "transfer", "classical"}
        Kinds of the methods, in the order of the study.
    transform : {"identity", "log10"}
        With log10, methods are trained in log10 and compared by the error in log10.
    alpha : float
        Significance level.
    """

    errors: pd.DataFrame
    kinds: Mapping[str, MethodKind]
    transform: Transform = "identity"
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        object.__setattr__(self, "errors", self.errors.assign(error=self.errors[self.error_name]))

    @property
    def error_name(self) -> str:
        """Name of the error by which methods are compared."""
        return "log_loss" if "log_loss" in self.errors else "mae_log10" if self.log else "mae"

    @property
    def error_words(self) -> str:
        """The error by which methods are compared, in words."""
        return {"log_loss": "log-loss", "mae_log10": "error in log10"}.get(self.error_name, "error")

    @property
    def log(self) -> bool:
        """Whether methods are compared in log10."""
        return self.transform == "log10"

    @property
    def sizes(self) -> list[int]:
        """Numbers of training rows, in ascending order."""
        return sorted(self._distinct("size"))

    @property
    def methods(self) -> list[str]:
        """Methods with results, in the order of the study."""
        finished = self._distinct("method")
        return [method for method in self.kinds if method in finished]

    @property
    def seeds(self) -> list[int]:
        """Seeds with results."""
        return sorted(self._distinct("seed"))

    def _distinct(self, column: str) -> set[Any]:
        return set(self.errors[column].tolist())

    @property
    def cells(self) -> Iterator[tuple[int, str, pd.DataFrame]]:
        """Size, method and errors over seeds, in table order."""
        for size in self.sizes:
            for method in self.methods:
                rows = self.errors[(self.errors["method"] == method) & (self.errors["size"] == size)]
                if len(rows):
                    yield size, method, rows

    def error_of(self, method: str, size: int) -> dict[int, float]:
        """Return the errors by seed; empty if no cell has finished."""
        found = self.errors
        rows = found[(found["method"] == method) & (found["size"] == size)]
        return {int(seed): float(error) for seed, error in zip(rows["seed"], rows["error"], strict=True)}

    def ranked(self, size: int, methods: Iterable[str]) -> dict[str, float]:
        """Return the mean errors of the methods at a size, smallest first, over the seeds that all of them finished.

        Without a common seed, each mean is over all finished seeds of the method. A method that finished fewer than
        half as many seeds as another is left out, as it would restrict the means to very few seeds.
        """
        found = {method: self.error_of(method, size) for method in methods}
        most = max(map(len, found.values()), default=0)
        rivals = {method: each for method, each in found.items() if each and 2 * len(each) >= most}
        common = set.intersection(*(set(each) for each in rivals.values())) if rivals else set()
        means = {
            method: float(np.mean([error for seed, error in each.items() if seed in common or not common]))
            for method, each in rivals.items()
        }
        return dict(sorted(means.items(), key=lambda item: item[1]))

    def best(self, kind: MethodKind, size: int) -> str | None:
        """Return the method of a kind with the smallest mean error at a size; None if there is none."""
        rivals = [method for method in self.methods if self.kinds[method] == kind and method not in TRIVIAL]
        return next(iter(self.ranked(size, rivals)), None)

    @cached_property
    def compared(self) -> list[Compared]:
        """All comparisons: each method against scratch, and the best transfer against the best classical method.

        For each of the three tests, the p-values are corrected jointly by Holm's method.
        """
        pairs: list[tuple[str, str, int]] = []
        for size in self.sizes:
            if self.error_of(FROM_SCRATCH, size):
                pairs += [(method, FROM_SCRATCH, size) for method in self.methods if method != FROM_SCRATCH]
            transfer, classical = self.best("transfer", size), self.best("classical", size)
            if transfer and classical:
                pairs.append((transfer, classical, size))
        found = [(pair, self._pair(*pair)) for pair in pairs]
        made = [(pair, result) for pair, result in found if result is not None]
        p, p_wilcoxon, p_corrected = (
            comparisons.holm([getattr(result, name) for _, result in made])
            for name in ("p", "p_wilcoxon", "p_corrected")
        )
        family = sum(result.tested for _, result in made)
        return [
            Compared(*pair, result, p[i], p_wilcoxon[i], p_corrected[i], family, self.alpha)
            for i, (pair, result) in enumerate(made)
        ]

    @property
    def against_scratch(self) -> list[Compared]:
        """The comparisons with training from scratch."""
        return [each for each in self.compared if each.reference == FROM_SCRATCH]

    @property
    def test(self) -> str:
        """Description of the test behind the p-values; empty without a test."""
        tested = [each for each in self.compared if each.paired.tested]
        if not tested:
            return ""
        seeds = sorted({each.paired.seeds for each in tested})
        over = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        made = counted(len(tested), "comparison")
        return f"p: paired t-test over {over} seeds, corrected by Holm's method for the {made} of the study"

    def _pair(self, method: str, reference: str, size: int) -> Paired | None:
        ours, theirs = self.error_of(method, size), self.error_of(reference, size)
        seeds = sorted(ours.keys() & theirs.keys())  # only seeds finished by both methods
        if not seeds:
            return None
        rows = self.errors[self.errors["seed"].isin(seeds)]
        tested = round(float(rows.groupby("seed")["test_rows"].first().mean()))
        return comparisons.paired(
            [ours[seed] for seed in seeds], [theirs[seed] for seed in seeds], n_train=size, n_test=tested
        )

    def comparison(self, method: str, reference: str, size: int) -> Compared | None:
        """Return a comparison; None if it was not made."""
        named = (method, reference, size)
        return next((each for each in self.compared if (each.method, each.reference, each.size) == named), None)

    @cached_property
    def power_laws(self) -> dict[str, PowerLaw]:
        """Power laws of the error in the number of training rows, by method; empty for a single size."""
        found: dict[str, PowerLaw] = {}
        for method in self.methods:
            rows = self.errors[self.errors["method"] == method]
            law = comparisons.power_law(rows["size"], rows["error"])
            if law is not None:
                found[method] = law
        return found

    def sentence(self, size: int) -> str:
        """Return a sentence on whether transfer helps at this size, by how much, and whether this is significant."""
        answer, best = self._sentence(size), self.best("transfer", size)
        ranked = self.ranked(size, [method for method in (best, *TRIVIAL) if method in self.methods])
        if best and len(ranked) > 1 and (first := next(iter(ranked))) in TRIVIAL:
            return f"{answer}; but guessing {TRIVIAL[first]} is better still"
        return answer

    def _sentence(self, size: int) -> str:
        chosen, scratch = self.best("transfer", size), self.error_of(FROM_SCRATCH, size)
        found = self.comparison(chosen, FROM_SCRATCH, size) if chosen and scratch else None
        if chosen is None or found is None:
            return self._without_comparison(size)
        best = named(chosen)
        where, amount, detail = f"at {size:,} rows", f"{100 * abs(found.paired.gain):.1f} %", evidence(found)
        side = "lower" if found.paired.gain > 0 else "higher"
        of = f"the {self.error_words}"
        if not found.paired.tested:
            return (
                f"{of.capitalize()} with transfer from {best} is {amount} {side} than from scratch {where}; whether "
                f"that is chance cannot be said: {too_few(found.paired.seeds)}"
            )
        if not found.significant:
            with_transfer = f"with transfer from {best} {of} is {amount} {side} than from scratch"
            return f"No significant difference {where}: {with_transfer} ({detail})"
        if found.paired.gain > 0:
            return f"Transfer from {best} cuts {of} by {amount} against training from scratch {where} ({detail})"
        return (
            f"Transfer does not help {where}: with transfer from {best}, the best, {of} is {amount} higher than from "
            f"scratch ({detail})"
        )

    def against_classical(self, size: int) -> str:
        """Return a sentence comparing the best transfer with the best classical method; empty if either is missing."""
        transfer, classical = self.best("transfer", size), self.best("classical", size)
        found = self.comparison(transfer, classical, size) if transfer and classical else None
        if found is None:
            return ""
        side = "lower" if found.paired.gain > 0 else "higher"
        said = f"the error of {named(str(transfer))} is {100 * abs(found.paired.gain):.1f} % {side}"
        against = f"Against {classical}, the best classical method,"
        if not found.paired.tested:
            return f"{against} {said} (not tested: {too_few(found.paired.seeds)})"
        return (
            f"{against} {'' if found.significant else 'there is no significant difference: '}{said} ({evidence(found)})"
        )

    def _without_comparison(self, size: int) -> str:
        means = self.ranked(size, self.methods)
        if not means:
            return f"No cell at {size:,} rows was finished"
        best = next(iter(means))
        missing = (
            "nothing was trained from scratch" if not self.error_of(FROM_SCRATCH, size) else "no backbone was tried"
        )
        of = self.error_words
        said = f"Of all methods {best} has the smallest {of} at {size:,} rows, {means[best]:.3g}"
        if len(means) == 1:
            said = f"The {of} at {size:,} rows is {means[best]:.3g} ({best})"
        return f"{said}; {missing}, so no gain of transfer is stated"


def named(method: str) -> str:
    """Name a method in a sentence.

    Examples
    --------
    >>> named("multi-113k"), named("multi-113k, blend, fast")
    ('multi-113k', 'multi-113k (blend, fast)')
    """
    backbone, _, way = method.partition(", ")
    return f"{backbone} ({way})" if way else backbone


def too_few(seeds: int) -> str:
    """Return the explanation for a missing test: too few seeds."""
    return f"{counted(seeds, 'seed')}, but a test over seeds needs at least {MIN_SEEDS}"


def evidence(found: Compared) -> str:
    """Return the confidence interval and the p-value of a gain: ``95 % interval 9.1–18.0 %, p = 0.002``."""
    low, high = found.paired.low, found.paired.high
    if found.paired.gain < 0:  # the sentence gives the gain as a higher error
        low, high = -high, -low
    # The interval is not corrected, so it may seem to contradict the conclusion: also give the uncorrected p-value.
    before = f" corrected for {found.family} comparisons, {format_p(found.paired.p)} before"
    more = before if found.paired.p < found.alpha <= found.p else ""
    return f"95 % interval {interval(low, high)}, p = {format_p(found.p)}{more}".replace("= <", "<")
