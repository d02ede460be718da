"""Pages of a report: text is escaped, pictures are embedded, numbers stay on one line."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from zoo.analysis.figures import Saved, parity
from zoo.analysis.reports import Page, Section, Table

if TYPE_CHECKING:
    from pathlib import Path


def page(*sections: Section) -> Page:
    return Page("title", "An answer: p = 0.01, E_g < 2 eV", "facts", list(sections))


def test_text_is_escaped_and_symbols_in_the_answer_have_subscripts() -> None:
    found = page(Section("A & B", ["<script>", "band_gap and K_VRH, 5 %"], points=["x > y"])).html
    assert "<script>" not in found
    assert "&lt;script&gt;" in found
    assert "<h2>A &amp; B</h2>" in found
    assert "band_gap and K_VRH, 5\u00a0%" in found  # columns, as they are written
    assert "E<sub>g</sub> &lt;\u00a02 eV" in found
    assert "p\u00a0=\u00a00.01" in found


def test_pictures_are_embedded_as_svg_or_else_as_png(tmp_path: Path) -> None:
    saved = parity([1, 2, 3], [1.1, 2.2, 2.9], quantity="E_g", unit="eV").save(tmp_path, "parity")
    (tmp_path / "other.png").write_bytes((tmp_path / "parity.png").read_bytes())
    other = Saved(tmp_path, "other", "Other", "An alternative text.", "A caption.")
    found = page(Section("Figures", pictures=[saved, other])).html
    svg, png = (base64.b64encode((tmp_path / f"parity.{kind}").read_bytes()).decode() for kind in ("svg", "png"))
    assert f"data:image/svg+xml;base64,{svg}" in found
    assert f"data:image/png;base64,{png}" in found
    assert 'alt="An alternative text."' in found


def test_a_table_is_the_same_in_markdown() -> None:
    table = Table("T", ["method", "MAE"], [["a|b", "0.1 ± 0.02"]], "A note.")
    assert table.markdown == "| method | MAE |\n| --- | --- |\n| a\\|b | 0.1 ± 0.02 |"
    assert table.markdown in page(Section("S", tables=[table])).markdown
    assert '<td data-name="MAE">0.1\u00a0±\u00a00.02</td>' in page(Section("S", tables=[table])).html
