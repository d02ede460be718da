"""Splits that people bring, from the table to the run's folder: columns, second tables, outer folds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.errors import InputError
from zoo.jobs.finetune import splitting
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.reports.comparison_table import fold_rows, verdict
from zoo.registry import plugins
from zoo.training.settings import FROM_SCRATCH

if TYPE_CHECKING:
    from zoo.jobs.finetune.result import Result

EXAMPLES = Path(__file__).parents[3] / "examples"
TASK = plugins.task("bulk-modulus")


def frame(rows: int = 40) -> pd.DataFrame:
    return pd.read_csv(EXAMPLES / "bulk_modulus.csv", comment="#").iloc[:rows].copy()


def write(table: pd.DataFrame, path: Path) -> Path:
    table.to_csv(path, index=False)
    return path


def refused(table: Path, **options: Any) -> str:
    """The one line with which a run is refused, before anything is trained."""
    out = table.parent / "run"
    with pytest.raises(zoo.ZooError) as caught:
        finetune(Options("bulk-modulus", table, mode="full", **options), out, quiet=True)
    assert not out.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def folds(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path, list[str]]:
    """A run on three folds of a column that JSON and pandas keep as numbers with a fraction."""
    folder = tmp_path_factory.mktemp("folds")
    table = frame().assign(fold=[float(row % 3 + 1) for row in range(40)], set="train")
    said: list[str] = []
    options = Options(
        "bulk-modulus",
        write(table, folder / "k.csv"),
        backbone=str(backbone),
        mode="full",
        epochs=1,
        split_column="Fold",
        compare_scratch=True,
    )
    return finetune(options, folder / "run", quiet=True, say=said.append), folder / "run", said


def test_files_tell_folds_in_place_of_seeds(folds: tuple[Result, Path, list[str]]) -> None:
    result, out, _ = folds
    names = frame().material_id.astype(str).tolist()
    splits = json.loads((out / "splits.json").read_text())
    assert list(splits) == ["fold 1", "fold 2", "fold 3"]
    for index, parts in enumerate(splits.values()):
        assert parts["test"] == names[index::3]
        assert sorted(parts["train"] + parts["validation"] + parts["test"]) == sorted(names)
    predictions = pd.read_csv(out / "predictions.csv")
    assert list(predictions.columns) == ["id", "split", "target", "prediction", "unit", "fold", "formula"]
    assert sorted(predictions[predictions.split == "test"].id.astype(str)) == sorted(names)
    assert "fold" in pd.read_csv(out / "comparison.csv").columns
    assert set(pd.read_csv(out / "history.csv").fold) == {1, 2, 3}
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["folds"] == ["1", "2", "3"]
    assert metrics["split"] == metrics["provenance"]["split"] == "column Fold"
    assert [each["fold"] for each in metrics["methods"][result.model]["per_seed"]] == ["1", "2", "3"]
    assert metrics["against_scratch"][result.model]["test"] == "paired t-test over 3 folds"
    assert len(zoo.load(out).checkpoint.members) == 3


def test_the_table_over_folds_ends_with_mean_and_deviation(folds: tuple[Result, Path, list[str]]) -> None:
    result, out, _ = folds
    header, rows = fold_rows(result)
    assert header == ["fold", "test rows", result.model, FROM_SCRATCH]
    assert [row[:2] for row in rows] == [["1", "14"], ["2", "13"], ["3", "13"], ["mean", "40"]]
    errors = [each["mae_log10"] for each in result.errors[result.model]]
    assert [row[2] for row in rows[:3]] == [f"{error:.4g}" for error in errors]
    mean, std = np.mean(errors), np.std(errors, ddof=1)
    assert rows[3][2] == f"{mean:.4g} ± {std:.2g}"
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "| fold | test rows |" in card
    assert "over 3 folds of the column `Fold`; each is the test set once" in card
    assert "paired t-test over 3 folds" in verdict(result)
    assert repr(result).endswith("3 folds>")


def test_a_column_that_is_not_used_is_mentioned_in_a_line(folds: tuple[Result, Path, list[str]]) -> None:
    result, _, said = folds
    (line,) = (line for line in said if "not used" in line)
    assert line == "k.csv has a column 'set', which is not used; split_column set takes the test rows from it"
    assert line.replace("split_column", "--split-column") in result.warned


def test_folds_are_drawn_and_hold_every_row_once(tmp_path: Path) -> None:
    options = Options("bulk-modulus", write(frame(), tmp_path / "k.csv"), folds=4, seed=3)
    records = splitting.read(options, TASK, tmp_path / "rejected.csv").records
    splits = splitting.make_splits(options, records)
    assert [split.fold for split in splits] == ["1", "2", "3", "4"]
    assert sorted(row for split in splits for row in split.test) == list(range(40))
    assert {len(split.test) for split in splits} == {10}
    # Not by their order in the file.
    shuffled = frame().sample(frac=1, random_state=0)
    again = splitting.read(
        Options("bulk-modulus", write(shuffled, tmp_path / "s.csv"), folds=4, seed=3), TASK, tmp_path / "rejected.csv"
    ).records
    assert [set(split.as_ids(again)["test"]) for split in splitting.make_splits(options, again)] == [
        set(split.as_ids(records)["test"]) for split in splits
    ]


def test_folds_keep_compositions_together(tmp_path: Path) -> None:
    options = Options("bulk-modulus", write(frame(120), tmp_path / "k.csv"), folds=5, split="chemsys")
    records = splitting.read(options, TASK, tmp_path / "rejected.csv").records
    for split in splitting.make_splits(options, records):
        systems = [{records[row].crystal.chemsys for row in part} for part in (split.train, split.val, split.test)]
        assert not systems[2] & (systems[0] | systems[1])
        assert not systems[0] & systems[1]


def test_a_second_table_has_the_test_rows_of_all_seeds(backbone: Path, tmp_path: Path) -> None:
    table, test = write(frame().iloc[10:], tmp_path / "k.csv"), write(frame().iloc[:10], tmp_path / "t.csv")
    options = Options(
        "bulk-modulus", table, test_data=test, backbone=str(backbone), mode="full", epochs=1, seeds=2, n_train=15
    )
    said: list[str] = []
    result = finetune(options, tmp_path / "run", quiet=True, say=said.append)
    splits = json.loads((tmp_path / "run" / "splits.json").read_text())
    assert list(splits) == ["0", "1"]
    assert [parts["test"] for parts in splits.values()] == [frame().material_id.astype(str).tolist()[:10]] * 2
    assert {len(parts["train"]) for parts in splits.values()} == {15}
    assert said[0].startswith("k.csv and t.csv: 40 of 40 rows used")
    provenance = result.checkpoint.config.provenance
    assert (provenance["split"], provenance["test_data"]["rows"]) == ("table t.csv", 10)
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "with the test rows of the table `t.csv`" in card
    assert f"test rows of `t.csv`, SHA-256 {provenance['test_data']['sha256']}" in card


def test_rows_without_identifiers_are_told_apart(tmp_path: Path) -> None:
    table = write(frame().iloc[10:].drop(columns="material_id"), tmp_path / "k.csv")
    test = write(frame().iloc[:10].drop(columns="material_id"), tmp_path / "t.csv")
    found = splitting.read(Options("bulk-modulus", table, test_data=test), TASK, tmp_path / "rejected.csv")
    assert [record.id for record in found.records[-10:]] == [f"t.csv:{row}" for row in range(1, 11)]


def test_copies_of_training_rows_among_test_rows_are_told(tmp_path: Path) -> None:
    table = write(frame().iloc[5:], tmp_path / "k.csv")
    copied = frame().iloc[:7].assign(material_id=[f"mine-{row}" for row in range(7)])
    options = Options("bulk-modulus", table, test_data=write(copied, tmp_path / "t.csv"))
    found = splitting.read(options, TASK, tmp_path / "rejected.csv")
    (line,) = splitting.warnings(options, found, splitting.make_splits(options, found.records))
    ids = frame().material_id.tolist()
    assert line.startswith(
        "2 of 7 test rows have exactly the crystal of a training or validation row "
        f"(mine-5 = {ids[5]} and mine-6 = {ids[6]})"
    )


def test_second_tables_that_do_not_fit_are_refused_in_a_line(tmp_path: Path) -> None:
    table = write(frame().iloc[10:], tmp_path / "k.csv")
    test = frame().iloc[:10]
    same = write(frame().iloc[:12], tmp_path / "same.csv")
    ids = frame().material_id.tolist()
    assert f"2 rows of 12 are training rows too, by their ids ({ids[10]} and {ids[11]})" in refused(
        table, test_data=same
    )
    other = write(test.rename(columns={"K_VRH": TASK.aliases[1]}), tmp_path / "other.csv")
    assert f"its targets are in the column {TASK.aliases[1]!r}, those of" in refused(table, test_data=other)
    # 1 eV/Å³ is 160.2 GPa; the values are within the range of the task in GPa.
    unit = write(test.iloc[:9].assign(K_VRH=test.K_VRH / 160.2), tmp_path / "unit.csv")
    assert "the column 'K_VRH' is in another unit than in" in refused(table, test_data=unit)
    without = write(test.drop(columns="K_VRH"), tmp_path / "without.csv")
    assert "without.csv: no column for the task bulk-modulus" in refused(table, test_data=without)
    assert "this is the table of the training rows" in refused(table, test_data=table)
    assert "gone.csv: there is no such file" in refused(table, test_data=tmp_path / "gone.csv")


def test_columns_that_cannot_be_used_are_refused_in_a_line(tmp_path: Path) -> None:
    table = write(frame().assign(fold=1, word=["train", "tets"] * 20), tmp_path / "k.csv")
    assert "split_column folds: there is no such column" in refused(table, split_column="folds")
    assert "all rows are of one fold, 1" in refused(table, split_column="fold")
    assert "row 2, column word = 'tets' and 19 more rows" in refused(table, split_column="word")
    assert "folds 50: 40 usable rows are too few" in refused(table, folds=50)
    assert "every row is a test row of a fold" in refused(table, folds=3, backbone="all")


def test_a_row_without_a_part_is_rejected_with_its_reason(tmp_path: Path) -> None:
    parts = ["train"] * 30 + ["test"] * 8 + ["", None]
    options = Options("bulk-modulus", write(frame().assign(split=parts), tmp_path / "k.csv"), split_column="split")
    table = splitting.read(options, TASK, tmp_path / "rejected.csv")
    assert len(table.records) == 38
    assert [(each.row, each.column) for each in table.rejected] == [(39, "split"), (40, "split")]
    assert "neither a training nor a test row" in table.rejected[0].reason


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 5, "split_column": "fold"}, "split_column and folds: each says which rows are test rows"),
        ({"folds": 5, "test_data": "t.csv"}, "test_data and folds: each says"),
        ({"folds": 5, "test": 0.2}, "test 0.2: folds 5 says which rows are test rows"),
        ({"folds": 5, "seeds": 3}, "seeds 3 with folds 5: a fold is tested once"),
        ({"folds": 1}, "folds 1: must be at least 2"),
        ({"folds": 2.0}, "folds=2.0: must be a whole number"),
    ],
)
def test_options_that_exclude_each_other(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        zoo.Options("bulk-modulus", "k.csv", **options)


def test_without_test_rows_all_rows_train_and_errors_are_out_of_fold(tmp_path: Path) -> None:
    table, out = write(frame(), tmp_path / "k.csv"), tmp_path / "run"
    said: list[str] = []
    result = finetune(Options("bulk-modulus", table, mode="ridge", test=0, seeds=2), out, quiet=True, say=said.append)
    assert "40 rows to cross-fit, no test rows" in said[0]
    assert [len(rows) for rows in result.judged] == [40, 40]
    assert not np.array_equal(result.crossfits[0].folds[0], result.crossfits[1].folds[0])
    honest = pd.read_csv(out / "out_of_fold.csv")
    assert len(honest) == 40
    # The errors are those of the out-of-fold predictions, recomputed from the files.
    predictions = pd.read_csv(out / "predictions.csv")
    assert set(predictions.split) == {"out_of_fold"}
    sizes = np.abs(np.log10(predictions.prediction / predictions.target)).groupby(predictions.seed).mean()
    assert result.summary()["ridge"]["mae_log10"]["mean"] == pytest.approx(sizes.mean(), rel=1e-4)
    measured = json.loads((out / "metrics.json").read_text())["methods"]["ridge"]
    assert measured["out_of_fold"]["mae_log10"]["mean"] == pytest.approx(sizes.mean(), rel=1e-4)
    assert "test" not in measured
    assert "errors are out of fold" in verdict(result)
    assert repr(result).endswith("on 40 rows, out of fold, 2 seeds>")
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "## Results out of fold" in card
    assert "test row" not in card.replace("no test rows", "").replace("No test rows", "").replace(
        "never saw a test row", ""
    )
    assert not (out / "coverage.png").exists()


def test_a_network_without_test_rows_is_judged_on_its_validation_rows(backbone: Path, tmp_path: Path) -> None:
    options = Options("bulk-modulus", write(frame(), tmp_path / "k.csv"), backbone=str(backbone), mode="full", epochs=1)
    result = finetune(replace(options, test=0.0), tmp_path / "run", quiet=True)
    assert np.array_equal(result.judged[0], result.splits[0].val)
    assert "which chose the epoch" in verdict(result)
    assert "validation" in json.loads((tmp_path / "run" / "metrics.json").read_text())["methods"][result.model]


def test_methods_are_not_compared_without_test_rows(tmp_path: Path) -> None:
    for more in ({"baselines": ("svr",)}, {"compare_scratch": True}):
        with pytest.raises(InputError, match="test 0: without test rows there is nothing to compare"):
            Options("bulk-modulus", tmp_path / "k.csv", test=0, **more)
