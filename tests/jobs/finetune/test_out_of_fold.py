"""Predictions out of fold by hand: the mean over seeds, intervals, ranks, and the section of the card."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.analysis.difficulty import Difficulty
from zoo.data.crystal import Crystal
from zoo.data.graphs.neighbors import GraphSettings, build_graph
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.tables.records import Record
from zoo.jobs.crossfit.fit import CrossFit
from zoo.jobs.finetune.out_of_fold import COLUMNS, carriers, describe, mean_weights, table, transfer
from zoo.jobs.methods import Dataset, Outcome
from zoo.registry import plugins
from zoo.testing import sample_crystals as samples

if TYPE_CHECKING:
    from collections.abc import Sequence

SALT = Crystal.from_structure(samples.crystals()["NaCl"])
TARGETS = [10.0, 100.0, 1000.0]


def crossfit(predictions: Sequence[float], rows: Sequence[int], weights: dict[str, float], **changes: Any) -> CrossFit:
    center = np.log10(np.array(predictions, dtype=np.float64))
    settings = {
        "errors": dict.fromkeys(weights, 0.25),
        "failed": {},
        "history": {},
        "scale": np.ones(3),
        "parts": dict.fromkeys(weights, center),
        "difficulty": Difficulty(),
        "untransferred": None,
        "target": np.log10(TARGETS),
        **changes,
    }
    members = [SimpleNamespace(calibration=settings.pop("calibration", ()))]
    outcome = Outcome(np.array(predictions, dtype=np.float64))
    return CrossFit(outcome, [np.array(rows)], members, weights, center=center, **settings)  # type: ignore[arg-type]


def result(*crossfits: CrossFit) -> Any:
    """Return what is read of a result: three rows of rock salt with bulk moduli of 10, 100 and 1000 GPa."""
    records = [Record(f"r{i}", SALT, target, i + 1, "t.csv") for i, target in enumerate(TARGETS)]
    graphs = PackedGraphs.pack([build_graph(SALT, GraphSettings())] * 3)
    dataset = Dataset(graphs, np.array(TARGETS), "log10")
    return SimpleNamespace(
        records=records, dataset=dataset, task=plugins.task("bulk-modulus"), crossfits=list(crossfits)
    )


def test_a_row_has_the_geometric_mean_of_its_seeds_and_test_rows_have_none() -> None:
    first = crossfit([20, 50, 1], [1, 0], {"svr": 1.0})
    second = crossfit([5, 1, 1], [0], {"svr": 1.0})
    rows = [dict(zip(COLUMNS, line, strict=True)) for line in table(result(first, second))]
    assert [row["id"] for row in rows] == ["r0", "r1"]
    assert [row["formula"] for row in rows] == ["Cl1 Na1"] * 2
    assert [row["target"] for row in rows] == [10, 100]
    assert [row["prediction"] for row in rows] == ["10", "50"]
    assert float(rows[1]["error"]) == pytest.approx(-50)
    assert [row["rank"] for row in rows] == [2, 1]
    assert [(row["lower"], row["upper"]) for row in rows] == [("", "")] * 2  # too few residuals


def test_intervals_are_as_wide_as_the_residuals_on_the_scale_that_is_learned_on() -> None:
    fitted = crossfit([10, 100, 1], [0, 1], {"svr": 1.0}, calibration=(0.1,) * 100)
    for line, target in zip(table(result(fitted)), TARGETS[:2], strict=True):
        row = dict(zip(COLUMNS, line, strict=True))
        assert float(row["lower"]) == pytest.approx(target * 10**-0.1, rel=1e-5)
        assert float(row["upper"]) == pytest.approx(target * 10**0.1, rel=1e-5)


def test_intervals_are_wider_for_difficult_rows_and_stay_in_the_valid_range() -> None:
    fitted = crossfit([10, 100, 500], [0, 1, 2], {"svr": 1.0}, calibration=(0.1,) * 100, scale=np.array([0.5, 2, 1]))
    rows = [dict(zip(COLUMNS, line, strict=True)) for line in table(result(fitted))]
    for row, half in zip(rows, (0.05, 0.2), strict=False):
        assert float(row["upper"]) / float(row["prediction"]) == pytest.approx(10**half, rel=1e-5)
    assert rows[2]["upper"] == "600"  # no bulk modulus of the task is larger


def test_weights_are_means_over_seeds_and_a_member_that_fails_once_counts_zero() -> None:
    fits = [crossfit([1, 1, 1], [0], {"net": 0.4, "svr": 0.6}), crossfit([1, 1, 1], [0], {"net": 1.0})]
    assert list(mean_weights(fits).items()) == [("net", pytest.approx(0.7)), ("svr", pytest.approx(0.3))]
    assert carriers(fits) == "the model: 70 % net, 30 % svr"
    assert carriers([crossfit([1, 1, 1], [0], {"svr": 0.999, "net": 0.001})]) == "the model: 100 % svr"


def test_what_transfer_adds_is_said_in_one_line() -> None:
    """Of three rows, the second is off by 0.3 in log10: 0.1 on average."""
    fits = [crossfit([10, 100 * 10**0.3, 1000], [0, 1, 2], {"svr": 1.0}, untransferred=each) for each in (0.12, 0.14)]
    assert transfer(fits) == "transfer helps: without pretrained networks the out-of-fold error is 30.0 % higher"
    useless = crossfit([10, 100 * 10**0.3, 1000], [0, 1, 2], {"svr": 1.0}, untransferred=0.0995)
    line = "transfer does not help here: without pretrained networks the out-of-fold error is 0.5 % lower"
    assert transfer([useless]) == line
    assert "Transfer does not help here: without" in describe(result(useless))
    assert transfer([crossfit([1, 1, 1], [0], {"svr": 1.0})]) == ""


def test_the_card_names_the_worst_row_first_and_what_was_left_out() -> None:
    fitted = crossfit([10, 50, 8000], [0, 1, 2], {"svr": 1.0}, failed={"forest": "too few rows"})
    lines = describe(result(fitted)).splitlines()
    assert "- forest was left out: too few rows" in lines
    assert any(line.startswith("| svr | 100 % | 0.25") for line in lines)
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| r")] == ["r2", "r1", "r0"]
    assert not any(line.startswith("| Na |") for line in lines)  # three rows are too few for an element


def test_the_card_shows_what_each_member_says_of_the_rows_on_which_they_disagree() -> None:
    """Of the second row, one member says 10 or 1000 GPa by seed, the other 400; of the first, they say the same."""
    unknown = np.nan
    weights = {"net": 0.4, "svr": 0.6, "dropped": 0.0}
    parts = [
        {"net": [20, 10, unknown], "svr": [20, 400, unknown], "dropped": [1, 1, unknown]},
        {"net": [20, 1000, unknown], "svr": [20, 400, unknown], "dropped": [1, 1, unknown]},
    ]
    fits = [
        crossfit([20, 80, 1], [0, 1], weights, parts={name: np.log10(values) for name, values in each.items()})
        for each in parts
    ]
    card = describe(result(*fits))
    section = card[card.index("## Rows on which the members disagree") :].splitlines()
    assert section[2] == "| id | formula | target (GPa) | svr | net |"
    assert section[4] == "| r1 | Cl1 Na1 | 100 | 400 | 100 |"  # the geometric mean of 10 and 1000
    assert section[5] == ""  # nobody disagrees on the first row, and the third is in no fold
    alone = describe(result(crossfit([10, 50, 500], [0, 1, 2], {"svr": 1.0, "net": 0.0})))
    assert "disagree" not in alone
