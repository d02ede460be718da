"""The look of methods, and files that depend on the data alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from support.pictures import seed_errors

from zoo.analysis import figures
from zoo.analysis.figures import style
from zoo.analysis.figures.style import looks

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
