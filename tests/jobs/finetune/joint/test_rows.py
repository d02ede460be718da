"""The rows of several targets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.errors import InputError
from zoo.jobs.finetune.joint.rows import JointRows, read_rows
from zoo.jobs.finetune.start import prepare

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from zoo.jobs.finetune.options import Options


def read(options: Options, out: Path, lines: list[str] | None = None) -> JointRows:
    say = (lines if lines is not None else []).append
    every = options.each()
    return read_rows(options, every, prepare(every[0])[0], out, say, say)


def test_parts_have_their_share_of_each_target(options: Options, frame: pd.DataFrame, tmp_path: Path) -> None:
    rows = read(replace(options, split_column=None, test=0.2, mode="blend"), tmp_path / "run")
    assert len(rows.records) == 59
    (split,), (folds,) = rows.splits, rows.folds
    for target, name in enumerate(("K_VRH", "G_VRH")):
        own = rows.of_target[target]
        assert [record.target for record in own.table.records] == list(frame[name].dropna())
        np.testing.assert_array_equal(
            [rows.records[place].id for place in rows.positions[target]], [record.id for record in own.table.records]
        )
        assert len(own.splits[0].test) >= 8
        assert min(len(rows.parts(target, fold)) for fold in folds) >= 2
    # A row is a test row of all of its targets or of none.
    tested = {rows.records[row].id for row in split.test}
    for own in rows.of_target:
        assert {own.table.records[row].id for row in own.splits[0].test} <= tested
        assert not {own.table.records[row].id for row in own.splits[0].train} & tested


def test_rows_that_are_left_out_are_named(options: Options, frame: pd.DataFrame, tmp_path: Path) -> None:
    table = frame.copy()
    table.loc[3, "structure"] = "no crystal"
    table["K_VRH"] = table.K_VRH.astype(object)
    table.loc[40, "K_VRH"] = "soft"
    table.loc[50, "material_id"] = table.material_id[12]
    lines: list[str] = []
    rows = read(replace(options, data=table), tmp_path / "run", lines)
    assert [(each.row, each.column, each.reason) for each in rows.rejected] == [
        (4, "structure", "neither CIF nor POSCAR text, nor a pymatgen dictionary"),
        (6, "", "no value of any target"),
        (41, "K_VRH", "not a number"),
        (51, "material_id", "duplicate id, first at row 13"),
    ]
    assert [len(own.table.records) for own in rows.of_target] == [48, 47]
    assert "targets K_VRH (GPa) of 48 and G_VRH (GPa) of 47" in lines[0]


def test_ids_given_twice_in_rows_of_different_targets(options: Options, frame: pd.DataFrame, tmp_path: Path) -> None:
    table = frame.copy()
    table.loc[25, "material_id"] = table.material_id[2]  # row 3 has G alone, row 26 K alone
    rows = read(replace(options, data=table), tmp_path / "run")
    assert [(each.row, each.reason) for each in rows.rejected] == [
        (6, "no value of any target"),
        (26, "duplicate id, first at row 3"),
    ]
    assert [len(own.dataset.targets) for own in rows.of_target] == [49, 49]
    assert len(rows.of_target[0].dataset.graphs) == 49


def test_a_target_with_too_few_values(options: Options, frame: pd.DataFrame, tmp_path: Path) -> None:
    table = frame.copy()
    table.loc[7:, "G_VRH"] = np.nan
    with pytest.raises(InputError, match=r"6 rows with a value of G_VRH: too few to learn it beside others"):
        read(replace(options, data=table), tmp_path / "run")
    table["G_VRH"] = np.where(table.part == "train", frame.G_VRH, np.nan)
    with pytest.raises(InputError, match=r"with a value of G_VRH, and too few of them are test rows of seed 0"):
        read(replace(options, data=table), tmp_path / "run")
    alike = table.assign(G_VRH=np.where(frame.index < 12, 50.0 + frame.index, np.nan))
    alike.loc[:11, "structure"] = frame.structure[0]  # copies of one crystal, none of which is a validation row
    whole = replace(options, data=alike, split_column=None, split="composition", test=0.0, seed=1)
    with pytest.raises(InputError, match=r"with a value of G_VRH, and too few of them are validation rows of seed 1"):
        read(whole, tmp_path / "run")
    table["G_VRH"] = np.nan
    with pytest.raises(InputError, match=r"60 of 60 rows cannot be used \(60 × no value\)"):
        read(replace(options, data=table), tmp_path / "run")
