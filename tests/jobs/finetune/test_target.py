"""The rows of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zoo.errors import InputError
from zoo.jobs.finetune.splitting import read_dataset
from zoo.jobs.finetune.start import prepare
from zoo.jobs.finetune.target import read_rows
from zoo.registry import plugins

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.jobs.finetune.options import Options


def test_the_rows_are_described_and_split(options: Options, tmp_path: Path) -> None:
    lines: list[str] = []
    rows = read_rows(options, plugins.task("bulk-modulus"), prepare(options), tmp_path / "run", lines.append, print)
    assert lines == [
        "k.csv: 58 of 60 rows used, crystals from column structure, target K_VRH (GPa); 40 training, 12 validation, 6 "
        "test rows per seed"
    ]
    assert [record.id for record in rows.table.records] == [
        record.id for record in read_dataset(options, rows.task, prepare(options))[0].records
    ]
    assert len(rows.splits) == 2


def test_the_training_rows_choose_the_transform_of_a_property_without_a_task(options: Options, tmp_path: Path) -> None:
    open_ = replace(options, task=None, target="K_VRH", unit="GPa", max_rejected=0.5)
    lines: list[str] = []
    rows = read_rows(open_, open_.choice, prepare(options), tmp_path / "run", lines.append, print)  # type: ignore[arg-type]
    assert rows.task.transform == "identity"  # of a row with a negative value
    assert lines[1].startswith("K_VRH (GPa) is learned as it is: not all training values are positive")
    assert lines[2].startswith("K_VRH is a column of the task bulk-modulus")


def test_a_value_may_be_missing_if_there_are_others(options: Options, tmp_path: Path) -> None:
    import pandas as pd

    table = pd.read_csv(options.data).assign(K_VRH=lambda each: each.K_VRH.where(each.index > 20))  # type: ignore[arg-type]
    sparse = replace(options, data=table)
    with pytest.raises(InputError, match=r"\d+ of 60 rows cannot be used"):
        read_dataset(sparse, plugins.task("bulk-modulus"), prepare(options))
    found, _, _ = read_dataset(sparse, plugins.task("bulk-modulus"), prepare(options), sparse=True)
    assert {each.reason for each in found.rejected if each.filtered} == {"no value"}
    assert len(found.records) == 39
