"""The figures of a study: what they show, and why one is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from support.knownstudy import make_study

from zoo.jobs.study.figures import FIGURES, draw, error_label
from zoo.registry import plugins
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.study.result import Study


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("study"), backbones=False)


def test_all_are_drawn_but_that_of_a_backbone(known: Study, tmp_path: Path) -> None:
    saved, missing = draw(known, tmp_path)
    assert missing == ["source target: no backbone was used"]
    assert len(saved) == len(FIGURES) - 1
    curve = pd.read_csv(tmp_path / "learning-curve.csv")
    assert set(curve["method"]) == {FROM_SCRATCH, "rf", "mean"}
    gain = pd.read_csv(tmp_path / "gain.csv").set_index(["method", "size"]).gain
    # The forest is off by 0.9 of the error from scratch, but for noise of 2 %.
    assert gain["rf", 60] == pytest.approx(0.1, abs=0.05)


def test_why_a_figure_is_missing(known: Study, tmp_path: Path) -> None:
    one = make_study(tmp_path, seeds=2, sizes=(40,), backbones=False)
    assert draw(one, tmp_path)[1] == [
        "learning curve: a curve needs at least two training-set sizes",
        "source target: no backbone was used",
    ]
    none = replace(known, results=known.results[known.results.status == "failed"], predictions={})
    assert draw(none, tmp_path) == ([], ["all figures: no cell was finished"])


def test_the_axis_of_errors_names_scale_and_unit(known: Study) -> None:
    assert error_label(known) == "absolute error of log10(K_VRH / GPa)"
    energies = replace(known, task=plugins.task("formation-energy"))
    assert error_label(energies) == "absolute error of ΔE_f (eV/atom)"
