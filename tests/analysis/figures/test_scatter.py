"""Scatter plots: source against target, prediction against reference, density of points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.pictures import ENERGIES, GAPS, check_saved

from zoo.analysis import figures

if TYPE_CHECKING:
    from pathlib import Path


def test_source_against_target(tmp_path: Path) -> None:
    picture = figures.source_target(
        ENERGIES, GAPS, source_name="ΔEf", target_name="Eg", source_unit="eV/atom", target_unit="eV"
    )
    axes = picture.figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("ΔEf (eV/atom)", "Eg (eV)")
    r = stats.pearsonr(ENERGIES, GAPS).statistic
    assert f"Pearson's r = {r:.2f}, 10 crystals" in axes.get_title(loc="left")
    assert f"r = {r:.2f}" in picture.caption
    table = check_saved(picture, tmp_path)
    assert table["ΔEf"].tolist() == pytest.approx(ENERGIES.tolist())
    assert table["Eg"].tolist() == pytest.approx(GAPS.tolist())


def test_what_a_logarithm_cannot_show_is_counted() -> None:
    picture = figures.source_target(
        np.append(ENERGIES, np.nan), np.append(GAPS, 1.0), source_name="ΔEf", target_name="Eg", log_target=True
    )
    assert len(picture.data) == 7
    assert picture.caption.startswith("7 crystals; Pearson's r with log10(Eg) = ")
    assert "4 pairs without two valid values are not shown." in picture.caption
    with pytest.raises(ValueError, match="2 of 2 pairs can be shown; at least three are needed"):
        figures.source_target([1, 2], [1, 2], source_name="x", target_name="y")


def test_equal_predictions_have_a_density_too() -> None:
    """A baseline that predicts one number for all, but for rounding."""
    found = figures.point_density([1.0, 2.0, 3.0], [97.3, 97.3, 97.3 + 1e-13])
    assert found == pytest.approx([found[0], 1.0, found[0]], rel=0.05)


def test_the_density_is_that_of_gaussian_kernels() -> None:
    """SciPy's kernels have the covariance of the points; it is all but diagonal here, and ours is."""
    points = np.random.default_rng(1).normal(size=(2, 4000)) * [[1.0], [30.0]]
    found = figures.point_density(*points)
    exact = stats.gaussian_kde(points)(points)
    assert found == pytest.approx(exact / exact.max(), abs=0.02)
    assert found.max() == 1


def test_ninety_thousand_points_are_drawn_as_a_picture(tmp_path: Path) -> None:
    x, y = np.random.default_rng(2).normal(size=(2, 90_000))
    saved = figures.source_target(x, y, source_name="x", target_name="y").save(tmp_path, "many")
    assert saved.path("svg").stat().st_size < 1_000_000
    assert len(pd.read_csv(saved.path("csv"))) == 90_000


def test_parity(tmp_path: Path) -> None:
    target = np.array([442.0, 138.0, 98.0, 76.0, 24.0, 3.3])
    prediction = np.array([400.0, 150.0, 90.0, 80.0, 30.0, -2.0])
    picture = figures.parity(target, prediction, quantity="K_VRH", unit="GPa", log=True, method="rf")
    axes = picture.figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        r"K$_{\mathrm{VRH}}$ (GPa), reference",
        r"K$_{\mathrm{VRH}}$ (GPa), predicted",
    )
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlim() == axes.get_ylim()
    assert "1 predictions at or below zero are not shown." in picture.caption
    assert f"{np.abs(prediction - target).mean():.3g} GPa" in picture.caption
    assert check_saved(picture, tmp_path)["predicted"].tolist() == prediction.tolist()
