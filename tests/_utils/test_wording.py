"""Numbers in words."""

from __future__ import annotations

import numpy as np
import pytest
from support.notebook import tables

from zoo._utils.wording import as_html, format_error, format_p, with_unit


@pytest.mark.parametrize(
    ("p", "written"),
    [(0.5, "0.5"), (0.0312, "0.031"), (0.00012, "0.00012"), (0.00009, "< 0.0001"), (1.0, "1"), (np.nan, "n/a")],
)
def test_p_values(p: float, written: str) -> None:
    assert format_p(p) == written


@pytest.mark.parametrize(
    ("mean", "std", "written"),
    [
        (12.3456, 1.2345, "12.35 ± 1.2"),
        (0.053, np.nan, "0.053"),
        (0.04321, 0.0012, "0.04321 ± 0.0012"),
        (-0.5, 0.25, "-0.5 ± 0.25"),
    ],
)
def test_errors_with_their_deviation(mean: float, std: float, written: str) -> None:
    assert format_error(mean, std) == written


def test_a_quantity_without_unit_has_no_empty_brackets() -> None:
    assert with_unit("K_VRH", "GPa") == "K_VRH (GPa)"
    assert with_unit("R²", "") == "R²"


def test_html_for_notebooks_is_escaped_and_reads_as_a_table() -> None:
    evil = "<script>alert(1)</script>"
    shown = as_html(evil, {"unit": evil, "left out": ""}, ["method", "MAE"], [["a & b", "0.12"]], [evil, ""])
    assert "<script" not in shown
    assert "left out" not in shown
    assert tables(shown) == [[["unit", evil]], [["method", "MAE"], ["a & b", "0.12"]]]
    assert shown.count("<p>") == 1
