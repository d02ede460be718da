"""Learning curves, gains, and errors by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from support.pictures import check_saved, seed_errors

from zoo.analysis import figures
from zoo.analysis.comparisons import power_law

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def errors() -> pd.DataFrame:
    return seed_errors()


def test_the_learning_curve(errors: pd.DataFrame, tmp_path: Path) -> None:
    fits = {name: law for name, rows in errors.groupby("method") if (law := power_law(rows["size"], rows["error"]))}
    picture = figures.learning_curve(errors, error_label="MAE (eV)", fits=fits, reference="from scratch")
    axes = picture.figure.axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("training rows", "MAE (eV)")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["50", "100", "200"]
    legend = [text.get_text() for text in picture.figure.legends[0].get_texts()]
    assert legend[0].startswith(f"from scratch (∝ n$^{{{fits['from scratch'].exponent:.2f}}}")
    table = check_saved(picture, tmp_path).set_index(["method", "size"])
    at_100 = errors[(errors["method"] == "dEf-10k") & (errors["size"] == 100)].error
    assert table.loc[("dEf-10k", 100), "mean"] == pytest.approx(at_100.mean())
    assert table.loc[("dEf-10k", 100), "std"] == pytest.approx(at_100.std())
    assert "At 200 rows dEf-10k has the smallest error" in picture.alt
    # The band reaches one deviation up and down.
    band = axes.collections[1].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx((table["mean"] + table["std"])["dEf-10k"].max())


def test_of_many_curves_only_two_have_bands(errors: pd.DataFrame) -> None:
    copies = [errors.assign(method=errors["method"] + mark, error=errors["error"] * 1.1) for mark in ("'", "''")]
    many = pd.concat([errors, *copies])
    picture = figures.learning_curve(many, error_label="MAE", reference="from scratch")
    assert many["method"].nunique() > 4
    assert len(picture.figure.axes[0].collections) == 2
    assert "bands (from scratch and dEf-10k only) are ± one standard deviation" in picture.caption


def test_a_single_seed_has_no_band(errors: pd.DataFrame) -> None:
    picture = figures.learning_curve(errors[errors.seed == 0], error_label="MAE")
    assert "no band, because there is one seed" in picture.caption


def gains(mean: float = -0.3) -> pd.DataFrame:
    rows = [("dEf-10k", 50, 0.2, 0.1, 0.3, True), ("dEf-10k", 100, 0.1, -0.05, 0.2, False)]
    rows += [("mean", 50, mean, mean - 0.1, mean + 0.1, True), ("mean", 100, mean, mean - 0.1, mean + 0.1, True)]
    return pd.DataFrame(rows, columns=["method", "size", "gain", "low", "high", "significant"])


def test_the_gain(tmp_path: Path) -> None:
    picture = figures.gain_curve(gains(), reference="training from scratch")
    axes = picture.figure.axes[0]
    assert "reduction of the error relative\nto training from scratch (%)" in axes.get_ylabel()
    # What is not significant is open.
    open_markers = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_ydata().tolist() for line in open_markers] == [[10.0], []]
    assert check_saved(picture, tmp_path).gain.tolist() == gains().gain.tolist()
    assert "Outside the plot" not in picture.caption


def test_a_method_far_below_does_not_flatten_the_others() -> None:
    picture = figures.gain_curve(gains(-3.0), reference="training from scratch")
    low, high = picture.figure.axes[0].get_ylim()
    assert -50 < low < -5
    assert high > 30
    assert "Outside the plot: mean, 300 % higher at 2 sizes." in picture.caption


def test_every_seed_is_in_its_box(errors: pd.DataFrame, tmp_path: Path) -> None:
    picture = figures.seed_boxes(errors, error_label="MAE (eV)", reference="from scratch")
    panels = picture.figure.axes
    assert [axes.get_title(loc="left") for axes in panels] == [f"{n} training rows" for n in (50, 100, 200)]
    assert panels[-1].get_xlabel() == "MAE (eV)"
    dots = [line for line in panels[1].lines if line.get_linestyle() == "None"]
    drawn = np.sort(np.concatenate([line.get_xdata() for line in dots]))
    assert drawn == pytest.approx(np.sort(errors[errors["size"] == 100].error))
    assert len(check_saved(picture, tmp_path)) == len(errors)


def test_of_many_boxes_the_ends_are_drawn_and_all_are_saved(errors: pd.DataFrame) -> None:
    many = pd.concat([errors.assign(method=f"method {i}", error=errors.error * (1 + i)) for i in range(11)])
    picture = figures.seed_boxes(many, error_label="MAE (eV)")
    assert [axes.get_title(loc="left") for axes in picture.figure.axes] == ["50 training rows", "200 training rows"]
    assert picture.caption.endswith("Shown: the smallest and the largest of 3 sizes.")
    assert set(picture.data["size"]) == {50, 100, 200}
    assert picture.figure.axes[-1].get_xscale() == "log"
