"""The picture of a run: what its axes say, what is drawn, and that a PNG and an SVG come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from zoo.jobs.finetune import pictures

if TYPE_CHECKING:
    from pathlib import Path

# Bulk moduli in GPa (Simmons & Wang 1971), and predictions that are off by known amounts.
MODULI = np.array([442.0, 138.0, 98.0, 76.0, 24.0, 3.3])
DATA: dict[str, Any] = {
    "target": MODULI,
    "prediction": MODULI * 1.1,
    "errors": {"dEf-10k (full)": [10.0, 12.0], "from scratch": [14.0, 18.0]},
    "quantity": "K_VRH",
    "unit": "GPa",
    "log": True,
    "caption": "2 seeds",
}


def draw(path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Figure:
    """Draw, and keep the figure that was saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *args: object, **kwargs: object) -> None:
        figures.append(self)
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    pictures.parity(path=path, **DATA | changes)
    png, svg = figures
    assert png is svg
    return png


def points(figure: Figure) -> np.ndarray:
    (scatter,) = figure.axes[0].collections
    return np.asarray(scatter.get_offsets())


def test_the_files_are_a_png_and_an_svg(tmp_path: Path) -> None:
    pictures.parity(path=tmp_path / "both.png", **DATA)
    pictures.parity(path=tmp_path / "alone.png", **DATA | {"errors": {"dEf-10k (full)": [10.0]}})
    both, one = (matplotlib.image.imread(tmp_path / name) for name in ("both.png", "alone.png"))
    assert both.shape == (736, 1600, 4)
    assert one.shape == (784, 864, 4)
    assert (tmp_path / "both.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert len(np.unique(both.reshape(-1, 4), axis=0)) > 50  # lines, points and text, not an empty sheet


@pytest.mark.parametrize("log", [True, False])
def test_axes_carry_the_unit_and_show_every_point(log: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = draw(tmp_path / "p.png", monkeypatch, log=log)
    axes = figure.axes[0]
    assert axes.get_xscale() == axes.get_yscale() == ("log" if log else "linear")
    assert axes.get_xlabel() == r"K$_{\mathrm{VRH}}$ (GPa), reference"
    assert axes.get_ylabel() == r"K$_{\mathrm{VRH}}$ (GPa), predicted"
    assert axes.get_xlim() == axes.get_ylim()
    shown = points(figure)[np.argsort(points(figure)[:, 0])]
    assert shown == pytest.approx(np.stack([MODULI, MODULI * 1.1], axis=1)[::-1])
    low, high = axes.get_xlim()
    assert low < points(figure).min()
    assert high > points(figure).max()
    # The diagonal runs from corner to corner.
    assert axes.lines[0].get_xdata() == pytest.approx(axes.get_xlim())
    assert axes.lines[0].get_ydata() == pytest.approx(axes.get_xlim())


def test_a_quantity_without_unit_has_no_empty_brackets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = draw(tmp_path / "p.png", monkeypatch, quantity="poly_total", unit="")
    assert figure.axes[0].get_xlabel() == "poly_total, reference"
    assert figure.axes[1].get_xlabel().startswith("test MAE;")


def test_what_has_no_logarithm_is_counted_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prediction = DATA["prediction"].copy()
    prediction[[2, 5]] = -4.0, 0.0
    figure = draw(tmp_path / "p.png", monkeypatch, prediction=prediction)
    assert len(points(figure)) == 4
    assert "not shown: 2 at or below zero" in figure.axes[0].get_title(loc="left")
    whole = draw(tmp_path / "q.png", monkeypatch, prediction=prediction, log=False)
    assert len(points(whole)) == 6
    assert "not shown" not in whole.axes[0].get_title(loc="left")


def test_equal_values_do_not_collapse_the_axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for log in (True, False):
        same = {"target": np.full(3, 7.0), "prediction": np.full(3, 7.0), "log": log}
        low, high = draw(tmp_path / "p.png", monkeypatch, **same).axes[0].get_xlim()
        assert low < 7.0 < high


def test_every_seed_of_every_method_is_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    axes = draw(tmp_path / "p.png", monkeypatch).axes[1]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(DATA["errors"])
    assert [bar.get_width() for bar in axes.patches] == [11.0, 16.0]
    assert [np.asarray(dots.get_offsets())[:, 0].tolist() for dots in axes.collections] == [[10, 12], [14, 18]]
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlabel() == "test MAE (GPa); dots: seeds, bars: means"
    axes = draw(tmp_path / "q.png", monkeypatch, error="MAE log10", repeat="fold").axes[1]
    assert axes.get_xlabel() == "test MAE log$_{10}$; dots: folds, bars: means"
    # The run's own model stands on top, in its own colour.
    heights = dict(
        zip(DATA["errors"], (np.asarray(dots.get_offsets())[0, 1] for dots in axes.collections), strict=True)
    )
    assert heights["dEf-10k (full)"] > heights["from scratch"]
    # In grey too.
    own, other = (float(np.mean(over_white(bar.get_facecolor()))) for bar in axes.patches)
    assert own < other - 0.2


def over_white(color: Any) -> np.ndarray:
    return color[3] * np.array(to_rgb(color)) + 1 - color[3]


def test_the_mean_errors_are_written_at_the_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    means = {"dEf-10k (full)": "11 ± 1.4 GPa", "from scratch": "16 ± 2.8 GPa"}
    axes = draw(tmp_path / "p.png", monkeypatch, means=means).axes[1]
    assert [text.get_text().strip() for text in axes.texts] == list(means.values())


def test_nothing_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = draw(
        tmp_path / "p.png",
        monkeypatch,
        caption="106 test rows, MAE log10 0.1016 ± 0.013 (off by 1.26×)",
        errors={"multi-113k-wide (blend)": [10.0, 12.0], **{f"baseline {i}": [14.0, 18.0] for i in range(9)}},
    )
    check_within(figure)
    kept: list[Figure] = []
    monkeypatch.setattr(pictures, "save_figure", lambda figure, path: kept.append(figure))
    pictures.coverage({0.5: [0.42, 0.58], 0.9: [0.86, 0.93], 0.95: [None]}, 300, 106, tmp_path / "c.png", repeat="fold")
    check_within(kept[0])


def check_within(figure: Figure) -> None:
    figure.draw_without_rendering()
    drawn, page = figure.get_tightbbox(), figure.get_size_inches()
    assert drawn.x0 >= 0
    assert drawn.y0 >= 0
    assert (np.array([drawn.x1, drawn.y1]) <= page).all()
