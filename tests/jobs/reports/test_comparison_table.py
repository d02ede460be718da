"""Numbers and sentences at the end of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.markdown import Markdown

from zoo._utils.wording import markdown_table
from zoo.analysis import metrics
from zoo.analysis.comparisons import Comparison, compare
from zoo.jobs.predict.ranking import Ranking
from zoo.jobs.reports.comparison_table import comparison_rows, prediction_rows, verdict
from zoo.registry import plugins

TARGET = np.linspace(20, 200, 30)


@dataclass
class Run:
    """The part of a Result that a report reads, with real errors and real tests behind it."""

    task: str
    absolute: dict[str, list[np.ndarray]]
    compare: bool = True
    model: str = field(init=False)
    headline: str = field(init=False)
    headline_comparisons: dict[str, Comparison] = field(init=False)
    repeat: str = "seed"
    approach: str = "transfer"
    basis: str = "on test rows"
    leaks: dict[str, list[int]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.model = next(iter(self.absolute))
        self.task: Any = plugins.task(self.task)
        log10 = self.task.transform == "log10"
        errors = {
            method: [metrics.row_errors(TARGET, TARGET + rows, log10=log10) for rows in seeds]
            for method, seeds in self.absolute.items()
        }
        reference = errors.pop("from scratch")
        self.headline_comparisons = {
            method: compare(rows, reference) for method, rows in errors.items() if self.compare
        }
        self.headline = "mae_log10" if self.task.transform == "log10" else "mae"

    @property
    def unit(self) -> str:
        return str(self.task.unit)

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        log10 = self.task.transform == "log10"
        return {
            method: metrics.summary([metrics.errors(TARGET, TARGET + rows, log10=log10) for rows in seeds])
            for method, seeds in self.absolute.items()
        }


def run(scale: float, *, seeds: int = 4, noise: float = 0.02, task: str = "bulk-modulus", **kwargs: Any) -> Run:
    """Errors of transfer that are `scale` times those of scratch, but for noise."""
    rng = np.random.default_rng(7)
    scratch = [rng.gamma(4, 2.5, 30) for _ in range(seeds)]
    ours = [rows * scale * (1 + noise * rng.normal()) for rows in scratch]
    return Run(task, {"dEf-10k (full)": ours, "from scratch": scratch}, **kwargs)


def test_a_gain_is_claimed_with_its_size_and_test() -> None:
    found = run(0.8, noise=0.001, task="band-gap")
    p = found.headline_comparisons["dEf-10k (full)"].p
    shown = f"= {p:.2g}" if p >= 1e-4 else "< 0.0001"
    ours, scratch = (np.mean(found.absolute[method]) for method in ("dEf-10k (full)", "from scratch"))
    expected = f"Transfer cuts the MAE by 20.0 % against training from scratch: {ours:.3g} against {scratch:.3g} eV"
    assert verdict(found) == f"{expected} (paired t-test over 4 seeds: p {shown})."  # type: ignore[arg-type]


def test_for_a_task_in_log10_the_claim_is_of_log10_with_its_factor() -> None:
    found = run(0.8, noise=0.001)
    ours, scratch = (
        10 ** found.summary()[method]["mae_log10"]["mean"] for method in ("dEf-10k (full)", "from scratch")
    )
    sentence = verdict(found)  # type: ignore[arg-type]
    gain = found.headline_comparisons["dEf-10k (full)"].gain
    assert gain > 0
    assert sentence.startswith(
        f"Transfer cuts the error of log10 by {100 * gain:.1f} % against training from scratch: "
    )
    assert f": predictions are off by {ours:.3g}×, from scratch by {scratch:.3g}× (paired t-test" in sentence


@pytest.mark.parametrize(("approach", "subject"), [("the blend", "The blend cuts"), ("svr", "svr cuts")])
def test_the_claim_names_what_the_model_is(approach: str, subject: str) -> None:
    assert verdict(run(0.8, noise=0.001, approach=approach)).startswith(f"{subject} the error of log10")  # type: ignore[arg-type]
    assert f"with {approach} the error" in verdict(run(0.97, noise=0.1, approach=approach))  # type: ignore[arg-type]


def test_a_loss_is_admitted() -> None:
    sentence = verdict(run(1.25, noise=0.001, task="band-gap"))  # type: ignore[arg-type]
    assert sentence.startswith("Transfer does not help here: the MAE is 25.0 % higher than from scratch; ")


@pytest.mark.parametrize("scale", [0.97, 1.03])
def test_luck_is_called_luck(scale: float) -> None:
    found = run(scale, noise=0.1)
    assert found.headline_comparisons["dEf-10k (full)"].p > 0.05
    sentence = verdict(found)  # type: ignore[arg-type]
    gain = found.headline_comparisons["dEf-10k (full)"].gain
    direction = "lower" if gain > 0 else "higher"
    assert sentence.startswith(
        f"No significant difference: with transfer the error of log10 is {100 * abs(gain):.1f} % {direction} than"
    )


def test_one_seed_says_that_it_compares_rows() -> None:
    assert "Wilcoxon signed-rank test over 30 test rows: p" in verdict(run(0.8, seeds=1))  # type: ignore[arg-type]


def test_without_a_comparison_nothing_is_claimed() -> None:
    assert verdict(run(0.8, compare=False)) == ""  # type: ignore[arg-type]


def test_the_comparison_table() -> None:
    found = run(0.5, noise=0.0)
    header, rows = comparison_rows(found)  # type: ignore[arg-type]
    assert header == ["method", "MAE log10", "MAE (GPa)", "RMSE (GPa)", "R²", "MAE log10 against scratch", "p"]
    assert [row[0] for row in rows] == ["dEf-10k (full)", "from scratch"]
    mean = np.mean([each.mean() for each in found.absolute["dEf-10k (full)"]])
    std = np.std([each.mean() for each in found.absolute["dEf-10k (full)"]], ddof=1)
    assert rows[0][2] == f"{mean:.4g} ± {std:.2g}"
    log10 = found.summary()["dEf-10k (full)"]["mae_log10"]
    assert rows[0][1] == f"{log10['mean']:.4g} ± {log10['std']:.2g} ({10 ** log10['mean']:.3g}×)"
    gain = found.headline_comparisons["dEf-10k (full)"].gain
    assert 0.3 < gain < 0.6
    assert rows[0][5] == f"-{100 * gain:.1f} %"
    assert rows[1][5:] == ["", ""]
    assert all(len(row) == len(header) for row in rows)


def test_a_task_without_logarithm_or_comparison_has_fewer_columns() -> None:
    header, rows = comparison_rows(run(0.5, task="band-gap", compare=False, seeds=1))  # type: ignore[arg-type]
    assert header == ["method", "MAE (eV)", "RMSE (eV)", "R²"]
    assert "±" not in "".join(rows[0])


def test_the_table_is_markdown_that_others_read() -> None:
    text = markdown_table(["method", "MAE (eV)"], [["full", "0.1"], ["from scratch", "0.2"]])
    assert text.splitlines() == ["| method | MAE (eV) |", "| --- | --- |", "| full | 0.1 |", "| from scratch | 0.2 |"]
    console = Console(width=60)
    with console.capture() as capture:
        console.print(Markdown(text))
    shown = capture.get()
    assert "|" not in shown
    assert "from scratch" in shown


def test_predictions_show_unit_spread_and_note() -> None:
    head = [
        {"id": "a", "prediction": 123.456789, "unit": "GPa", "spread": 4.567, "note": ""},
        {"id": "b", "prediction": 7.0, "unit": "", "spread": np.nan, "note": "Xe never occurred in the training set"},
    ]
    model: Any = SimpleNamespace(target="K_VRH")
    done: Any = SimpleNamespace(head=[[row] for row in head], count=12, interval=None, ranking=None)
    header, rows, title = prediction_rows(done, [model])
    assert header == ["id", "K_VRH", "spread", "note"]
    assert rows == [["a", "123.46 GPa", "4.6", ""], ["b", "7", "", "Xe never occurred in the training set"]]
    assert title == "The first 2 of 12 predictions"
    done.ranking = Ranking(lowest=True)
    assert prediction_rows(done, [model])[2] == "The lowest 2 of 12 predictions"
    done.count = 2
    assert prediction_rows(done, [model])[2] == ""


def test_a_table_of_the_predictions_of_two_models() -> None:
    common = {"id": "a", "spread": np.nan}
    row = [
        common | {"prediction": 2.5, "unit": "eV", "lower": 2.0, "upper": 3.0, "note": "far"},
        common | {"prediction": np.nan, "unit": "eV", "lower": np.nan, "upper": np.nan, "note": "not predicted: no Xe"},
    ]
    done: Any = SimpleNamespace(head=[row], count=1, interval=0.9, ranking=None)
    models: Any = [SimpleNamespace(target="gap", name=name, directory=Path(name)) for name in ("one", "two")]
    header, rows, _ = prediction_rows(done, models)
    assert header == ["id", "gap, one", "90 % interval", "gap, two", "90 % interval", "note"]
    assert rows == [["a", "2.5 eV", "2 … 3", "", "", "one: far; two: not predicted: no Xe"]]
