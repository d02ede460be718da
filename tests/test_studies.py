"""A study: cells that can be computed in any order, cut off and extended, and what they add up to."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from zoo.cli import main

from zoo.errors import InputError
from zoo.finetuning import finetune
from zoo.options import Options
from zoo.report import study_rows, study_verdicts
from zoo.studies import run_study
from zoo.study_plan import SCRATCH, StudyOptions

if TYPE_CHECKING:
    from zoo.study_result import Study

EXAMPLE = Path(__file__).parents[1] / "examples" / "bulk_modulus.csv"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "data.csv"
    pd.read_csv(EXAMPLE, comment="#", dtype={"material_id": str}).iloc[:150].to_csv(path, index=False)
    return path


def options(table: Path, **changed: object) -> StudyOptions:
    given = {"sizes": (20, 40), "seeds": 3, "epochs": 2, "baselines": ("mean",), **changed}
    return StudyOptions("bulk-modulus", table, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def study(table: Path) -> tuple[Study, Path]:
    out = table.with_name("study")
    return run_study(options(table), out, workers=1, quiet=True), out


def test_there_is_a_result_for_every_method_size_and_seed(study: tuple[Study, Path]) -> None:
    found, out = study
    cells = {(row.method, row.size, row.seed) for row in found.results.itertuples()}
    assert cells == {(m, n, s) for m in (SCRATCH, "dEf-10k", "mean") for n in (20, 40) for s in range(3)}
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
    for method, name in (("dEf-10k (full)", "dEf-10k"), (SCRATCH, SCRATCH)):
        assert single.errors[method][0]["mae"] == pytest.approx(rows.mae[name, 40, 1], rel=1e-4)


def test_the_mean_predicts_the_geometric_mean_of_the_training_rows(study: tuple[Study, Path], table: Path) -> None:
    found, out = study
    moduli = pd.read_csv(table, dtype={"material_id": str}).set_index("material_id").K_VRH
    split = json.loads((out / "splits.json").read_text())["40 rows, seed 2"]
    constant = 10 ** np.log10(moduli[split["train"]]).mean()
    row = found.results.set_index(["method", "size", "seed"]).loc[("mean", 40, 2)]
    assert row.mae == pytest.approx(np.abs(moduli[split["test"]] - constant).mean(), rel=1e-6)


def test_methods_are_compared_by_what_the_cells_say(study: tuple[Study, Path]) -> None:
    found, _ = study
    logs = found.results.set_index(["method", "size", "seed"]).sort_index().mae_log10
    made = [(each.method, each.reference, each.size) for each in found.analysis.compared]
    assert made == [
        *(("dEf-10k", SCRATCH, 20), ("mean", SCRATCH, 20)),
        *(("dEf-10k", SCRATCH, 40), ("mean", SCRATCH, 40)),
    ]
    for each in found.analysis.compared:
        gain = 1 - logs[each.method, each.size].mean() / logs[SCRATCH, each.size].mean()
        assert each.paired.gain == pytest.approx(gain, rel=1e-6)


def test_the_table_and_the_sentences_say_what_was_found(study: tuple[Study, Path]) -> None:
    header, rows = study_rows(study[0])
    assert header[:4] == ["training rows", "method", "MAE (GPa)", "MAE log10"]
    assert [row[:2] for row in rows[:3]] == [["20", SCRATCH], ["20", "dEf-10k"], ["20", "mean"]]
    sentences = study_verdicts(study[0])
    assert len(sentences) == 3
    assert re.match(r"(No significant difference|Transfer from dEf-10k|Transfer does not)", sentences[0])
    assert "at 20 rows" in sentences[0]


def test_what_is_finished_is_not_computed_again(study: tuple[Study, Path], table: Path) -> None:
    found, out = study
    stamps = {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    gone = next(path for path in stamps if "dEf-10k" in path.name)
    broken = next(path for path in stamps if "scratch" in path.name)
    gone.unlink()
    broken.write_text("{")
    said: list[str] = []
    again = run_study(options(table), out, workers=1, quiet=True, say=said.append)
    pd.testing.assert_frame_equal(again.results.drop(columns="seconds"), found.results.drop(columns="seconds"))
    assert f"{broken} is damaged and is computed again" in said
    assert any("18 cells, 2 to do" in line for line in said)
    assert {path for path in stamps if path.stat().st_mtime_ns != stamps[path]} == {gone, broken}


def test_a_study_can_be_extended_and_not_mixed(study: tuple[Study, Path], table: Path) -> None:
    _, out = study
    said: list[str] = []
    more = run_study(
        options(table, sizes=(20, 40, 60), baselines=("mean",), backbones=()),
        out,
        workers=1,
        quiet=True,
        say=said.append,
    )
    assert any("18 cells, 6 to do" in line for line in said)
    assert set(more.results["size"]) == {20, 40, 60}
    with pytest.raises(InputError, match=rf"{out} was made with other settings \(epochs, test\); give another --out"):
        run_study(options(table, epochs=3, test=0.2), out, quiet=True)


def test_processes_find_the_same(study: tuple[Study, Path], table: Path, tmp_path: Path) -> None:
    spread = run_study(options(table, sizes=(20,)), tmp_path / "study", workers=2, quiet=True).results
    alone = study[0].results.query("size == 20").reset_index(drop=True)
    assert spread.mae.tolist() == pytest.approx(alone.mae.tolist(), rel=1e-3)


def test_a_killed_study_goes_on(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    command = [sys.executable, "-m", "zoo.cli", "study", str(table), "--task", "bulk-modulus", "--sizes", "20,40"]
    command += ["--seeds", "4", "--epochs", "2", "--workers", "1", "--out", str(out)]
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "20,x"], "no list of whole numbers"),
        (["--sizes", ""], "at least one number of training rows"),
        (["--sizes", "5000"], "5000: there are 120 training rows"),
        (["--backbones", "dEf-10"], "did you mean dEf-10k"),
        (["--sizes", "20", "--baselines", "svm"], "no baseline is called 'svm'"),
        (["--modes", "all"], "there is full, layerwise and head"),
        (["--seeds", "0"], "at least one seed"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments: list[str], message: str, table: Path, tmp_path: Path) -> None:
    out = ["--task", "bulk-modulus", "--out", str(tmp_path / "study")]
    result = CliRunner().invoke(main, ["study", str(table), *out, *arguments])
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
