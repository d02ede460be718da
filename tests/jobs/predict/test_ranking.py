"""Rows in the order of a number, against pandas."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from zoo.jobs.predict.ranking import Best, Ranking, ranked_rows

if TYPE_CHECKING:
    from pathlib import Path

VALUES = [2.0, np.nan, -1.0, 7.5, 2.0, np.inf, 0.0]
ROWS = [[str(value), f"text, with\na line break {place}"] for place, value in enumerate(VALUES)]


def written(ranking: Ranking | None, folder: Path) -> list[str]:
    handle = io.BytesIO()
    with ranked_rows(handle, ranking, folder) as write:
        for value, row in zip(VALUES, ROWS, strict=True):
            write(value, row)
    frame = pd.read_csv(io.BytesIO(handle.getvalue()), header=None, dtype=str, keep_default_na=False)
    assert set(frame[1]) <= {row[1] for row in ROWS}
    return [text.rsplit(" ", 1)[1] for text in frame[1]]


@pytest.mark.parametrize(
    ("ranking", "expected"),
    [
        (None, "0123456"),
        (Ranking(), "3046215"),  # without a finite number, a row is last in either order
        (Ranking(lowest=True), "2604315"),
        (Ranking(top=3), "304"),
        (Ranking(lowest=True, top=2), "26"),
        (Ranking(top=99), "3046215"),
    ],
)
def test_rows_in_order(ranking: Ranking | None, expected: str, tmp_path: Path) -> None:
    assert "".join(written(ranking, tmp_path)) == expected
    assert list(tmp_path.iterdir()) == []


def test_no_rows(tmp_path: Path) -> None:
    for ranking in (None, Ranking(), Ranking(top=1)):
        handle = io.BytesIO()
        with ranked_rows(handle, ranking, tmp_path):
            pass
        assert handle.getvalue() == b""


def test_the_best_of_many() -> None:
    values = np.random.default_rng(0).integers(0, 50, 500)
    best = Best[int](20)
    for place, value in enumerate(values.tolist()):
        best.add(value, place)
    assert best.items() == np.argsort(-values, kind="stable")[:20].tolist()
