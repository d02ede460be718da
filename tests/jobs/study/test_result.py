"""A study: its errors, by method, size and seed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.knownstudy import make_study
from support.notebook import tables

from zoo.jobs.reports.comparison_table import study_rows
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from zoo.jobs.study.result import Study


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("study"))


def test_who_asks_for_a_stricter_level_gets_it(known: Study) -> None:
    strict = replace(known, options=replace(known.options, significance=1e-9))
    assert known.analysis.sentence(60).startswith("Transfer from dEf-10k cuts")
    assert strict.analysis.sentence(60).startswith("No significant difference at 60 rows")


def test_errors_are_those_of_the_predictions_in_log10(known: Study) -> None:
    for size, seed in known.splits:
        rows = known.splits[size, seed].test
        assert known.test_rows(seed).tolist() == rows.tolist()
        off = np.abs(np.log10(known.predictions["rf", size][seed] / known.targets[rows]))
        assert known.errors["rf", size][seed] == pytest.approx(off)
    assert [method.name for method in known.methods] == [FROM_SCRATCH, "dEf-10k", "rf", "mean"]


def test_it_is_shown_with_its_answer(known: Study) -> None:
    assert repr(known).startswith("<Study of K_VRH: Transfer from dEf-10k cuts")
    none = replace(known, results=known.results[known.results.status == "failed"], predictions={})
    assert repr(none) == "<Study of K_VRH: no cell was finished>"
    header, rows = study_rows(known)
    assert tables(known._repr_html_()) == [[header, *rows]]
    assert "No cell was finished" in none._repr_html_()
