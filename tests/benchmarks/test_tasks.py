"""The benchmarks on open tasks, on a small table: what they compute, resume and write."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
ROWS, FOLDS = 40, 5
LIST = """
[moduli]
title = "bulk moduli"
file = "toy.parquet"
column = "k"
task = "bulk-modulus"
sizes = [10, 20]
tuned = true

[folds]
title = "layers"
file = "toy.parquet"
column = "k"
derive = "sqrt"
task = "exfoliation-energy"
sizes = [10]
folds = "fold"
matbench = "matbench_toy"
tuned = false
"""
LEADERBOARD = """task,model,mae_mean,mae_std,rmse_mean,fold_maes,source
matbench_toy,Oracle,0.001,0.0001,,,materialsproject/matbench@1 docs leaderboard
matbench_toy,Dummy,1000,1,,,somebody/somewhere (paper table)
matbench_other,Nobody,1,1,,,materialsproject/matbench@1 docs leaderboard
"""


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the modules of benchmarks/ importable, and forget them and their plugin afterwards."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield
    plugins.remove_files()
    for name in ("tasks", "tasks_report", "matbench", "crystals"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    frame = pd.read_csv(ROOT / "examples" / "bulk_modulus.csv", comment="#").iloc[:ROWS]
    table = frame[["material_id", "structure"]].assign(k=frame["K_VRH"], fold=np.arange(ROWS) % FOLDS)
    table.to_parquet(folder / "toy.parquet", index=False)
    (folder / "list.toml").write_text(LIST, encoding="utf-8")
    (folder / "leaderboard.csv").write_text(LEADERBOARD, encoding="utf-8")
    return folder


@pytest.fixture
def run(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``run(name, *options)``: one of the programs on the toy table, in this process."""

    def call(name: str, *options: str) -> None:
        words = [str(toy), "--work", str(tmp_path / "work"), "--list", str(toy / "list.toml"), *options]
        monkeypatch.setattr(sys, "argv", [name, *words])
        importlib.import_module(name).main()

    return call


def test_ten_tasks_are_known_and_some_were_not_tuned_on() -> None:
    tasks = importlib.import_module("tasks")
    found = tasks.read_tasks()
    assert len(found) == 10
    assert {task.tuned for task in found.values()} == {True, False}
    for task in found.values():
        assert plugins.task(task.task).name == task.task
        assert task.sizes == sorted(task.sizes)


def test_the_default_is_compared_resumed_and_reported(
    run: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, image = tmp_path / "tasks.md", tmp_path / "tasks.png"
    options = ["--seeds", "2", "--methods", "default,mean", "--default", "full", "--backbone", "dEf-10k"]
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- written by benchmarks/tasks.py -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    options += ["--epochs", "2", "--report", str(report), "--image", str(image), "--page", str(page)]
    run("tasks", *options)
    first, text = capsys.readouterr().out, report.read_text(encoding="utf-8")
    assert first.count(" rows, seed ") == 12  # two methods, two seeds, and three sizes of two tasks
    found = pd.read_csv(report.with_suffix(".csv"))
    assert sorted(found.groupby(["task", "size"]).size().to_dict().values()) == [4, 4, 4]
    assert (found["error"] == found["mae_log10"].fillna(found["mae"])).all()

    means = found.pivot_table(index=["task", "size"], columns="method", values="error")
    ratio = means["full"] / means["mean"]
    assert f"| all | 3 | {ratio.max():.3f} (" in text
    assert f"| {np.exp(np.log(ratio).mean()):.3f} |" in text
    assert "| not tuned | 1 |" in text
    assert "`--tasks NAME` computes a single task" in text
    assert str(tmp_path) not in text
    assert image.read_bytes().startswith(b"\x89PNG")
    shown = page.read_text(encoding="utf-8")
    assert shown.startswith("before\n<!-- written")
    assert shown.endswith("<!-- end -->\nafter\n")
    assert "old" not in shown
    ours, theirs = means.loc[("moduli", 20)][["full", "mean"]]
    assert f"| bulk moduli (log10) | 20 | {ours:.4g} | – | {theirs:.4g} (mean) | {ours / theirs:.2f} |" in shown

    run("tasks", *options)
    assert " rows, seed " not in capsys.readouterr().out
    assert report.read_text(encoding="utf-8") == text

    lost = next((tmp_path / "work" / "moduli" / "cells").glob("mean-*-n20-seed1.json"))
    lost.unlink()
    run("tasks", *options)
    assert capsys.readouterr().out.count(" rows, seed ") == 1
    assert lost.exists()


def test_only_what_was_asked_for_is_computed(run: Callable[..., None], tmp_path: Path) -> None:
    options = ["--tasks", "moduli", "--sizes", "20", "--seeds", "1", "--methods", "mean"]
    run("tasks", *options, "--report", str(tmp_path / "t.md"), "--image", str(tmp_path / "t.png"))
    assert "no ratio" in (tmp_path / "t.md").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "work").iterdir() if path.name != "tables"] == ["moduli"]
    with pytest.raises(SystemExit, match="there is moduli, folds"):
        run("tasks", "--tasks", "modulus")


def test_official_folds_are_tested_on_whole_and_never_known() -> None:
    tasks = importlib.import_module("tasks")
    records: Any = [type("Record", (), {"id": f"m-{i:02d}"}) for i in reversed(range(ROWS))]
    fold = {f"m-{i:02d}": i % FOLDS for i in range(ROWS)}
    for size in (8, None):
        split = tasks.official_split(records, fold, 3, size)
        assert [records[i].id for i in split.test] == [name for name, number in fold.items() if number == 3]
        known = np.concatenate([split.train, split.val])
        assert not set(known) & set(split.test)
        assert len(set(known)) == len(known) == (32 if size is None else 28)
    with pytest.raises(SystemExit, match="fold 3 leaves 32 rows"):
        tasks.official_split(records, fold, 3, 30)


def test_a_ratio_is_to_the_best_other_method_over_common_seeds() -> None:
    report = importlib.import_module("tasks_report")
    rows = [("a", 100, "blend", 0, 2.0), ("a", 100, "svr", 0, 1.0), ("a", 100, "rf", 0, 4.0)]
    rows += [("a", 100, "blend", 1, 4.0), ("a", 100, "svr", 1, 3.0), ("a", 100, "rf", 1, 4.0)]
    rows += [("a", 100, "blend", 2, 90.0), ("a", 500, "svr", 0, 1.0)]  # no partner, and no default
    means = report.errors(pd.DataFrame(rows, columns=["task", "size", "method", "seed", "error"]))
    assert report.ratios(means, "blend").to_numpy().tolist() == [["a", 100, "svr", 1.5]]


def test_matbench_record_and_page(run: Callable[..., None], toy: Path, tmp_path: Path) -> None:
    page = tmp_path / "matbench.md"
    run("matbench", "--methods", "mean", "--leaderboard", str(toy / "leaderboard.csv"), "--page", str(page))
    path = tmp_path / "work" / "records" / "matbench_v0.1_zoo-mean" / "results.json"
    made = json.loads(path.read_text(encoding="utf-8"))
    said = made.pop("hash")
    assert said == hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    assert made["@class"] == "MatbenchBenchmark"
    results = made["tasks"]["matbench_toy"]["results"]
    table = pd.read_parquet(toy / "toy.parquet").set_index("material_id")
    target = np.sqrt(table["k"])
    errors = []
    for number in range(FOLDS):
        rows = target[table["fold"] == number]
        guess = float(target[table["fold"] != number].mean())  # all rows outside of the fold are trained on
        fold = results[f"fold_{number}"]
        assert fold["data"].keys() == set(rows.index)
        assert all(value == pytest.approx(guess, abs=1e-9) for value in fold["data"].values())
        errors.append(float((rows - guess).abs().mean()))
        assert fold["scores"]["mae"] == pytest.approx(errors[-1])
        assert fold["scores"]["rmse"] == pytest.approx(float(((rows - guess) ** 2).mean() ** 0.5))
        assert fold["scores"]["mape"] == pytest.approx(float(((rows - guess).abs() / rows).mean()))
        assert fold["scores"]["max_error"] == pytest.approx(float((rows - guess).abs().max()))
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][2:]
    assert [line.split(" | ")[1] for line in lines] == ["Oracle", "**zoo, mean**", "Dummy"]
    assert f"{np.mean(errors):.4g} ± {np.std(errors):.2g}" in lines[1]
    assert "reported" in lines[2]
