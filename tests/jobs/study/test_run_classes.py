"""A study of a classification: its errors are those of classes, and so are its tables, sentences and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.metals import write_table

import zoo
from zoo.jobs.reports.comparison_table import study_rows

if TYPE_CHECKING:
    from pathlib import Path


def test_methods_are_compared_by_their_log_loss(backbone: Path, tmp_path: Path) -> None:
    options = zoo.StudyOptions(
        "metallicity",
        write_table(tmp_path / "metals.csv"),
        sizes=(25,),
        backbones=(str(backbone),),
        modes=("full",),
        baselines=("majority",),
        seeds=1,
        epochs=1,
        test=0.2,
    )
    study = zoo.study(options, tmp_path / "study", workers=1, quiet=True)
    assert not study.failed
    results = study.results.set_index("method")
    assert results.log_loss["majority"] == pytest.approx(np.log(2), abs=0.01)
    assert results.balanced_accuracy["majority"] == 0.5
    predicted = study.predictions["majority", 25][0]
    assert predicted.shape == (10, 2)
    header, rows = study_rows(study)
    assert header[2:5] == ["log-loss", "accuracy", "balanced accuracy"]
    assert header[-1] == "ROC-AUC"
    assert len(rows) == 3
    assert "log-loss" in study.analysis.sentence(25)
    report = (tmp_path / "study" / "report.md").read_text()
    assert "Confusion matrix" in report
    assert "Classes: every part of a split has its share of each class" in report
    again = zoo.study(options, tmp_path / "study", workers=1, quiet=True, report=False)  # nothing is computed again
    assert again.results.log_loss.tolist() == study.results.log_loss.tolist()
    with pytest.raises(zoo.ZooError, match="the baseline lasso serves no classification"):
        zoo.study(zoo.StudyOptions("metallicity", options.data, baselines=("lasso",)), tmp_path / "other")
