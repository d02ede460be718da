"""Does transfer help, and does more pretraining help? Write ``docs/transfer.md``.

    python benchmarks/transfer.py FOLDER

FOLDER holds ``elastic.parquet`` (columns material_id, k_vrh in GPa, structures), ``dielectric.parquet`` (eps_total) and
``gw.parquet`` (gap_g0w0_pbe in eV). Each study lies in ``runs/study-TASK`` and goes on where it was cut off.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zoo import choosing, extensions, registry
from zoo.graphs import GraphSettings
from zoo.report import markdown_table, study_rows, study_verdicts
from zoo.studies import run_study
from zoo.study_plan import StudyOptions
from zoo.study_result import Study
from zoo.tables import read_table

ROOT = Path(__file__).parents[1]
PLAN = (
    ("bulk-modulus", "elastic.parquet", (500,), "K_VRH in GPa; Materials Project 2018-05"),
    ("dielectric", "dielectric.parquet", (500,), "ε_r, electrons and ions; Materials Project 2017 to 2022"),
    ("gw-gap", "gw.parquet", (200,), "G0W0@PBE gaps in eV; Großmann et al. 2025"),
)


def section(study: Study, what: str, seen: dict[str, str]) -> str:
    """Return a study as Markdown."""
    header, rows = study_rows(study)
    if seen:
        header = [*header, "known crystals"]
        rows = [[*row, seen.get(row[1], "")] for row in rows]
    tested = len(next(iter(study.errors.values()))[0])
    sizes = ",".join(map(str, study.options.sizes))
    command = (
        f"zoo study {study.options.data.name} --task {study.task.name} --sizes {sizes} "
        f"--backbones {','.join(study.options.backbones)} --seeds {study.options.seeds} --max-rejected 0.5"
    )
    return "\n\n".join(
        [
            f"## {study.task.name}",
            f"{what}. {study.rows:,} rows, {tested} test rows a seed, {study.options.seeds} seeds.",
            markdown_table(header, rows),
            *(f"{line[0].upper()}{line[1:]}." for line in study_verdicts(study)),
            f"```\n{command}\n```",
        ]
    )


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
    backbones = tuple(choosing.available(GraphSettings()))
    parts = []
    for task, file, sizes, what in PLAN:
        request = StudyOptions(
            task, options.folder / file, sizes, backbones=backbones, seeds=options.seeds, max_rejected=0.5
        )
        study = run_study(
            request,
            ROOT / "runs" / f"study-{task}",
            workers=options.workers,
            say=lambda line: print(line, file=sys.stderr),
        )
        parts.append(section(study, what, known(request.data, task, backbones)))
    (ROOT / "docs" / "transfer.md").write_text(INTRODUCTION + "\n\n".join(parts) + "\n", encoding="utf-8")


INTRODUCTION = """# Does transfer help, and does more pretraining help?

Every backbone of the shelf, fine-tuned with the defaults, against the same network trained from scratch with its own
tuned defaults ([tuning.md](tuning.md)): the same test rows for all methods within a seed, a tenth of the table; 20
validation rows, or a fifth of the training rows if that is more, choose the epoch. p: paired t-test over seeds, then
corrected by Holm's method for the number of comparisons in the table. Written by
`python benchmarks/transfer.py FOLDER`.

*Known crystals*: part of the table's crystals that are in the backbone's pretraining set. It saw another property of
them, so this leaks nothing of the target; but they are no strangers to it, and a table of new kinds of crystals may
gain less.

"""

if __name__ == "__main__":
    main()
