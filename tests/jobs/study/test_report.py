"""The report of a study: one file that begins with the answer, and shows everywhere what it shows here."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.browser import CHROMIUM, browser
from support.knownstudy import FACTORS, make_study

from zoo.analysis.leaks import Leaks, SeedLeaks
from zoo.data.tables.conditions import Condition
from zoo.hub import pull
from zoo.jobs.reports.comparison_table import study_rows, study_verdicts
from zoo.jobs.study.options import StudyOptions
from zoo.jobs.study.report import command, write_report
from zoo.jobs.study.result import FailedCell, Study
from zoo.registry import plugins
from zoo.training.settings import FROM_SCRATCH

FIGURES = [
    "learning-curve",
    "gain",
    "error-by-seed",
    "parity",
    "error-by-element",
    "error-by-distance",
    "source-target",
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def page(study: Study) -> str:
    return write_report(study, study.folder).read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Tags with their attributes, and whether they nest."""

    VOID = frozenset({"meta", "link", "img", "br", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def words(page: str) -> str:
    """What a reader reads."""
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page.replace("<wbr>", ""), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(text))


def test_it_begins_with_the_answer(study: Study, page: str) -> None:
    found = study.analysis.comparison("dEf-10k", FROM_SCRATCH, 60)
    assert found is not None
    first = re.search(r"<h1>(.*?)</h1>", page)
    assert first is not None
    gain = f"{100 * found.paired.gain:.1f} %"
    cuts = f"Transfer from dEf-10k cuts the error in log10 by {gain} against training from scratch at 60 rows"
    assert words(first[1]).startswith(f"{cuts} (95 % interval ")
    assert page.index("<h1>") == page.index("<header>") + len("<header>\n")
    markdown = (study.folder / "report.md").read_text(encoding="utf-8")
    assert markdown.splitlines()[0] == f"# {study.analysis.sentence(60)}."


def test_it_needs_nothing_else(page: str) -> None:
    elements = Elements(page)
    assert elements.open == []
    tags = [tag for tag, _ in elements.found]
    assert not {"script", "iframe", "object"} & set(tags)
    for tag, attributes in elements.found:
        for name in ("src", "href", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:"), tag
    assert not re.search(r"@import|url\(", page)


def test_pictures_are_told_in_words_and_headings_go_down_in_steps(page: str) -> None:
    elements = Elements(page).found
    pictures = [attributes for tag, attributes in elements if tag == "img"]
    assert len(pictures) == len(FIGURES)
    for each in pictures:
        assert len(each["alt"] or "") > 40
        svg = base64.b64decode((each["src"] or "").removeprefix("data:image/svg+xml;base64,"))
        assert svg.startswith(b"<?xml")
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert ("html", {"lang": "en"}) in elements
    # What scrolls can be reached by keyboard, and has a name.
    regions = [attributes for _, attributes in elements if attributes.get("role") == "region"]
    assert all(each.get("tabindex") == "0" and each.get("aria-label") for each in regions)


def test_every_figure_has_its_files_and_stands_in_the_markdown(study: Study, page: str) -> None:
    markdown = (study.folder / "report.md").read_text(encoding="utf-8")
    for name in FIGURES:
        for kind in ("png", "svg", "csv"):
            assert (study.folder / "figures" / f"{name}.{kind}").stat().st_size > 100
            assert f"(figures/{name}.{kind})" in markdown
    assert not list(study.folder.rglob("*.partial"))


def test_numbers_are_those_of_the_study(study: Study, page: str) -> None:
    text = words(page)
    rows = study.analysis.errors
    cells = rows[(rows["method"] == "dEf-10k") & (rows["size"] == 60)]
    assert f"{cells.mae_log10.mean():.4g} ± {cells.mae_log10.std():.2g}" in text
    assert f"{cells.mae_over_mad.mean():.4g} ± {cells.mae_over_mad.std():.2g}" in text
    for each in study.analysis.compared:
        assert f"{-100 * each.paired.gain:+.1f} %".replace("-", "−") in text
    law = study.analysis.power_laws["rf"]
    assert f"rf {law.exponent:.3f} {law.low:.3f} to {law.high:.3f} 2".replace("-", "−") in text
    parity = pd.read_csv(study.folder / "figures" / "parity.csv")
    assert parity.predicted.tolist() == pytest.approx(
        np.concatenate(list(study.predictions["dEf-10k", 60].values())).tolist(), rel=1e-6
    )


def test_every_cell_names_its_column_for_a_telephone(page: str) -> None:
    """Below 40rem a row is a card, and its header is not shown."""
    tables = re.findall(r"<table>(.*?)</table>", page, re.DOTALL)
    assert len(tables) > 3
    for table in tables:
        header = re.findall(r'<th scope="col">(.*?)</th>', table)
        for row in re.findall(r"<tr>(<td.*?)</tr>", table):
            assert re.findall(r'<td data-name="(.*?)">', row) == header
    assert re.search(r">-?[\d.]+\u00a0±\u00a0[\d.]+\u00a0\([\d.]+×\)</td>", page)  # kept on one line


def test_measured_coverage_is_told(page: str) -> None:
    assert "Intervals at 90 %" in words(page)
    assert "60 rf 85.0 % 80.0 % factor 1.41" in words(page)  # 10 to the mean half-width, 0.15


def test_it_says_how_it_was_made(study: Study, page: str) -> None:
    text = words(page)
    assert study.table.sha256 in text
    assert "f" * 64 in text
    assert "zoo study moduli.csv --task bulk-modulus --sizes 30,60" in text
    assert "--baselines rf,mean --seeds 5" in text
    assert "Nadeau, Y. Bengio, Mach. Learn. 52, 239 (2003)" in text
    assert "Full: all layers of the backbone are trained further." in text
    assert "With 5 seeds Wilcoxon's p cannot fall below 0.062" in text
    assert "moduli.csv: 150 rows. Target: K_VRH (GPa)." in text
    assert re.search(r"scipy \d+\.\d+", text)


@pytest.mark.parametrize("mode", ["mixture", "blend"])
def test_what_a_mixture_reads_is_told(study: Study, tmp_path: Path, mode: str) -> None:
    """Backbones that learned the very property count, whether they are compared or read beside."""
    read = {name: pull.pull(name) for name in ("Eg-NM", "multi-113k")}
    asked = replace(study.options, modes=(mode,))
    gaps = replace(study, options=asked, task=plugins.task("band-gap"), others=read)
    text = words(write_report(gaps, tmp_path).read_text(encoding="utf-8"))
    assert "Backbones trained on this very property: Eg-NM and multi-113k." in text
    assert "Mixtures and blends read them too." in text
    assert "Eg-NM frozen expert CGCNN pretrained on" in text


def test_a_cell_that_failed_is_named_and_escaped(page: str) -> None:
    assert "1 cell failed and is left out" in words(page)
    assert "mean 30 0 a worker died three times: <out of memory>" in words(page)
    assert "<out of memory>" not in page


def test_leaks_stand_before_the_methods(study: Study, tmp_path: Path) -> None:
    pairs = [["1 & 2", "3"]]
    leaks = Leaks("random", 200, pairs, pairs, 0, [SeedLeaks(0, 20, 1, 1, 2, 4)], [])
    text = write_report(replace(study, leaks=leaks), tmp_path).read_text(encoding="utf-8")
    assert "2 of 200 rows are copies of one another, 2 are near copies." in words(text)
    assert "Of the test rows, 5.0 % have a copy among the training rows, 5.0 % a near copy" in words(text)
    assert text.index("<h2>Leak checks</h2>") < text.index("<h2>Methods</h2>")
    assert "## Leak checks" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    study = make_study(tmp_path, seeds=2, sizes=(40,), backbones=False)
    text = words(write_report(study, tmp_path).read_text(encoding="utf-8"))
    assert "Not drawn: learning curve: a curve needs at least two training-set sizes" in text
    assert "Not drawn: source target: no backbone was used." in text
    assert "Of all methods rf has the smallest error in log10 at 40 rows" in text
    assert "No significance test: 2 seeds were run, and a test over seeds needs 3 or more" in text
    assert (
        "fraction of atoms" in (tmp_path / "report.md").read_text()
        or (tmp_path / "figures" / "error-by-distance.csv").exists()
    )
    distances = pd.read_csv(tmp_path / "figures" / "error-by-distance.csv").distance
    assert distances.between(0, 1).all()


def test_what_was_chosen_of_the_table_is_said(study: Study, tmp_path: Path) -> None:
    asked = replace(
        study.options, title="Hard ones", unseen=True, rows=150, where=(Condition(column="K_VRH", above=10.0),)
    )
    text = words(write_report(replace(study, options=asked), tmp_path).read_text(encoding="utf-8"))
    assert "Hard ones: bulk-modulus, moduli.csv: 150 crystals" in text
    chosen = f"those with {asked.where[0]}; those that no backbone was trained on; 150 of them, chosen by a hash"
    assert chosen in text
    assert "--unseen --rows 150" in text


def test_a_study_of_which_nothing_was_finished_has_a_report_too(study: Study, tmp_path: Path) -> None:
    failed = [FailedCell(FROM_SCRATCH, 30, 0, "out of memory")]
    results = study.results[study.results.status == "failed"]
    none = replace(study, results=results, predictions={}, failed=failed)
    text = words(write_report(none, tmp_path).read_text(encoding="utf-8"))
    assert "No cell of this study was finished." in text
    assert "Not drawn: all figures: no cell was finished." in text
    assert "from scratch 30 0 out of memory" in text


def test_more_of_the_same_property_is_not_called_transfer(study: Study, page: str, tmp_path: Path) -> None:
    said = "Backbones trained on this very property: dEf-10k."
    energies = replace(study, task=plugins.task("formation-energy"))
    assert said in words(write_report(energies, tmp_path).read_text(encoding="utf-8"))
    assert said not in words(page)


def test_one_seed_has_a_report_without_a_test(tmp_path: Path) -> None:
    study = make_study(tmp_path, seeds=1, sizes=(30, 60))
    text = words(write_report(study, tmp_path).read_text(encoding="utf-8"))
    assert "whether that is chance cannot be said: 1 seed, but a test over seeds needs at least 3" in text
    assert "no band, because there is one seed" in text
    assert "n/a" in text


def test_the_console_says_the_same(study: Study) -> None:
    header, rows = study_rows(study)
    assert header == [
        "training rows",
        "method",
        "MAE log10",
        "MAE (GPa)",
        "MAE log10 against scratch",
        "p",
        "p (Holm)",
        "R²",
    ]
    assert [row[:2] for row in rows[:4]] == [["30", name] for name in FACTORS]
    found = study.analysis.comparison("dEf-10k", FROM_SCRATCH, 30)
    assert found is not None
    assert rows[1][4] == f"{-100 * found.paired.gain:+.1f} %"
    lines = study_verdicts(study)
    assert lines[0] == study.analysis.sentence(30)
    assert lines[1].startswith("Against rf, the best classical method,")
    assert lines[-1].startswith("p: paired t-test over ")


def test_the_command_is_what_was_asked_for() -> None:
    options = StudyOptions(
        "dielectric", Path("/data/my table.csv"), sizes=(50,), modes=("full", "head"), split="chemsys"
    )
    assert command(options) == "zoo study 'my table.csv' --task dielectric --sizes 50 --modes full,head --split chemsys"
    without = StudyOptions(data=Path("d.csv"), target="sigma", unit="S/cm", log=False)
    assert command(without) == "zoo study d.csv --target sigma --unit S/cm --no-log"


OUTSIDE = """[...document.querySelectorAll("body *")].filter(each =>
  each.getBoundingClientRect().right > innerWidth + 1 && !each.closest(".wide, .card, pre")
).map(each => each.tagName)"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_it_fits_a_telephone_and_a_desk_by_day_and_night(page: str, tmp_path: Path) -> None:
    """Nothing is said in the console, nothing sticks out."""
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    with browser(tmp_path / "profile") as tab:
        for width, dark in product((400, 1400), (False, True)):
            tab.open(path.as_uri(), width, dark=dark)
            assert tab.run("innerWidth") == width
            assert tab.run("document.documentElement.scrollWidth") <= width
            assert tab.run(OUTSIDE) == []
            shown = "[...document.images].filter(each => each.complete && each.naturalWidth > 0).length"
            assert tab.run(shown) == len(FIGURES)
            paper = tab.run("getComputedStyle(document.body).backgroundColor")
            assert paper == ("rgb(21, 23, 26)" if dark else "rgb(255, 255, 255)")
        assert tab.said == []
