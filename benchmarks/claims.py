"""The paper's seven claims, each with the rule by which it is said to hold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from zoo._utils.wording import counted, format_p, interval
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo.jobs.study.analysis import Analysis, Compared

HELD, PART, NOT, UNKNOWN = "held", "held in part", "did not hold", "not measured"
CURVES = {"Eg": "learning-curve-band-gap", "ΔEf": "learning-curve-formation-energy"}
SCARCE = {"K_VRH": "bulk-modulus", "ε_r": "dielectric", "GW gap (G0W0 on PBE)": "gw-gap"}
GAPS = {"GW gap (G0W0 on LDA)": "gw-gap-g0w0-lda", "GW gap (QSGW)": "gw-gap-qsgw", "measured gap": "gw-gap-experiment"}
"""Other gaps of the same crystals."""
AGAIN = {"ε_r": "dielectric-more-seeds", "GW gap (G0W0 on PBE)": "gw-gap-more-seeds"}
"""What did best in the first studies and its best rivals, on other seeds; no verdict counts them twice."""
SIZES = ("dEf-10k", "dEf-54k", "dEf-91k")
"""Backbones of the same recipe on more and more formation energies."""


@dataclass(frozen=True)
class Study:
    """What a study of `studies/` found: its title, the unit of its errors, and the errors."""

    title: str
    unit: str
    analysis: Analysis


@dataclass(frozen=True)
class Answer:
    """What was found of a claim, the rule of the verdict, and the numbers."""

    verdict: str
    rule: str
    lines: list[str]


def weigh(answers: list[bool]) -> str:
    """Return the verdict of several answers."""
    if not answers:
        return UNKNOWN
    if not any(answers):
        return NOT
    return HELD if all(answers) else f"{PART} ({sum(answers)} of {len(answers)})"


def against_scratch(study: Study, method: str, size: int) -> Compared:
    """Return a comparison of a study."""
    found = study.analysis.comparison(method, FROM_SCRATCH, size)
    assert found is not None
    return found


def rivals(study: Study) -> Compared:
    """Return the comparison of the best transfer with the best classical method at the largest size."""
    analysis, size = study.analysis, study.analysis.sizes[-1]
    transfer, classical = analysis.best("transfer", size), analysis.best("classical", size)
    assert transfer is not None
    assert classical is not None
    found = analysis.comparison(transfer, classical, size)
    assert found is not None
    return found


def change(found: Compared) -> str:
    """Say by how much an error differs from that of the reference, with the interval of that and its p-value."""
    percent = f"{-100 * found.paired.gain:+.1f} %".replace("-", "−")
    ends = interval(-found.paired.high, -found.paired.low)
    seeds = counted(found.paired.seeds, "seed")
    return f"{percent} (95 % interval {ends}, p = {format_p(found.p)}, {seeds})".replace("= <", "<")


def minus(value: float) -> str:
    """Write a number with a true minus sign."""
    return f"{value:.2f}".replace("-", "−")


def mean(study: Study, method: str, size: int) -> float:
    """Return the mean error over seeds that methods are compared by."""
    errors = study.analysis.error_of(method, size)
    return sum(errors.values()) / len(errors)


def weakly_related(_found: Mapping[str, Study], r: float) -> Answer:
    """Claim 1."""
    lines = [
        f"Pearson's r = {r:.2f} over all crystals of `mp.parquet`; the paper has −0.49 over 118,286.".replace("-", "−"),
        "![ΔEf against Eg, coloured by the density of points](formation-energy-band-gap.png)",
    ]
    return Answer(HELD if -0.6 < r < -0.4 else NOT, "Held if r is between −0.6 and −0.4.", lines)


def falls_with_size(found: Mapping[str, Study], _r: float) -> Answer:
    """Claim 2."""
    answers, lines = [], []
    for what, name in CURVES.items():
        every, few = found.get(name), found.get(f"{name}-non-metals")
        if every is None or few is None:
            lines.append(f"{what}: not measured.")
            continue
        for study, of in ((every, "all crystals"), (few, "non-metals")):
            law = study.analysis.power_laws[FROM_SCRATCH]
            answers.append(law.high < 0)
            lines.append(
                f"{what}, {of}: error ∝ n^{minus(law.exponent)} (95 % interval {minus(law.low)} to {minus(law.high)}), "
                f"from {mean(study, FROM_SCRATCH, study.analysis.sizes[0]):.3f} at {study.analysis.sizes[0]:,} to "
                f"{mean(study, FROM_SCRATCH, study.analysis.sizes[-1]):.3f} {study.unit} at "
                f"{study.analysis.sizes[-1]:,} rows."
            )
        ratios = [mean(few, FROM_SCRATCH, n) / mean(every, FROM_SCRATCH, n) for n in every.analysis.sizes]
        answers.append(max(ratios) < 1)
        lines.append(f"{what}: the error on non-metals is {min(ratios):.2f} to {max(ratios):.2f} times that on all.")
    rule = (
        "Held if the exponent's interval is below zero in every study, and non-metals have the smaller error at every "
        "size, for both properties."
    )
    verdict = weigh(answers)
    whole = len(answers) == 3 * len(CURVES)
    return Answer(verdict if whole or verdict != HELD else f"{PART} (not all is measured)", rule, lines)


def beats_scratch(found: Mapping[str, Study], _r: float) -> Answer:
    """Claim 3."""
    study = found.get("band-gap-non-metals")
    rule = "Held if every backbone beats scratch at 500 rows, and the error falls from 10k over 54k to 91k ΔEf."
    if study is None:
        return Answer(UNKNOWN, rule, [])
    made = {name: against_scratch(study, name, 500) for name in (*SIZES, "dEf-113k")}
    lines = [f"{name}: {change(each)}." for name, each in made.items()]
    errors = [mean(study, name, 500) for name in SIZES]
    grows = all(later < earlier for earlier, later in pairwise(errors))
    lines.append(f"Errors from {', '.join(SIZES)}: {', '.join(f'{error:.3f}' for error in errors)} {study.unit}.")
    return Answer(weigh([*(each.significant and each.paired.gain > 0 for each in made.values()), grows]), rule, lines)


def same_kind(found: Mapping[str, Study], _r: float) -> Answer:
    """Claim 4."""
    answers, lines = [], []
    for name, of, helps in (
        ("formation-energy-non-metals", "non-metals", True),
        ("formation-energy", "all crystals", False),
    ):
        if (study := found.get(name)) is None:
            continue
        each = against_scratch(study, "Eg-NM", study.analysis.sizes[-1])
        answers.append(bool(each.significant and each.paired.gain > 0) == helps)
        lines.append(f"ΔEf of {of} from Eg-NM, {each.size:,} rows: {change(each)}.")
        own = [
            f"{other} {mean(study, other, each.size):.3f}"
            for other in ("dEf-NM", "dEf-54k")
            if study.analysis.error_of(other, each.size)
        ]
        lines.append(
            f"ΔEf of {of} from ΔEf itself, which is no transfer to another property: {', '.join(own)} eV/atom, from "
            f"scratch {mean(study, FROM_SCRATCH, each.size):.3f}."
        )
    rule = "Held if gaps of non-metals help with ΔEf of non-metals, and make no significant difference with metals."
    return Answer(weigh(answers), rule, lines)


def more_with_less(found: Mapping[str, Study], _r: float) -> Answer:
    """Claim 5."""
    answers, lines = [], []
    for what, name in {**SCARCE, **GAPS}.items():
        if (study := found.get(name)) is None or len(study.analysis.sizes) < 2:
            continue
        for method in ("multi-113k", "multi-113k, mixture"):
            gains = [against_scratch(study, method, size).paired.gain for size in study.analysis.sizes]
            answers.append(all(later < earlier for earlier, later in pairwise(gains)))
            by_size = zip(gains, study.analysis.sizes, strict=True)
            shown = ", ".join(f"{100 * gain:.1f} % at {size:,} rows" for gain, size in by_size).replace("-", "−")
            lines.append(f"{what}, {method}: gain {shown}.")
    return Answer(weigh(answers), "Held if the gain falls from size to size, for each property and method.", lines)


def helps_everywhere(found: Mapping[str, Study], _r: float) -> Answer:
    """Claim 6."""
    answers, lines = [], []
    for what, name in SCARCE.items():
        if (study := found.get(f"{name}-shelf")) is None:
            continue
        size = next((size for size in study.analysis.sizes if size == 500), study.analysis.sizes[-1])
        for of, backbone in (("ΔEf", "dEf-91k"), ("Eg", "Eg-NM")):
            each = against_scratch(study, backbone, size)
            answers.append(each.significant and each.paired.gain > 0)
            lines.append(f"{what} from {of} ({backbone}), {size:,} rows: {change(each)}.")
        best = study.analysis.best("transfer", size)
        assert best is not None
        lines.append(f"{what}: the best backbone alone is {best}, {change(against_scratch(study, best, size))}.")
    if lines:
        lines.append("The whole shelf, and other sizes: [Which backbone?](../benchmarks/transfer.md).")
    rule = (
        "Held if dEf-91k and Eg-NM, each alone, beat scratch significantly on every property, at 500 rows (gaps: 200)."
    )
    return Answer(weigh(answers), rule, lines)


def beats_classical(found: Mapping[str, Study], _r: float) -> Answer:
    """Claim 7."""
    answers, lines = [], []
    for what, name in {**SCARCE, **GAPS, "Eg of non-metals": "band-gap-non-metals"}.items():
        if (study := found.get(name)) is None:
            continue
        found_best = rivals(study)
        analysis, size = study.analysis, found_best.size
        scratch = mean(study, FROM_SCRATCH, size)
        ahead = [
            method
            for method, kind in analysis.kinds.items()
            if kind == "classical" and mean(study, method, size) < scratch
        ]
        answers.append(found_best.significant and found_best.paired.gain > 0)
        lines.append(
            f"{what}, {size:,} rows: {found_best.method} against {found_best.reference}, the best classical method: "
            f"{change(found_best)}; "
            f"classical methods with a smaller error than scratch: {', '.join(ahead) or 'none'}."
        )
    for what, name in AGAIN.items():
        if (study := found.get(name)) is not None:
            again = rivals(study)
            pair = f"{again.method} against {again.reference}"
            lines.append(f"{what}, {again.size:,} rows, on other seeds: {pair}: {change(again)}.")
    rule = "Held if the best transfer beats the best classical method significantly on every property."
    return Answer(weigh(answers), rule, lines)


TITLES = (
    "ΔEf and Eg are only weakly related (r = −0.49)",
    "From scratch, the error falls steadily with the number of rows; non-metals alone are easier",
    "500 gaps of non-metals: transfer beats scratch, the more so the larger the pretraining set",
    "Source and target should be of one kind: a source of non-metals helps with non-metals, not with metals too",
    "The smaller the set, the larger the gain",
    "Transfer from ΔEf and from Eg helps with K_VRH, ε_r and GW gaps",
    "A random forest may beat the network from scratch; no classical method beats transfer",
)
CLAIMS: tuple[Callable[[Mapping[str, Study], float], Answer], ...] = (
    weakly_related,
    falls_with_size,
    beats_scratch,
    same_kind,
    more_with_less,
    helps_everywhere,
    beats_classical,
)
