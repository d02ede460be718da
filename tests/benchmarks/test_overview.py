"""The figure of the benchmark says what the table of its errors says, and the README what the figure says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def overview(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import overview

    yield overview
    sys.modules.pop("overview", None)


def results(**errors: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        (task, method, size, seed, error)
        for task, methods in errors.items()
        for name, values in methods.items()
        for method, _, size in [name.partition(" ")]
        for seed, error in enumerate(values)
    ]
    frame = pd.DataFrame(rows, columns=["task", "method", "size", "seed", "error"])
    return frame.assign(size=frame["size"].astype(int))


def test_errors_are_relative_to_scratch_at_the_largest_size(overview: Any) -> None:
    frame = results(
        one={"scratch 100": [9.0], "blend 100": [1.0], "scratch 500": [2.0, 4.0], "blend 500": [1.0, 2.0]},
        two={"scratch 100": [1.0, 8.0], "blend 100": [0.9], "other 100": [1.0]},  # the second seed is not finished
    )
    found = overview.relative(frame)
    assert found.loc["one", "blend"] == pytest.approx(0.5)
    assert found.loc["two", "blend"] == pytest.approx(0.9)
    assert list(found) == ["blend", "scratch"]  # the other method has not done every task
    picture = overview.draw(frame)
    assert "the default is 33 % better" in picture.alt  # 1 - sqrt(0.5 * 0.9)
    assert [label.get_text() for label in picture.figure.axes[0].get_yticklabels()] == [
        overview.NAMES["scratch"],
        overview.NAMES["blend"],
    ]


def test_the_readme_says_what_the_figure_shows(overview: Any) -> None:
    alt = overview.draw(pd.read_csv(ROOT / "benchmarks" / "tasks.csv")).alt
    for page in (ROOT / "README.md", ROOT / "docs" / "index.md"):
        assert f"![{alt}](" in page.read_text(encoding="utf-8")
