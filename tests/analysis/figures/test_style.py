"""The look of methods, and files that depend on the data alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from support.pictures import seed_errors

from zoo.analysis import figures
from zoo.analysis.figures import style
from zoo.analysis.figures.style import looks
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def errors() -> pd.DataFrame:
    return seed_errors()


def test_methods_are_told_apart_without_colour() -> None:
    names = ["from scratch", *(f"backbone {i}" for i in range(7))]
    drawn = looks(names, "from scratch")
    assert list(drawn) == names
    assert len({look.marker for name, look in drawn.items() if name != "from scratch"}) == 7
    assert drawn["from scratch"].face == "white"
    assert len({look.color for look in drawn.values()}) == 8


def test_the_same_numbers_give_the_same_file(errors: pd.DataFrame, tmp_path: Path) -> None:
    for name in ("a", "b"):
        figures.learning_curve(errors, error_label="MAE (eV)").save(tmp_path, name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_notebook_shows_the_figure() -> None:
    figure, (axes,) = style.new_figure()
    axes.plot([0, 1])
    picture = style.Picture(figure, pd.DataFrame({"x": [0, 1]}), "title", "alt", "caption")
    assert picture._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(("text", "shown"), [
    ("Dielectric constant ε_r", r"Dielectric constant ε$_{\mathrm{r}}$"),
    ("Formation energy ΔE_f (eV/atom)", r"Formation energy ΔE$_{\mathrm{f}}$ (eV/atom)"),
    ("error of log10(K_VRH / GPa)", r"error of log$_{10}$(K$_{\mathrm{VRH}}$ / GPa)"),
    ("formation_energy_per_atom", "formation_energy_per_atom"),
    ("is_metal", "is_metal"),
    ("price ($/kg)", r"price (\$/kg)"),
])  # fmt: skip
def test_symbols_have_subscripts_and_columns_stay(text: str, shown: str) -> None:
    assert style.axis_text(text) == shown
    figure, (axes,) = style.new_figure()
    axes.set_xlabel(style.axis_text(text))
    figure.canvas.draw()  # matplotlib can read it


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_figure_has_the_width_that_a_journal_asks_for(kind: str, tmp_path: Path) -> None:
    picture = figures.parity([1, 10, 100], [2, 9, 99], quantity="Bulk modulus K_VRH", unit="GPa", log=True)
    before = picture.figure.get_size_inches().tolist()
    path = picture.write(tmp_path / "new" / f"fig.{kind}", width=3.35)
    assert picture.figure.get_size_inches().tolist() == before
    content = path.read_bytes()
    if kind == "png":
        assert int.from_bytes(content[16:20], "big") == pytest.approx(3.35 * 300, abs=1)
    elif kind == "svg":
        assert re.search(rb'width="([\d.]+)pt"', content)[1] == b"241.2"
    else:
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", content)
        assert float(box[1]) == pytest.approx(3.35 * 72, abs=1)
        assert b"/Type3" not in content  # fonts that journals refuse


def test_other_endings_are_refused(tmp_path: Path) -> None:
    picture = figures.parity([1, 10, 100], [2, 9, 99], quantity="K_VRH")
    with pytest.raises(InputError, match=r"fig\.docx: figures are written as \.png, \.svg or \.pdf"):
        picture.write(tmp_path / "fig.docx")


def test_a_long_label_is_not_cut_off_in_a_narrow_column(tmp_path: Path) -> None:
    errors = seed_errors()
    label = "mean absolute error of log10(K_VRH / GPa)"
    picture = figures.learning_curve(errors, error_label=label)
    seen = []
    figure, usual = picture.figure, picture.figure.savefig

    def look(*args: object, **options: object) -> None:
        usual(*args, **options)
        box = figure.axes[0].yaxis.label.get_window_extent()
        seen.append((figure.axes[0].get_ylabel(), box.y0 >= 0 and box.y1 <= figure.bbox.y1))

    figure.savefig = look
    picture.write(tmp_path / "curve.svg", width=3.35)
    ((text, whole),) = seen
    assert whole
    assert text.replace("\n", " ") == style.axis_text(label) == figure.axes[0].get_ylabel()
