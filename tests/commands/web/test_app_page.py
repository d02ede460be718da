"""The page in Chromium: upload, result, wrong file, phone, keyboard, contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.browser import CHROMIUM, Tab, browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

ROWS = "document.querySelectorAll('#table tbody tr').length"
CONTRAST = """(() => {
  const parse = text => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => {
    const linear = each => (each / 255 <= 0.04045 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const ground = each => {
    for (let at = each; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const each of document.querySelectorAll("body *")) {
    const own = [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !each.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(each).color)), light(ground(each))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(`${each.tagName} ${each.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return found;
})()"""
OUTSIDE = """[...document.querySelectorAll("body *")].filter(each =>
  each.checkVisibility() && each.getBoundingClientRect().right > innerWidth + 1 && !each.closest("pre")
).map(each => each.tagName)"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def show(tab: Tab, server: Any, width: int = 1400, *, dark: bool = False) -> None:
    tab.open(f"{server.address}/", width, dark=dark)
    tab.wait("document.getElementById('version').textContent")
    tab.said.clear()


def test_a_cif_is_uploaded_and_shown(tab: Tab, server, cifs: dict[str, Path]) -> None:
    show(tab, server)
    tab.choose_files("#files", cifs["SrTiO3"], cifs["NaCl"])
    tab.wait(f"{ROWS} === 2")
    tab.wait("document.querySelector('#contributions table')")
    text = tab.run("document.body.innerText")
    assert "2 crystals predicted." in text
    assert "Formation energy ΔE" in text
    assert "5 atoms" in text
    assert "−3.5" in tab.run("document.querySelector('#table .value').textContent")  # eV/atom; -3.5 by DFT
    assert "mp-5229" in tab.run("document.getElementById('known').textContent")
    assert tab.run("document.getElementById('legend').textContent") == "SrTiO"
    # Something is drawn: strontium is green.
    green = """[...document.getElementById("canvas").getContext("2d").getImageData(0, 0, 2000, 2000).data]
        .filter((each, at, all) => at % 4 === 1 && each > 150 && all[at - 1] < 60 && all[at + 1] < 60).length"""
    assert tab.run(green) > 200
    tab.run("document.querySelectorAll('#table .id')[1].click()")
    assert tab.run("document.getElementById('detail-title').textContent") == "NaCl"
    assert tab.said == []


def test_the_table_is_downloaded(tab: Tab, server, cifs: dict[str, Path]) -> None:
    show(tab, server)
    catch = "URL.createObjectURL = blob => { window.saved = blob; return '#'; }; null"
    tab.run(catch)
    for name in ("ZnO", "Si"):
        tab.choose_files("#files", cifs[name])
        tab.wait(f"document.querySelector('#table tbody tr:last-child .id')?.textContent === '{name}'")
    tab.run("document.getElementById('download').click()")
    lines = tab.run("window.saved.text()").splitlines()
    assert [line.split(",")[0] for line in lines] == ["id", "ZnO", "Si"]


def test_a_wrong_file_gets_one_message_and_the_page_goes_on(
    tab: Tab, server, cifs: dict[str, Path], tmp_path: Path
) -> None:
    show(tab, server)
    wrong = tmp_path / "<img src=x onerror=document.title=1>.cif"
    wrong.write_text("no crystal")
    large = tmp_path / "large.cif"
    large.write_bytes(b" " * 50_000_000)
    tab.choose_files("#files", wrong)
    tab.wait("document.querySelectorAll('.problem').length === 1")
    assert tab.run("document.querySelector('.problem').textContent").startswith(
        f"{wrong.name}: broken CIF: no line begins with data_"
    )
    assert tab.run("document.querySelector('#problems img')") is None
    tab.choose_files("#files", large)
    tab.wait("document.getElementById('problems').textContent.includes('large.cif: 50 MB; at most 10 MB')")
    tab.choose_files("#files", cifs["Si"])
    tab.wait(f"{ROWS} === 1")
    assert tab.run("document.querySelectorAll('.problem').length") == 0


def test_files_are_dropped_and_a_folder_is_not_one(tab: Tab, server, cifs: dict[str, Path], tmp_path: Path) -> None:
    show(tab, server)
    tab.drop_files(300, 150, cifs["Si"], tmp_path)
    tab.wait(f"{ROWS} === 1")
    assert tab.run("[...document.querySelectorAll('.problem')].map(each => each.textContent)") == [
        f"{tmp_path.name}: cannot be read; if it is a folder, choose the files in it Dismiss"
    ]
    tab.drop_files(300, 150, tmp_path)
    tab.wait("document.getElementById('status').textContent === ''")
    tab.wait("document.querySelectorAll('.problem').length === 1")
    assert tab.run(ROWS) == 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_it_fits_and_can_be_read(
    tab: Tab, server, cifs: dict[str, Path], tmp_path: Path, width: int, dark: bool
) -> None:
    show(tab, server, width, dark=dark)
    wrong = tmp_path / "notes.cif"
    wrong.write_text("no crystal")
    tab.choose_files("#files", *cifs.values(), wrong)
    tab.wait(f"{ROWS} === {len(cifs)}")
    tab.wait("document.querySelector('#contributions table')")
    assert tab.run("innerWidth") == width
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run(OUTSIDE) == []
    assert tab.run(CONTRAST) == []
    paper = tab.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(21, 23, 26)" if dark else "rgb(255, 255, 255)")
    small = """[...document.querySelectorAll("button, .button, select")].filter(each =>
        each.checkVisibility() && each.getBoundingClientRect().height < 24).length"""
    assert tab.run(small) == 0


def test_everything_is_reached_by_keyboard(tab: Tab, server) -> None:
    show(tab, server)
    reached = []
    for _ in range(2):
        tab.press("Tab", 9)
        reached.append(tab.run("document.activeElement.id"))
    assert reached == ["files", "example"]
    tab.press("Enter", 13, "\r")
    tab.wait(f"{ROWS} === 1")
    tab.wait("document.querySelector('#contributions table')")
    for _ in range(4):
        tab.press("Tab", 9)
        reached.append(tab.run("document.activeElement.id || document.activeElement.textContent"))
    assert reached[2:] == ["download", "clear", "NaCl", "canvas"]
    picture = "document.getElementById('canvas').toDataURL()"
    before = tab.run(picture)
    tab.press("ArrowLeft", 37)
    assert tab.run(picture) != before
    assert tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_names_and_roles_for_a_screen_reader(tab: Tab, server, cifs: dict[str, Path]) -> None:
    show(tab, server)
    tab.choose_files("#files", cifs["ZnO"])
    tab.wait("document.querySelector('#contributions table')")
    assert tab.run("document.documentElement.lang") == "en"
    assert tab.run("document.getElementById('canvas').getAttribute('aria-label')") == "Structure of ZnO"
    levels = tab.run(
        "[...document.querySelectorAll('h1, h2, h3')].filter(e => e.checkVisibility()).map(e => e.tagName)"
    )
    assert levels[:3] == ["H1", "H2", "H2"]
    unnamed = """[...document.querySelectorAll("button, input, select, a, canvas")].filter(each =>
        !(each.textContent.trim() || each.ariaLabel || each.labels?.length)).map(each => each.outerHTML)"""
    assert tab.run(unnamed) == []


def test_the_interface_is_described_on_a_page_of_its_own(tab: Tab, server) -> None:
    tab.open(f"{server.address}/docs", 400)
    tab.wait("document.querySelectorAll('.operation').length === 4")
    assert tab.run("document.documentElement.scrollWidth") <= 400
    assert tab.run(CONTRAST) == []
    assert f"{server.address}/api/predict" in tab.run("document.body.innerText")
