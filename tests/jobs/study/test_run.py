"""A study: cells that can be computed in any order, cut off and extended, and what they add up to."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from sklearn.model_selection import GridSearchCV, KFold
from support.tinystudy import options
from zoo.cli import main

from zoo._utils import resuming
from zoo.data.tables.conditions import Condition
from zoo.errors import InputError
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.predict.model import load
from zoo.jobs.reports.comparison_table import study_rows, study_verdicts
from zoo.jobs.study.preparation import prepare
from zoo.jobs.study.run import run_study
from zoo.models.threads import threads
from zoo.registry import plugins
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.jobs.study.result import Study


def test_there_is_a_result_for_every_method_size_and_seed(study: tuple[Study, Path]) -> None:
    found, out = study
    cells = {(row.method, row.size, row.seed) for row in found.results.itertuples()}
    assert cells == {(m, n, s) for m in (FROM_SCRATCH, "dEf-10k", "mean") for n in (20, 40) for s in range(3)}
    assert len(list((out / "cells").iterdir())) == len(found.results) == 18
    pd.testing.assert_frame_equal(pd.read_parquet(out / "results.parquet"), found.results)


def test_within_a_seed_the_test_rows_are_the_same_and_training_rows_nested(study: tuple[Study, Path]) -> None:
    splits = json.loads((study[1] / "splits.json").read_text())
    for seed in range(3):
        few, more = (splits[f"{size} rows, seed {seed}"] for size in (20, 40))
        assert few["test"] == more["test"]
        assert (len(few["train"]), len(more["train"])) == (20, 40)
        assert more["train"][:20] == few["train"]
        assert not set(more["train"]) & {*more["test"], *more["validation"]}
    assert splits["20 rows, seed 0"]["test"] != splits["20 rows, seed 1"]["test"]


def test_a_cell_is_what_a_fine_tuning_of_that_split_finds(
    study: tuple[Study, Path], tmp_path: Path, table: Path
) -> None:
    request = Options("bulk-modulus", table, "dEf-10k", "full", n_train=40, seed=1, epochs=2, compare_scratch=True)
    single = finetune(request, tmp_path / "run", quiet=True)
    rows = study[0].results.set_index(["method", "size", "seed"])
    for method, name in (("dEf-10k (full)", "dEf-10k"), (FROM_SCRATCH, FROM_SCRATCH)):
        assert single.errors[method][0]["mae"] == pytest.approx(rows.mae[name, 40, 1], rel=1e-4)


def test_the_mean_predicts_the_geometric_mean_of_the_training_rows(study: tuple[Study, Path], table: Path) -> None:
    found, out = study
    moduli = pd.read_csv(table, dtype={"material_id": str}).set_index("material_id").K_VRH
    split = json.loads((out / "splits.json").read_text())["40 rows, seed 2"]
    constant = 10 ** np.log10(moduli[split["train"]]).mean()
    row = found.results.set_index(["method", "size", "seed"]).loc[("mean", 40, 2)]
    tested = moduli[split["test"]]
    assert row.mae == pytest.approx(np.abs(tested - constant).mean(), rel=1e-6)
    assert row.mae_over_mad == pytest.approx(row.mae / np.abs(tested - tested.mean()).mean(), rel=1e-6)
    assert row.test_rows == len(tested)


def test_methods_are_compared_by_what_the_cells_say(study: tuple[Study, Path]) -> None:
    found, _ = study
    logs = found.results.set_index(["method", "size", "seed"]).sort_index().mae_log10
    made = [(each.method, each.reference, each.size) for each in found.analysis.compared]
    assert made == [
        *(("dEf-10k", FROM_SCRATCH, 20), ("mean", FROM_SCRATCH, 20)),
        *(("dEf-10k", FROM_SCRATCH, 40), ("mean", FROM_SCRATCH, 40)),
    ]
    for each in found.analysis.compared:
        gain = 1 - logs[each.method, each.size].mean() / logs[FROM_SCRATCH, each.size].mean()
        assert each.paired.gain == pytest.approx(gain, rel=1e-6)


def test_the_table_and_the_sentences_say_what_was_found(study: tuple[Study, Path]) -> None:
    header, rows = study_rows(study[0])
    assert header[:4] == ["training rows", "method", "MAE log10", "MAE (GPa)"]
    assert [row[:2] for row in rows[:3]] == [["20", FROM_SCRATCH], ["20", "dEf-10k"], ["20", "mean"]]
    sentences = study_verdicts(study[0])
    assert len(sentences) == 3
    assert re.match(r"(No significant difference|Transfer from dEf-10k|Transfer does not)", sentences[0])
    assert "at 20 rows" in sentences[0]


def test_what_is_finished_is_not_computed_again(
    study: tuple[Study, Path], table: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found, out = study
    stamps = {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    gone = next(path for path in stamps if "dEf-10k" in path.name)
    broken, short = [path for path in stamps if "scratch" in path.name][:2]
    gone.unlink()
    broken.write_text("{")
    short.write_text(json.dumps({**json.loads(short.read_text()), "predictions": [1.0]}))
    said: list[str] = []
    again = run_study(options(table), out, workers=1, report=False, quiet=True, say=said.append)
    pd.testing.assert_frame_equal(again.results.drop(columns="seconds"), found.results.drop(columns="seconds"))
    for path in (broken, short):
        assert f"{path} is damaged and is computed again" in caplog.messages
    assert any("18 cells, 3 to do" in line for line in said)
    assert {path for path in stamps if path.stat().st_mtime_ns != stamps[path]} == {gone, broken, short}


def test_a_study_can_be_extended_and_not_mixed(study: tuple[Study, Path], table: Path) -> None:
    _, out = study
    said: list[str] = []
    more = run_study(
        options(table, sizes=(20, 40, 60), baselines=("mean",), backbones=()),
        out,
        workers=1,
        report=False,
        quiet=True,
        say=said.append,
    )
    assert any("18 cells, 6 to do" in line for line in said)
    assert set(more.results["size"]) == {20, 40, 60}
    with pytest.raises(InputError, match=rf"{out} was made with other settings \(epochs, test\); give another out"):
        run_study(options(table, epochs=3, test=0.2), out, report=False, quiet=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda note: {**note, "format": 3, "mixtures": None}, r"other settings \(format\); give another out"),
        (lambda note: {key: each for key, each in note.items() if key != "weights"}, r"damaged \('weights'\)"),
    ],
)
def test_the_note_of_another_version_or_a_damaged_one_is_refused(
    spoil: Callable[[dict[str, object]], object],
    message: str,
    study: tuple[Study, Path],
    table: Path,
    tmp_path: Path,
) -> None:
    note = tmp_path / "study.json"
    note.write_text(json.dumps(spoil(json.loads((study[1] / "study.json").read_text()))))
    with pytest.raises(InputError, match=message):
        run_study(options(table), tmp_path, report=False, quiet=True)
    assert list(tmp_path.iterdir()) == [note]


def test_intervals_hold_as_often_as_they_are_asked_for(study: tuple[Study, Path]) -> None:
    found, _ = study
    rows = found.results.query("method == 'mean'")
    # Of guesses by the mean, where there is nothing to overfit: nine of ten, within what so few rows can tell.
    assert rows.coverage.mean() == pytest.approx(0.9, abs=0.1)
    for row in rows.itertuples():
        split = found.splits[row.size, row.seed]
        logs = np.log10(found.targets)
        guess = np.log10(found.predictions["mean", row.size][row.seed][0])
        rank = int(np.ceil((len(split.val) + 1) * 0.9))
        half = np.sort(np.abs(logs[split.val] - guess))[rank - 1]
        assert row.half_width == pytest.approx(half, rel=1e-6)
        assert row.coverage == np.mean(np.abs(logs[split.test] - guess) <= half)


def test_processes_find_the_same(study: tuple[Study, Path], table: Path, tmp_path: Path) -> None:
    spread = run_study(options(table, sizes=(20,)), tmp_path / "study", workers=2, report=False, quiet=True).results
    alone = study[0].results.query("size == 20").reset_index(drop=True)
    assert spread.mae.tolist() == alone.mae.tolist()


def test_threads_that_this_process_may_use_change_nothing(
    study: tuple[Study, Path], table: Path, tmp_path: Path
) -> None:
    with threads(2):
        again = run_study(
            options(table, sizes=(20,), seeds=1), tmp_path / "study", workers=1, report=False, quiet=True
        ).results
        assert torch.get_num_threads() == 2
    first = study[0].results.query("size == 20 and seed == 0")
    assert again.mae.tolist() == first.mae.tolist()


def test_a_mixture_of_other_backbones_is_another_study(table: Path, tmp_path: Path) -> None:
    asked = options(table, sizes=(20,), seeds=1, modes=("mixture",), baselines=(), scratch=False)
    assert run_study(asked, tmp_path, workers=1, report=False, quiet=True).results.status.tolist() == ["ok"]
    note = tmp_path / "study.json"
    settings = json.loads(note.read_text())
    assert {"dEf-10k", "multi-113k"} <= set(settings["mixtures"]["dEf-10k"])
    settings["mixtures"]["dEf-10k"].remove("multi-113k")
    note.write_text(json.dumps(settings))
    with pytest.raises(InputError, match=r"other settings \(mixtures of dEf-10k\)"):
        run_study(asked, tmp_path, report=False, quiet=True)


def test_one_process_at_a_time_writes_a_study(table: Path, tmp_path: Path) -> None:
    with (
        resuming.exclusive(tmp_path / "study"),
        pytest.raises(InputError, match="study: another process is writing it; wait for it"),
    ):
        run_study(options(table), tmp_path / "study", quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_study_goes_on(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    command = [sys.executable, "-m", "zoo.cli", "study", str(table), "--task", "bulk-modulus", "--sizes", "20,40"]
    command += ["--backbones", "dEf-10k", "--modes", "full", "--seeds", "4", "--epochs", "2", "--workers", "1"]
    command += ["--no-report", "--out", str(out)]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    while not len(list((out / "cells").glob("*.json"))) >= 2:
        assert running.poll() is None
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    done = len(list((out / "cells").glob("*.json")))
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert f"16 cells, {16 - done} to do" in finished.stderr
    assert len(pd.read_parquet(out / "results.parquet")) == 16


def test_frozen_embeddings_are_fitted_by_the_baseline(table: Path, tmp_path: Path) -> None:
    asked = options(table, sizes=(60,), seeds=1, baselines=(), scratch=False, modes=("frozen-ridge", "frozen-rf"))
    found = run_study(asked, tmp_path / "study", workers=1, report=False, quiet=True)
    assert list(found.results.method) == ["dEf-10k, frozen + ridge", "dEf-10k, frozen + rf"]
    split, targets = found.splits[60, 0], np.log10(found.targets)
    vectors = load("dEf-10k").embed([record.crystal for record in found.records]).astype(float)
    search = GridSearchCV(
        plugins.baseline("ridge").build(0),
        {"regressor__model__alpha": [0.1, 1.0, 10.0, 100.0, 1000.0]},
        scoring="neg_mean_absolute_error",
        cv=KFold(5, shuffle=True, random_state=0),
    )
    predicted = search.fit(vectors[split.train], targets[split.train]).predict(vectors[split.test])
    ours = np.log10(found.predictions["dEf-10k, frozen + ridge", 60][0])
    assert ours == pytest.approx(predicted, abs=0.02)
    assert found.parameters["dEf-10k, frozen + ridge", 60, 0]


SUICIDAL = """
import os, pathlib, time
from sklearn.dummy import DummyRegressor
from zoo import Baseline

class Fragile(DummyRegressor):
    def fit(self, X, y, sample_weight=None):
        mark = pathlib.Path({mark!r}) / "20"
        if len(y) == 20 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
        if len(y) == 30:
            while not mark.exists():  # or this death would be the first of the other, which it takes along
                time.sleep(0.01)
            os._exit(1)
        if len(y) == 40:
            raise ValueError("no luck")
        return super().fit(X, y)

fragile = Baseline("fragile", lambda seed: Fragile(), featurizer="magpie")
"""


def test_a_worker_that_dies_is_retried_and_what_fails_is_in_the_report(table: Path, tmp_path: Path) -> None:
    plugin, out = tmp_path / "fragile.py", tmp_path / "study"
    plugin.write_text(SUICIDAL.format(mark=str(tmp_path)))
    command = [sys.executable, "-m", "zoo.cli", "study", str(table), "--task", "bulk-modulus", "--backbones", ""]
    command += ["--no-scratch", "--baselines", "mean,fragile", "--sizes", "20,30,40,50", "--seeds", "1"]
    command += ["--workers", "2", "--plugin", str(plugin), "--no-report", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "20").exists()
    assert re.search(r"a worker process died while running .*fragile, 20 rows, seed 0", done.stderr)
    assert "fragile, 30 rows, seed 0: its worker process died again; given up" in done.stderr
    assert "2 of 8 cells failed: fragile, 30 rows, seed 0; fragile, 40 rows, seed 0" in done.stderr
    rows = pd.read_parquet(out / "results.parquet").set_index(["method", "size"])
    assert rows.status.to_dict() == {
        (method, size): "failed" if method == "fragile" and size in (30, 40) else "ok"
        for method in ("mean", "fragile")
        for size in (20, 30, 40, 50)
    }
    assert "died twice" in rows.reason["fragile", 30]
    assert rows.reason["fragile", 40] == "baseline 'fragile' failed: ValueError: no luck (fragile.py, line 17)"
    assert rows.mae["fragile", 20] == rows.mae["mean", 20]


def test_engines_find_the_same(study: tuple[Study, Path], table: Path, tmp_path: Path) -> None:
    alone = study[0].results.query("size == 20 and seed < 2").reset_index(drop=True)
    for engine in ("dask", "ray"):
        asked = options(table, sizes=(20,), seeds=2)
        spread = run_study(asked, tmp_path / engine, engine=engine, workers=2, report=False, quiet=True).results
        assert spread.method.tolist() == alone.method.tolist()
        assert spread.mae.tolist() == pytest.approx(alone.mae.tolist(), rel=1e-3)


def test_a_changed_plugin_is_not_taken_for_the_old_one(
    table: Path,
    tmp_path: Path,
    as_in_a_new_process: None,
) -> None:
    plugin = tmp_path / "mine.py"
    text = "from sklearn.dummy import DummyRegressor\nfrom zoo.registry.contracts import Baseline\n"
    text += "mine = Baseline('mine', lambda seed: DummyRegressor(strategy='median'), featurizer='magpie')\n"
    plugin.write_text(text)
    command = ["study", str(table), "--task", "bulk-modulus", "--sizes", "20", "--seeds", "1", "--backbones", ""]
    command += ["--no-scratch", "--baselines", "mine", "--plugin", str(plugin), "--workers", "1", "--no-report"]
    command += ["--out", str(tmp_path / "study"), "-q"]
    assert CliRunner().invoke(main, command).exit_code == 0
    plugin.write_text(text.replace("median", "mean"))
    for more in ([], ["--dry-run"]):
        again = CliRunner().invoke(main, [*command, *more])
        assert again.exit_code == 2
        assert "was made with other settings (baselines of mine)" in again.stderr


def test_a_study_as_a_file(study: tuple[Study, Path], table: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        f'task = "bulk-modulus"\ndata = "{table.name}"\nsizes = [20, 40]\nbackbones = ["dEf-10k"]\nseeds = 5\n'
        'modes = ["full"]\nbaselines = ["mean"]\nepochs = 2\nout = "study"\n'
    )
    shutil.copytree(study[1], tmp_path / "study")
    command = ["study", str(path), "--data-dir", str(table.parent), "--seeds", "3", "--workers", "1", "--json"]
    command += ["--no-report"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "18 cells, 0 to do" in result.stderr
    assert len(json.loads(result.stdout)) == 18


def test_a_study_of_a_frame_and_of_a_table_in_memory(table: Path, tmp_path: Path) -> None:
    """The numbers are those of the file, and the report tells how to do it again in Python."""
    from zoo.data.tables.table import Table, read_table
    from zoo.registry.plugins import task

    bulk = replace(task("bulk-modulus"), name="stiffness")
    few = {"sizes": (20,), "modes": (), "backbones": (), "scratch": False, "seeds": 1, "epochs": None}
    memory = Table.of(read_table(table, bulk).records, "K_VRH", name="mine")
    results = []
    for name, source in {"file": table, "frame": pd.read_csv(table), "memory": memory}.items():
        asked = replace(options(table, **few), data=source, task=bulk, rows=100)
        found = run_study(asked, tmp_path / name, workers=1, report=name == "frame", quiet=True)
        results.append(found.results.drop(columns="seconds"))
        kept = json.loads((tmp_path / name / "options.json").read_text())
        assert kept["task"]["name"] == "stiffness"
        assert kept["data"] == {"file": str(table), "frame": "DataFrame", "memory": "mine"}[name]
    for other in results[1:]:
        pd.testing.assert_frame_equal(results[0], other)
    report = (tmp_path / "frame" / "report.md").read_text()
    assert "zoo.study(zoo.StudyOptions(Task(name='stiffness'" in report
    assert ", DataFrame, sizes=(20,), backbones=(), " in report
    conditions = (Condition.parse("K_VRH > 3"),)
    with pytest.raises(InputError, match="where K_VRH>3: a table in memory has no other columns"):
        prepare(replace(options(table), data=memory, where=conditions))
