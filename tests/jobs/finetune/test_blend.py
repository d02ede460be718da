"""A blended run from end to end: its folder, its predictions on and off disk, a baseline alone, bad tables."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.errors import InputError, UnknownNameError
from zoo.jobs.crossfit.fit import MAX_FOLDS
from zoo.jobs.finetune.options import Options
from zoo.jobs.finetune.run import finetune
from zoo.jobs.predict.files import predict_files
from zoo.models.checkpoint import weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.jobs.finetune.result import Result


@pytest.fixture(scope="module")
def options(moduli: Callable[[int], Path]) -> Options:
    return Options("bulk-modulus", moduli(60), backbone="dEf-10k", mode="blend", epochs=2, compare_scratch=True)


@pytest.fixture(scope="module")
def run(options: Options, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path, list[str]]:
    out, said = tmp_path_factory.mktemp("runs") / "run", []
    return finetune(options, out, quiet=True, say=said.append), out, said


def test_the_run_says_who_carries_it(run: tuple[Result, Path, list[str]]) -> None:
    result, out, said = run
    assert result.model == "dEf-10k (blend)"
    metrics = json.loads((out / "metrics.json").read_text())
    (seed,) = metrics["blend"]["per_seed"]
    assert sum(seed["weights"].values()) == pytest.approx(1)
    assert seed["out_of_fold_mae"].keys() == seed["weights"].keys()
    assert "dEf-10k fine-tuned" in seed["weights"]
    line = next(each for each in said if each.startswith("the model: "))
    assert line == metrics["blend"]["model"]
    assert "% svr on magpie-structure" in line
    assert said[0].endswith("; 54 rows to cross-fit, 6 test rows per seed")
    assert said[said.index(line) + 1] == metrics["blend"]["transfer"]
    pattern = r"transfer (helps|does not help here): without pretrained networks .*\d % (higher|lower)"
    assert re.fullmatch(pattern, metrics["blend"]["transfer"])
    assert seed["rows"] == 54
    table = pd.read_csv(out / "out_of_fold.csv")
    error = np.abs(np.log10(table.prediction / table.target)).mean()
    assert seed["out_of_fold_mae_of_model"] == pytest.approx(error, rel=1e-4)
    assert metrics["provenance"]["mode"] == "blend"
    assert set(metrics["methods"]) == {"dEf-10k (blend)", "from scratch"}
    history = pd.read_csv(out / "history.csv")
    assert "dEf-10k fine-tuned, fold 5" in set(history.method)


def test_fast_fits_no_network(options: Options, tmp_path: Path) -> None:
    said: list[str] = []
    fast = replace(options, fast=True, compare_scratch=False)
    result = finetune(fast, tmp_path / "run", quiet=True, say=said.append)
    assert result.model == "dEf-10k (blend, fast)"
    assert any(line.startswith("fast: no network is fine-tuned, which makes errors about") for line in said)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    members = metrics["blend"]["per_seed"][0]["weights"]
    assert "svr on magpie-structure + frozen vectors" in members
    assert not any("fine-tuned" in name for name in members)
    assert metrics["provenance"]["mode"] == "blend, fast"
    assert {member.weight for member in zoo.load(tmp_path / "run").checkpoint.members} == {0.0}
    assert "mode blend, fast" in (tmp_path / "run" / "README.md").read_text()


@pytest.mark.parametrize("other", [{"mode": "full"}, {"mode": "svr"}, {"backbone": None}, {"backbone": "all"}])
def test_fast_belongs_to_a_blend_on_one_backbone(options: Options, other: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="fast=True leaves the fine-tuned network out of a blend on one backbone"):
        replace(options, fast=True, **other)


def test_every_row_has_an_honest_prediction(run: tuple[Result, Path, list[str]]) -> None:
    _, out, _ = run
    table = pd.read_csv(out / "out_of_fold.csv")
    assert list(table.columns) == ["id", "formula", "target", "prediction", "lower", "upper", "error", "rank"]
    splits = json.loads((out / "splits.json").read_text())["0"]
    assert set(table.id) == set(splits["train"])
    assert splits["validation"] == []
    assert sorted(table["rank"]) == list(range(1, len(table) + 1))
    size = np.abs(np.log10(table.prediction / table.target))
    assert (
        table.sort_values("rank").id.tolist()
        == table.assign(size=size).sort_values("size", ascending=False).id.tolist()
    )
    held = ((table.lower <= table.target) & (table.target <= table.upper)).mean()
    assert 0.85 <= held <= 0.97
    np.testing.assert_allclose(table.error, table.prediction - table.target, rtol=1e-3, atol=1e-3)
    card = (out / "README.md").read_text()
    worst = table.set_index("rank").loc[1]
    section = card[card.index("## Rows that the model predicts worst") :]
    assert f"| {worst.id} |" in section.splitlines()[4]
    assert "## Errors by element" in card
    predictions = pd.read_csv(out / "predictions.csv").set_index("id").prediction
    np.testing.assert_allclose(predictions[table.id], table.prediction, rtol=1e-5)


def test_a_loaded_run_predicts_the_test_rows_the_same(run: tuple[Result, Path, list[str]]) -> None:
    result, out, _ = run
    test = result.splits[0].test
    crystals = [result.records[row].crystal for row in test]
    outcome = result.outcomes[result.model][0]
    for device in ("cpu",):
        table = zoo.load(out, device=device).predict(crystals, interval=0.9)
        np.testing.assert_allclose(table.prediction, outcome.predictions[test], rtol=1e-6)
        assert ((table.lower < table.prediction) & (table.prediction < table.upper)).all()
    targets = np.array([result.records[row].target for row in test])
    covered = ((table.lower <= targets) & (targets <= table.upper)).mean()
    assert result.reliability.measured(0.9) == pytest.approx(covered)


def test_zoo_predict_reads_it(run: tuple[Result, Path, list[str]], options: Options, tmp_path: Path) -> None:
    _, out, _ = run
    done = predict_files(zoo.load(out), [options.data], tmp_path / "p.csv", interval=0.9)
    assert done.count == 60
    table = pd.read_csv(done.out)
    assert (table.lower <= table.upper).all()


def test_a_baseline_may_be_the_model(options: Options, tmp_path: Path) -> None:
    alone = replace(options, mode="svr", compare_scratch=False)
    result = finetune(alone, tmp_path / "svr", quiet=True)
    assert result.model == "svr"
    assert result.crossfits[0].weights == {"svr": 1.0}
    config = weights.read_config(tmp_path / "svr")
    assert [member.weight for member in config.members] == [0.0] * len(config.members)
    test = result.splits[0].test
    table = zoo.load(tmp_path / "svr").predict([result.records[row].crystal for row in test])
    np.testing.assert_allclose(table.prediction, result.outcomes["svr"][0].predictions[test], rtol=1e-6)
    assert len(table.note) == len(test)


def test_an_interrupted_blend_goes_on_where_it_was(
    options: Options, run: tuple[Result, Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.jobs.finetune import reliability

    short = replace(options, compare_scratch=False)
    with monkeypatch.context() as patch:
        patch.setattr(reliability, "assess", _stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(short, tmp_path / "run", quiet=True)
    kept = list((tmp_path / "run.partial" / "cells").glob("member-*.json"))
    assert len(kept) == 7 * MAX_FOLDS
    kept[0].unlink()
    again = finetune(short, tmp_path / "run", quiet=True, resume=True)
    np.testing.assert_allclose(
        again.outcomes[again.model][0].predictions, run[0].outcomes[run[0].model][0].predictions, rtol=1e-6
    )


def test_few_rows_take_fewer_members(options: Options, moduli: Callable[[int], Path], tmp_path: Path) -> None:
    said: list[str] = []
    few = replace(options, data=moduli(10), compare_scratch=False)
    result = finetune(few, tmp_path / "few", quiet=True, say=said.append)
    (left_out,) = (line for line in said if "left out" in line)
    assert left_out == (
        "dEf-10k fine-tuned is left out of the blend: it needs 12 rows besides the test rows, and there are 9"
    )
    card = (tmp_path / "few" / "README.md").read_text()
    assert "- dEf-10k fine-tuned was left out: it needs 12 rows besides the test rows, and there are 9" in card
    assert len(pd.read_csv(tmp_path / "few" / "out_of_fold.csv")) == 9
    assert len(result.crossfits[0].folds) == 9  # leaving one out
    test = result.splits[0].test
    table = zoo.load(tmp_path / "few").predict([result.records[row].crystal for row in test], interval=0.8)
    np.testing.assert_allclose(table.prediction, result.outcomes[result.model][0].predictions[test], rtol=1e-6)


def test_a_table_of_one_crystal_teaches_nothing_and_says_so(options: Options, tmp_path: Path) -> None:
    table = pd.read_csv(options.data)
    table["structure"] = table.structure[0]  # thirty rows with the same crystal and different moduli
    table.iloc[:30].to_csv(tmp_path / "same.csv", index=False)
    said: list[str] = []
    same = replace(options, data=tmp_path / "same.csv", mode="svr", compare_scratch=False)
    result = finetune(same, tmp_path / "same", quiet=True, say=said.append)
    nothing = "the model predicts the same number for every row: nothing was learned from this table"
    assert said.count(nothing) == 1
    assert any("3 of 3 test rows have exactly the crystal of a training or validation row" in line for line in said)
    assert len(pd.read_csv(tmp_path / "same" / "out_of_fold.csv")) == 27
    assert np.ptp(result.outcomes["svr"][0].predictions[result.splits[0].test]) < 1e-6


def _stop(*_args: object) -> None:
    raise KeyboardInterrupt


def test_bad_tables_end_in_one_line(options: Options, moduli: Callable[[int], Path], tmp_path: Path) -> None:
    few = replace(options, n_train=4)
    with pytest.raises(InputError, match="needs 5 rows besides the test rows, and there are 4; give more rows"):
        finetune(few, tmp_path / "few", quiet=True)
    table = pd.read_csv(options.data)
    table["K_VRH"] = 5.0
    table.to_csv(tmp_path / "equal.csv", index=False)
    with pytest.raises(InputError, match="all 54 training targets are equal"):
        finetune(replace(options, data=tmp_path / "equal.csv"), tmp_path / "equal", quiet=True)
    with pytest.raises(InputError, match=r"21 seeds: .* a checkpoint holds 100; give at most 10"):
        finetune(replace(options, seeds=21), tmp_path / "many", quiet=True)
    with pytest.raises((InputError, UnknownNameError), match="mode blent: use one of blend"):
        replace(options, mode="blent")
