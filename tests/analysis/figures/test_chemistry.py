"""Errors by element and by distance from the training set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from support.pictures import check_saved

from zoo.analysis import figures
from zoo.data.crystal import Crystal

if TYPE_CHECKING:
    from pathlib import Path


def test_an_element_has_the_mean_error_of_its_crystals(tmp_path: Path) -> None:
    crystals = [("Mg", "O"), ("Zn", "O"), ("Si",), *([("Al",)] * 6)]
    picture = figures.element_errors(crystals, [0.1, 0.3, 0.5, *([0.2] * 6)], error_label="error (eV)")
    table = check_saved(picture, tmp_path).set_index("element")
    assert table.loc["O", "mean error"] == pytest.approx(0.2)
    assert table.loc["O", "errors"] == 2
    assert table.index[0] == "Si"
    assert "5 elements" in picture.alt


def test_distance_is_in_units_of_the_usual_one() -> None:
    """Four training points a unit apart on a line: the next neighbour of each is at 1."""
    train = np.array([[0.0], [1.0], [2.0], [3.0]]) * 7
    assert figures.nearest(np.array([[0.0], [3.5], [42.0]]), train) == pytest.approx([0, 0.5, 3])


def test_composition_distance() -> None:
    def crystal(*numbers: int) -> Crystal:
        return Crystal(np.array(numbers), np.eye(3) * 5, np.random.default_rng(0).random((len(numbers), 3)))

    salt, doubled, rutile, metal = crystal(11, 17), crystal(11, 11, 17, 17), crystal(22, 8, 8), crystal(29)
    # NaCl to TiO2 shares nothing; Na2Cl2 is NaCl; TiO2 to Ti3O: |1/3 - 3/4| + |2/3 - 1/4| = 5/6, half of it.
    found = figures.composition_distances([doubled, rutile, crystal(22, 22, 22, 8)], [salt, metal])
    assert found == pytest.approx([0, 1, 1])
    assert figures.composition_distances([crystal(22, 22, 22, 8)], [rutile, metal]) == pytest.approx([5 / 12])


def test_errors_against_distance(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    distance = rng.gamma(2, 1, 400)
    error = np.abs(rng.normal(0, 0.1 + 0.1 * distance))
    picture = figures.distance_errors(distance, error, distance_label="distance", error_label="error (eV)")
    rho = stats.spearmanr(distance, error).statistic
    assert f"ρ = {rho:.2f}" in picture.figure.axes[0].get_title(loc="left")
    line = picture.figure.axes[0].lines[0]
    assert len(line.get_xdata()) == 8
    nearest = np.argsort(distance)[:50]
    assert line.get_ydata()[0] == pytest.approx(error[nearest].mean())
    assert len(check_saved(picture, tmp_path)) == 400
