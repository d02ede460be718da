"""Does more pretraining help? The page and the cards' tables, from what the ``*-shelf`` studies found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from claims import SCARCE, mean

from zoo._utils.wording import format_p, markdown_table
from zoo.analysis import comparisons
from zoo.registry import backbones
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from claims import Study
    from numpy.typing import NDArray

PAIRS = (
    ("dEf-54k", "dEf-10k", "54,000 ΔEf against 10,000"),
    ("dEf-91k", "dEf-54k", "91,000 ΔEf against 54,000"),
    ("dEf-113k", "dEf-91k", "22,000 labels of a potential more"),
    ("dEf-NM", "dEf-10k", "ΔEf of non-metals alone against 10,000 of all crystals"),
    ("Eg-NM", "dEf-91k", "gaps of non-metals against ΔEf"),
    ("multi-113k", "dEf-91k", "ΔEf, gaps and metal-or-not at once against ΔEf"),
    ("multi-113k-wide", "multi-113k", "the same data by a body of twice the width"),
)
BEGIN, END = "<!-- written by benchmarks/paper.py -->", "<!-- end -->"


def percent(gain: float) -> str:
    """Write a gain as the change of an error."""
    return f"{-100 * gain:+.1f} %".replace("-", "−")


def shelves(found: Mapping[str, Study]) -> Iterator[tuple[str, str, Study]]:
    """Give each property that was tried with the shelf, the name of its study, and the study."""
    for what, name in SCARCE.items():
        if (study := found.get(f"{name}-shelf")) is not None:
            yield what, f"{name}-shelf", study


def change(study: Study, method: str, size: int) -> str:
    """Write by how much a backbone changes the error from scratch, bold if that is significant."""
    made = study.analysis.comparison(method, FROM_SCRATCH, size)
    if made is None:
        return ""
    shown = percent(made.paired.gain)
    return f"**{shown}**" if made.significant else shown


def page(found: Mapping[str, Study], known: Mapping[str, Mapping[str, float]]) -> str:
    """Return the page.

    Parameters
    ----------
    found : mapping of str to Study
        All studies by name.
    known : mapping of str to mapping of str to float
        Study → backbone → part of the table's crystals that it was trained on.
    """
    parts = [(Path(__file__).parent / "shelf.md").read_text(encoding="utf-8").rstrip()]
    for what, name, study in shelves(found):
        analysis = study.analysis
        error = "MAE of log10" if analysis.log else f"MAE in {study.unit}"
        scratch = [f"{mean(study, FROM_SCRATCH, size):#.4g}" for size in analysis.sizes]
        rows = [[f"from scratch, {error}", *scratch, ""]]
        rows += [
            [method, *(change(study, method, size) for size in analysis.sizes), f"{100 * known[name][method]:.0f} %"]
            for method in analysis.methods
            if analysis.kinds[method] == "transfer"
        ]
        header = ["", *(f"{size:,} rows" for size in analysis.sizes), "known crystals"]
        tail = (
            f"{len(analysis.seeds)} seeds, {int(analysis.errors.test_rows.median())} test rows each. "
            f"[All figures](../paper/{name}/README.md); `zoo study studies/{name}.toml --data-dir FOLDER`."
        )
        parts += [f"## {what}", markdown_table(header, rows), tail]
    return "\n\n".join([*parts, *_pairs(found)]) + "\n"


def _pairs(found: Mapping[str, Study]) -> list[str]:
    """Compare backbones with each other, all corrected together."""
    columns = [(what, study, size) for what, _, study in shelves(found) for size in study.analysis.sizes]
    if not columns:
        return []
    errors = [[_errors(study, ours, theirs, size) for _, study, size in columns] for ours, theirs, _ in PAIRS]
    tests = [comparisons.paired_t(*pair) if len(pair[0]) > 1 else np.nan for row in errors for pair in row]
    corrected = iter(comparisons.holm(tests))
    rows, significant = [], 0
    for (ours, theirs, meaning), row in zip(PAIRS, errors, strict=True):
        cells = []
        for pair in row:
            shown, p = percent(comparisons.relative_gain(*pair)) if len(pair[0]) else "", next(corrected)
            cells.append(f"**{shown}** ({format_p(p)})" if p < 0.05 else shown)
            significant += p < 0.05
        rows.append([f"`{ours}` against `{theirs}`: {meaning}", *cells])
    return [
        "## One backbone against another",
        "By how much the error from the first differs from that from the second, on the same rows. Bold, with its p: "
        f"significant after Holm's correction for the {np.isfinite(tests).sum()} comparisons of this table: "
        f"{significant or 'none'} of them.",
        markdown_table(["", *(f"{what}, {size:,}" for what, _, size in columns)], rows),
    ]


def _errors(study: Study, ours: str, theirs: str, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    one, other = (study.analysis.error_of(method, size) for method in (ours, theirs))
    seeds = sorted(one.keys() & other.keys())
    return np.array([one[seed] for seed in seeds]), np.array([other[seed] for seed in seeds])


def on_card(name: str, found: Mapping[str, Study]) -> str:
    """Return the section of a backbone's card, between its marks."""
    rows = []
    for what, _, study in shelves(found):
        sizes = study.analysis.sizes
        cells = [f"{change(study, name, size)} at {size:,} rows" for size in sizes]
        rows.append([what, *cells, *[""] * (3 - len(cells))])
    text = (
        "The change of the error when this backbone alone is fine-tuned, relative to a network of the default shape "
        "trained from scratch.\n**Bold**: significant over ten seeds, corrected for all comparisons of the study. "
        "`docs/benchmarks/transfer.md` compares all backbones;\n"
        "`zoo study studies/bulk-modulus-shelf.toml --data-dir FOLDER`, "
        "and the same with the other files, reproduces the numbers."
    )
    return "\n\n".join([BEGIN, "## As a source for transfer", text, markdown_table(["", "", "", ""], rows), END])


def write_cards(found: Mapping[str, Study]) -> None:
    """Write the section into every card of the shelf whose backbone was tried, before its limits."""
    tried = {method for _, _, study in shelves(found) for method in study.analysis.methods}
    for card in backbones.shelf():
        if card.name in tried:
            path = Path(card.source)
            text = path.read_text(encoding="utf-8")
            text = re.sub(f"{BEGIN}.*?{END}\n\n", "", text, flags=re.DOTALL)
            assert text.count("\n## Limits\n") == 1
            text = text.replace("\n## Limits\n", f"\n{on_card(card.name, found)}\n\n## Limits\n")
            path.write_text(text, encoding="utf-8")
