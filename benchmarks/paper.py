"""The paper's figures on tables of today: run ``studies/*.toml`` and write ``docs/paper/``.

    python benchmarks/paper.py FOLDER [STUDY ...] [--workers N] [--finished]

FOLDER holds ``mp.parquet``, ``elastic.parquet``, ``dielectric.parquet`` and ``gw.parquet`` (studies/README.md says
what is in them). Each study lies in ``runs/`` and goes on where it was cut off; without names all are run. With
``--finished`` nothing is trained: the pages are written of the studies whose cells are all there.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from claims import CLAIMS, TITLES
from PIL import Image

from zoo import figures
from zoo.figures.__main__ import columns
from zoo.report import markdown_table
from zoo.studies import run_study
from zoo.study_file import read_study
from zoo.study_plan import Cell, plan

if TYPE_CHECKING:
    from zoo.study_plan import StudyOptions
    from zoo.study_result import Study

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "paper"


def run(name: str, folder: Path, workers: int | None, *, finished: bool) -> Study | None:
    """Run a study, or gather it if all its cells are there; None if they should be and are not."""
    request = read_study(ROOT / "studies" / f"{name}.toml", {}, folder)
    out = request.out or ROOT / "runs" / name
    if finished and not all((out / "cells" / cell.file).exists() for cell in cells(request.options)):
        return None
    return run_study(request.options, out, workers=workers, say=partial(print, file=sys.stderr))


def cells(options: StudyOptions) -> list[Cell]:
    """Return the cells of a study whose file names its sizes."""
    seeds = range(options.seed, options.seed + options.seeds)
    return [Cell(method, size, seed) for method in plan(options) for size in options.sizes or () for seed in seeds]


def publish(name: str, study: Study) -> None:
    """Copy a study's report in Markdown, its pictures and the errors of its cells to the pages of the paper."""
    page = PAGES / name
    shutil.rmtree(page, ignore_errors=True)
    page.mkdir(parents=True)
    text = (study.folder / "report.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[.*\]\(figures/(.*)\.png\)", text)
    text = re.sub(r" \(\[SVG\]\(figures/[^)]*\), \[data\]\(figures/[^)]*\)\)", "", text).replace("(figures/", "(")
    (page / "README.md").write_text(text.rstrip() + "\n", encoding="utf-8")
    for picture in pictures:
        smaller(study.folder / "figures" / f"{picture}.png", page / f"{picture}.png")
    shutil.copy(study.folder / "results.parquet", page)


def smaller(source: Path, target: Path) -> None:
    """Write a picture with a palette, a third of the bytes: a repository keeps all that it ever held."""
    with Image.open(source) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)


def scatter(folder: Path) -> float:
    """Draw ΔEf against Eg of all crystals; returns Pearson's r."""
    source, target = columns(folder / "mp.parquet", ("formation_energy_per_atom", "band_gap"))
    names = {"source_name": "ΔEf", "source_unit": "eV/atom", "target_name": "Eg", "target_unit": "eV"}
    saved = figures.source_target(source, target, **names).save(PAGES, "formation-energy-band-gap")
    smaller(saved.path("png"), saved.path("png"))
    for kind in ("svg", "csv"):  # of 91,147 points
        saved.path(kind).unlink()
    there = np.isfinite(source) & np.isfinite(target)
    return float(np.corrcoef(source[there], target[there])[0, 1])


def write_claims(found: dict[str, Study], r: float) -> None:
    """Write the page that sets each claim of the paper beside what was found."""
    parts, rows = [], []
    for number, (title, claim) in enumerate(zip(TITLES, CLAIMS, strict=True), start=1):
        answer = claim(found, r)
        rows.append([str(number), title, answer.verdict])
        said = "\n".join(line if line.startswith("!") else f"- {line}" for line in answer.lines)
        verdict = f"**{answer.verdict.capitalize()}.** {answer.rule}"
        parts.append("\n\n".join(filter(None, [f"## {number}. {title}", verdict, said])))
    studies = [
        [f"[{name}]({name}/README.md)", study.options.title, f"`zoo study studies/{name}.toml --data-dir FOLDER`"]
        for name, study in sorted(found.items())
    ]
    text = "\n\n".join(
        [
            (Path(__file__).parent / "claims.md").read_text(encoding="utf-8").rstrip(),
            markdown_table(["", "the paper says", "here"], rows),
            *parts,
            "## The studies",
            markdown_table(["results", "what", "command"], studies),
        ]
    )
    (PAGES / "README.md").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Run the studies and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("studies", nargs="*")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--finished", action="store_true")
    options = parser.parse_args()
    names = options.studies or sorted(path.stem for path in (ROOT / "studies").glob("*.toml"))
    there: dict[str, Study] = {}
    for name in names:
        study = run(name, options.folder, options.workers, finished=options.finished)
        if study is not None:
            publish(name, study)  # before the next one, which may have the same folder
            there[name] = study
    if not options.studies:
        write_claims(there, scatter(options.folder))


if __name__ == "__main__":
    main()
