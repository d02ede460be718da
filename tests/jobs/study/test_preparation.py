"""What a study is asked for: which rows and methods, and what is refused before anything is computed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner
from support.tinystudy import options, write_table
from zoo.cli import main

from zoo.analysis.leaks import UNKNOWN_IDS
from zoo.data.tables.conditions import Condition
from zoo.jobs.study.preparation import prepare
from zoo.registry import backbones, plugins

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("study"))


def test_sizes_and_backbones_that_are_left_open(table: Path) -> None:
    prepared = prepare(options(table, sizes=None, backbones=None))
    assert prepared.options.sizes == (50, 100)
    assert prepared.options.backbones == (plugins.task("bulk-modulus").recommended_backbone,)
    small = prepare(options(table, sizes=None, backbones=(), test=0.8))
    assert small.options.sizes == (15,)


def test_rows_that_conditions_and_pretraining_leave(
    table: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
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
    names = {record.id: f"mine-{row}" for row, record in enumerate(whole.records)}
    own = prepare(options(tmp_path / "mine.csv", sizes=None, unseen=True))
    assert {record.id for record in own.records} == {names[name] for name in ids - seen}
    assert not any(line == UNKNOWN_IDS for line in caplog.messages)
    monkeypatch.setattr(backbones, "CRYSTALS_FILE", "none")  # a backbone that has a list of identifiers alone
    assert len(prepare(options(tmp_path / "mine.csv", sizes=None, unseen=True)).records) == len(ids)
    assert f"unseen=True: {UNKNOWN_IDS}" in caplog.messages
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
