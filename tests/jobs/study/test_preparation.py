"""What a study is asked for: which rows and methods, and what is refused before anything is computed."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner
from support.tinystudy import EXAMPLE, options, write_table
from zoo.cli import main

from zoo.analysis.leaks import UNKNOWN_IDS
from zoo.data.tables.conditions import Condition
from zoo.jobs.study.preparation import prepare
from zoo.registry import plugins

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("study"))


def test_all_of_the_table_rejected(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    rows = pd.read_csv(EXAMPLE, comment="#", dtype={"material_id": str}).iloc[:30]
    rows.assign(K_VRH=-1.0).to_csv(path, index=False)
    out = ["--task", "bulk-modulus", "--out", str(tmp_path / "study")]
    result = CliRunner().invoke(main, ["study", str(path), *out])
    assert result.exit_code == 2
    assert "30 of 30 rows cannot be used" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "study").exists()


def test_the_task_must_be_named(table: Path) -> None:
    result = CliRunner().invoke(main, ["study", str(table)])
    assert (result.exit_code, "--task is missing" in result.stderr) == (2, True)


def test_sizes_and_backbones_that_are_left_open(table: Path) -> None:
    prepared = prepare(options(table, sizes=None, backbones=None))
    assert prepared.options.sizes == (50, 100)
    assert prepared.options.backbones == (plugins.task("bulk-modulus").recommended_backbone,)
    small = prepare(options(table, sizes=None, backbones=(), test=0.8))
    assert small.options.sizes == (15,)


def test_rows_that_conditions_and_pretraining_leave(
    table: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = prepare(options(table, sizes=None))
    ids = {record.id for record in whole.records}
    seen = whole.trained_on["dEf-10k"]
    assert seen
    left = prepare(options(table, sizes=None, unseen=True))
    assert {record.id for record in left.records} == ids - seen < ids
    assert not any(line == UNKNOWN_IDS for line in caplog.messages)
    nobody = pd.read_csv(table).assign(material_id=lambda frame: [f"mine-{i}" for i in frame.index])
    nobody.to_csv(tmp_path / "mine.csv", index=False)
    prepare(options(tmp_path / "mine.csv", sizes=None, unseen=True))
    assert f"--unseen: {UNKNOWN_IDS}" in caplog.messages
    hard = prepare(options(table, sizes=None, where=(Condition(column="K_VRH", above=100.0),)))
    assert {record.id for record in hard.records} == {r.id for r in whole.records if (r.target or 0) > 100}
    few = prepare(options(table, sizes=None, rows=40))
    by_hash = sorted(ids, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert {record.id for record in few.records} == set(by_hash[:40])


def test_a_row_that_fails_a_condition_does_not_come_in_by_a_later_one(table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table, dtype={"material_id": str})
    name, few, many = rows.material_id[0], rows.K_VRH.min() - 1, rows.K_VRH.max() + 1
    again = rows.iloc[[0]].assign(K_VRH=many)
    pd.concat([rows.assign(K_VRH=rows.K_VRH.where(rows.index > 0, few)), again]).to_csv(
        tmp_path / "twice.csv", index=False
    )
    condition = (Condition(column="K_VRH", above=rows.K_VRH.min() - 0.5),)
    left = prepare(options(tmp_path / "twice.csv", sizes=None, where=condition))
    assert name not in {record.id for record in left.records}
    assert len(left.records) == len(rows) - 1


def test_a_folder_that_holds_something_else_is_left_alone(table: Path, tmp_path: Path) -> None:
    (tmp_path / "splits.json").write_text("of a run")
    command = ["study", str(table), "--task", "bulk-modulus", "--sizes", "20", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, "exists and holds no study" in result.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["splits.json"]


def test_an_engine_that_is_not_installed(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    command = ["study", str(table), "--task", "bulk-modulus", "--engine", "ray"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert '--engine ray needs Ray: pip install "crystal-zoo[ray]"' in result.stderr


def test_leaks_are_told_and_strict_refuses_them(table: Path, tmp_path: Path) -> None:
    command = ["study", str(table), "--task", "bulk-modulus", "--sizes", "100", "--seeds", "2", "--strict"]
    command += ["--backbones", "dEf-91k", "--epochs", "1", "--no-report", "--out", str(tmp_path / "study")]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 2
    assert "--split composition keeps them together, --split chemsys" in refused.stderr
    assert not (tmp_path / "study").exists()
    seen = CliRunner().invoke(main, [*command, "--split", "composition"])
    assert seen.exit_code == 2
    assert "--unseen leaves them out" in seen.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "20,x"], "not a list of integers"),
        (["--sizes", ""], "--sizes: must have at least 1 item"),
        (
            ["--sizes", "5000"],
            "5000: at most 120 of the 150 usable rows can be training rows",
        ),
        (["--backbones", "dEf-10"], "did you mean dEf-10k"),
        (["--sizes", "20", "--baselines", "svm"], "no baseline is called 'svm'"),
        (["--modes", "all"], "there is mixture, full, head, layerwise, frozen-ridge and so on"),
        (["--seeds", "0"], "--seeds 0: must be at least 1"),
        (["--seeds", "1", "--significance", "0.01"], "a paired test over seeds needs at least 3 of them"),
        (["--significance", "5"], "--significance 5.0: must be less than 1"),
        (["--engine", "slurm"], "--engine slurm: there is local, ray, dask"),
        (["--workers", "0"], "--workers 0: must be at least 1"),
        (["--modes", "frozen-svm"], "no baseline is called 'svm'"),
        (["--where", "K_VRH=3"], "write COLUMN>NUMBER, COLUMN<=NUMBER or COLUMN==TEXT"),
        (["--where", "colour==red"], "--where: there is no column 'colour'"),
        (["--where", "K_VRH>9999"], "no row is left"),
        (
            ["--target", "G_VRH", "--max-rejected", "0.01", "--where", "K_VRH>0", "--epochs", "0"],
            "--epochs 0: must be at least 1",
        ),
        (["--data-dir", "."], "--data-dir goes with a study's file"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments: list[str], message: str, table: Path, tmp_path: Path) -> None:
    out = ["--task", "bulk-modulus", "--out", str(tmp_path / "study")]
    result = CliRunner().invoke(main, ["study", str(table), *out, *arguments])
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
