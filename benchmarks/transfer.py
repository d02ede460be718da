"""Does transfer help, and does more pretraining help? Write ``docs/transfer.md``.

    python benchmarks/transfer.py FOLDER

FOLDER holds ``elastic.parquet`` (columns material_id, k_vrh in GPa, structures), ``dielectric.parquet`` (eps_total) and
``gw.parquet`` (gap_g0w0_pbe in eV). Each study lies in ``runs/study-TASK`` and goes on where it was cut off.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from zoo import extensions, registry, sources
from zoo.graphs import GraphSettings
from zoo.report import markdown_table, study_rows, study_verdicts
from zoo.studies import run_study
from zoo.study_plan import StudyOptions
from zoo.study_result import Study
from zoo.tables import read_table

ROOT = Path(__file__).parents[1]
BEST = "multi-113k"
"""What is mixed with all others; the one that did best, alone, on most properties."""


@dataclass(frozen=True)
class Part:
    """A property: its table, what to say of it, and the sizes of its training sets, that of the shelf's table first."""

    task: str
    file: str
    what: str
    sizes: tuple[int, ...]


PLAN = (
    Part("bulk-modulus", "elastic.parquet", "K_VRH in GPa; Materials Project 2018-05", (500, 100)),
    Part("dielectric", "dielectric.parquet", "ε_r, electrons and ions; Materials Project 2017 to 2022", (500, 100)),
    Part("gw-gap", "gw.parquet", "G0W0@PBE gaps in eV; Großmann et al. 2025", (200, 100)),
)


def section(study: Study, title: str, seen: dict[str, str]) -> str:
    """Return a study as Markdown."""
    options = study.options
    header, rows = study_rows(study)
    if seen:
        header = [*header, "known crystals"]
        rows = [[*row, seen.get(row[1], "")] for row in rows]
    extra = f" --baselines {','.join(options.baselines)}" if options.baselines else ""
    command = (
        f"zoo study {options.data.name} --task {study.task.name} --sizes {','.join(map(str, options.sizes or ()))} "
        f"--backbones {','.join(options.backbones or ())} --modes {','.join(options.modes)}{extra} "
        f"--seeds {options.seeds} --max-rejected {options.max_rejected:g}"
    )
    verdicts = [f"{line[0].upper()}{line[1:]}" for line in study_verdicts(study)]
    return "\n\n".join([title, markdown_table(header, rows), *verdicts, f"```\n{command}\n```"])


def known(data: Path, task: str, backbones: tuple[str, ...]) -> dict[str, str]:
    """Return the fraction of the table's crystals that each backbone was trained on, on another property."""
    records = read_table(data, extensions.task(task), max_rejected=0.5).records
    found = {}
    for name in backbones:
        ids = registry.training_ids(registry.get(name))
        if ids:
            found[name] = f"{sum(record.id in ids for record in records) / len(records):.0%}"
    return found


def main() -> None:
    """Run the studies and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    shelf = tuple(sources.available(GraphSettings()))
    parts = []
    for part in PLAN:
        data, sizes = options.folder / part.file, tuple(sorted(part.sizes))
        requests = (
            StudyOptions(part.task, data, part.sizes[:1], shelf, ("full",), seeds=options.seeds, max_rejected=0.5),
            StudyOptions(
                part.task, data, sizes, (BEST,), ("mixture", "full"), ("rf",), seeds=options.seeds, max_rejected=0.5
            ),
        )
        every, mixed = (
            run_study(
                request,
                ROOT / "runs" / f"study-{part.task}",
                workers=options.workers,
                say=lambda line: print(line, file=sys.stderr),
            )
            for request in requests
        )
        tested = len(next(iter(every.splits.values())).test)
        parts += [
            f"## {part.task}",
            f"{part.what}. {len(every.records):,} rows, {tested} test rows a seed, {options.seeds} seeds.",
            section(every, "### Every backbone alone (`--mode full`)", known(data, part.task, shelf)),
            section(mixed, f"### All backbones together, by size (`--mode mixture`, {BEST} is trained)", {}),
        ]
    (ROOT / "docs" / "transfer.md").write_text(INTRODUCTION + "\n\n".join(parts) + "\n", encoding="utf-8")


INTRODUCTION = """# Does transfer help, and does more pretraining help?

Fine-tuning against the same network trained from scratch with its own tuned defaults ([tuning.md](tuning.md)): the
same test rows for all methods within a seed, a tenth of the table; 20 validation rows, or a fifth of the training
rows if that is more, choose the epoch. p: paired t-test over seeds, corrected by Holm's method for the number of
comparisons in the table. Written by `python benchmarks/transfer.py FOLDER`.

*Mixture*, the default of `zoo finetune`: the whole network is trained, and beside it a head on all backbones of the
shelf as they are; the prediction is the mean of both. A mean of two predictors has a smaller error than either even
without transfer, so the tables with every backbone alone are the ones that tell what transfer is worth, and the
mixture is what one gets in practice.

*Known crystals*: part of the table's crystals that are in the backbone's pretraining set. It saw another property
of them, so this leaks nothing of the target; but they are no strangers to it, and a table of new kinds of crystals
may gain less.

"""

if __name__ == "__main__":
    main()
