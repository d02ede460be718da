"""The report of a run: what its files say, in one page."""

from __future__ import annotations

import html
import json
import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Composition
from support.browser import CHROMIUM, browser

from zoo.errors import InputError
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.reports.run import write_run_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.jobs.finetune.result import Result


@pytest.fixture(scope="module")
def cross_fitted(moduli: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("report") / "svr"
    request = Options("bulk-modulus", moduli(60), backbone="dEf-10k", mode="svr", epochs=1)
    return finetune(request, folder, quiet=True), folder


@pytest.fixture(scope="module")
def run(moduli: Callable[[int], Path], backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("report") / "mixture"
    request = Options(
        "bulk-modulus", moduli(60), mode="mixture", backbone=str(backbone), epochs=1, compare_scratch=True
    )
    return finetune(request, folder, quiet=True), folder


def words(path: Path) -> str:
    """What a reader reads."""
    page = path.read_text(encoding="utf-8")
    text = re.sub(r"<style>.*?</style>|</?su[bp]>|<wbr>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


def test_it_begins_with_the_error_and_needs_nothing_else(cross_fitted: tuple[Result, Path], tmp_path: Path) -> None:
    result, folder = cross_fitted
    path = write_run_report(folder, tmp_path / "new" / "page.html")
    page = path.read_text(encoding="utf-8")
    mean = result.summary()[result.model]["mae_log10"]["mean"]
    answer = f"Predictions of the bulk modulus KVRH are off by a factor of {10**mean:.2f} on average, on test rows"
    assert f"{answer} ({len(result.judged[0])} predictions, 1 seed)." in words(path)
    assert words(path).index(answer) < 50
    assert list(path.parent.iterdir()) == [path]
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|url\(", page)
    assert page.count("data:image/svg+xml;base64,") >= 2


def usual(formula: str) -> str:
    """Return a formula as it is usually written."""
    return Composition(formula).reduced_formula


def test_worst_rows_and_elements_are_those_of_the_files(cross_fitted: tuple[Result, Path]) -> None:
    _, folder = cross_fitted
    text = words(write_run_report(folder))
    table = pd.read_csv(folder / "out_of_fold.csv", dtype={"id": str}).sort_values("rank")
    worst = table.iloc[0]
    assert f"{worst.id} {usual(worst.formula)} {worst.target:.5g} {worst.prediction:.5g}" in text
    assert text.index(table.id.iloc[0]) < text.index(table.id.iloc[1])
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["provenance"]["data"]["sha256"] in text
    assert f"{metrics['rows']['used']:,} rows used" in text
    for each in metrics["intervals"]["coverage"]:
        if each["measured"] is not None:
            assert f"{100 * each['level']:.0f} % {100 * each['measured']:.1f} %" in text


def test_a_run_that_was_not_cross_fitted_has_its_test_rows_by_element(run: tuple[Result, Path], tmp_path: Path) -> None:
    result, folder = run
    text = words(write_run_report(folder, tmp_path / "report.html"))
    (rows,) = result.judged
    assert "Mean error on test rows of the crystals that contain an element" in text
    assert f"{len(rows)} predictions on test rows; the line is a perfect prediction." in text
    errors = dict.fromkeys(result.records[row].id for row in rows)
    for row in rows:
        ratio = result.outcomes[result.model][0].predictions[row] / result.dataset.targets[row]
        errors[result.records[row].id] = abs(np.log10(ratio))
    worst = max(errors, key=lambda each: errors[each])
    (record,) = (each for each in result.records if each.id == worst)
    assert f"{worst} {usual(record.crystal.formula)} {record.target:.5g}" in text
    assert result.model in text
    verdict = json.loads((folder / "metrics.json").read_text())["verdict"]
    assert verdict.split(":")[0] in text


def test_classes_have_a_share_of_correct_predictions(tmp_path: Path, run: tuple[Result, Path]) -> None:
    """The files of a run of classes, made from those of another."""
    _, folder = run
    copy = tmp_path / "classes"
    shutil.copytree(folder, copy)
    metrics = json.loads((copy / "metrics.json").read_text())
    error = {name: {"mean": 0.75, "std": None} for name in ("log_loss", "accuracy", "balanced_accuracy", "roc_auc")}
    method = {"test": error, "per_seed": [dict.fromkeys(error, 0.75)]}
    metrics |= {"task": "metallicity", "classes": ["metal", "non-metal"], "headline": "log_loss", "intervals": {}}
    metrics |= {"methods": {metrics["model"]: method}, "against_scratch": {}, "against_scratch_log10": {}}
    (copy / "metrics.json").write_text(json.dumps(metrics))
    rows = pd.read_csv(copy / "predictions.csv").drop(columns="unit")
    metal = rows.index % 2 == 0
    rows["target"], rows["prediction"] = np.where(metal, "metal", "non-metal"), "metal"
    rows.insert(4, "probability_metal", 0.75)
    rows.insert(5, "probability_non-metal", 0.25)
    rows.to_csv(copy / "predictions.csv", index=False)
    text = words(write_run_report(copy))
    assert "75.0 % of the predicted classes of the metallicity are correct on test rows" in text
    first = rows[(rows["split"] == "test") & (rows["target"] == "non-metal")].iloc[0]
    assert f"{first.id} {usual(first.formula)} non-metal metal {-np.log(0.25):.3g}" in text


def test_what_is_no_run_is_refused(tmp_path: Path, run: tuple[Result, Path]) -> None:
    with pytest.raises(InputError, match=r"is not the folder of a run: metrics\.json is missing"):
        write_run_report(tmp_path)
    copy = tmp_path / "broken"
    copy.mkdir()
    metrics = json.loads((run[1] / "metrics.json").read_text())
    (copy / "metrics.json").write_text(json.dumps({key: metrics[key] for key in metrics if key != "verdict"}))
    with pytest.raises(InputError, match=r"metrics\.json does not describe a run"):
        write_run_report(copy)
    shutil.copy(run[1] / "metrics.json", copy)
    with pytest.raises(InputError, match="its predictions cannot be read"):
        write_run_report(copy)
    assert [path.name for path in copy.iterdir()] == ["metrics.json"]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_it_fits_a_telephone(cross_fitted: tuple[Result, Path], tmp_path: Path) -> None:
    path = write_run_report(cross_fitted[1], tmp_path / "report.html")
    with browser(tmp_path / "profile") as tab:
        for dark in (False, True):
            tab.open(path.as_uri(), 400, dark=dark)
            assert tab.run("[innerWidth, document.documentElement.scrollWidth]") == [400, 400]
            assert tab.run("[...document.images].every(each => each.naturalWidth > 0)")
            paper = tab.run("getComputedStyle(document.body).backgroundColor")
            assert paper == ("rgb(21, 23, 26)" if dark else "rgb(255, 255, 255)")
        assert tab.said == []
