"""The paper's figures on tables of today: run ``studies/*.toml``, write ``docs/paper/`` and the page on transfer.

    python benchmarks/paper.py FOLDER [STUDY ...] [--workers N] [--claims]

FOLDER holds ``mp.parquet``, ``elastic.parquet``, ``dielectric.parquet`` and ``gw.parquet`` (studies/README.md says
what is in them). Each study lies in ``runs/`` and goes on where it was cut off; without names all are run. The page of
claims, that of the shelf and the tables on the backbones' cards are made of the results that were published, with
``--claims`` without running anything.
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
import pandas as pd
import shelf
from claims import CLAIMS, TITLES, Study
from PIL import Image

from zoo._utils.wording import markdown_table
from zoo.analysis import figures
from zoo.analysis.figures.__main__ import columns
from zoo.data.tables.readers import open_table
from zoo.data.tables.rows import RowReader
from zoo.jobs.study.analysis import Analysis
from zoo.jobs.study.options import read_study
from zoo.jobs.study.plan import plan
from zoo.jobs.study.run import run_study
from zoo.registry import backbones, plugins

if TYPE_CHECKING:
    from zoo.jobs.study.options import StudyRequest
    from zoo.jobs.study.result import Study as Finished

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "paper"


def asked(name: str, folder: Path) -> StudyRequest:
    """Read what a study of `studies/` asks for."""
    return read_study(ROOT / "studies" / f"{name}.toml", {}, folder)


def published(name: str, folder: Path) -> Study:
    """Read what a study found, from the errors that its page has."""
    options = asked(name, folder).options
    task = plugins.task(options.task)
    errors = pd.read_parquet(PAGES / name / "results.parquet").query("status == 'ok'")
    analysis = Analysis(errors, {method.name: method.kind for method in plan(options)}, task.transform)
    return Study(options.title or name, task.unit, analysis)


def publish(name: str, study: Finished) -> None:
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
    names = {
        "source_name": "Formation energy ΔE_f",
        "source_unit": "eV/atom",
        "target_name": "Band gap E_g",
        "target_unit": "eV",
    }
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
        [f"[{name}]({name}/README.md)", study.title, f"`zoo study studies/{name}.toml --data-dir FOLDER`"]
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


def known(name: str, folder: Path) -> dict[str, float]:
    """Return which part of the rows with a target each backbone of a study was trained on."""
    options = asked(name, folder).options
    reader = RowReader(source := open_table(options.data), None, plugins.task(options.task), options.target)
    rows = source.rows([reader.id_column, reader.target], None)
    ids = {reader.identify(row) for row in rows if np.isfinite(reader.value(row))}
    trained_on = {each: backbones.training_ids(backbones.get(each)) for each in options.backbones or ()}
    return {each: len(ids & there) / len(ids) for each, there in trained_on.items()}


def main() -> None:
    """Run the studies and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("studies", nargs="*")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--claims", action="store_true")
    options = parser.parse_args()
    every = sorted(path.stem for path in (ROOT / "studies").glob("*.toml"))
    for name in () if options.claims else options.studies or every:
        request = asked(name, options.folder)
        out = request.out or ROOT / "runs" / name
        say = partial(print, file=sys.stderr)
        publish(name, run_study(request.options, out, workers=options.workers, say=say))
    found = {name: published(name, options.folder) for name in every if (PAGES / name).exists()}
    write_claims(found, scatter(options.folder))
    shelves = [name for _, name, _ in shelf.shelves(found)]
    page = shelf.page(found, {name: known(name, options.folder) for name in shelves})
    (ROOT / "docs" / "benchmarks" / "transfer.md").write_text(page, encoding="utf-8")
    shelf.write_cards(found)


if __name__ == "__main__":
    main()
