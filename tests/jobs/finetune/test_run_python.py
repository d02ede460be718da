"""``zoo.finetune`` in a notebook: what comes to hand as arguments, threads, warnings, what a result looks like."""

from __future__ import annotations

import json
import logging
import re
from threading import Thread
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import zoo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def data(moduli: Callable[[int], Path]) -> Path:
    return moduli(40)


def test_paths_names_and_none_as_they_come_to_hand(data: Path, backbone: Path) -> None:
    assert zoo.Options("bulk-modulus", data, mode="mixture", backbone=backbone).backbone == str(backbone)  # type: ignore[arg-type]
    assert zoo.Options("bulk-modulus", data, mode="mixture", backbone="none") == zoo.Options(
        "bulk-modulus", data, mode="mixture", backbone=None
    )
    assert zoo.registry.plugins.task("bulk-modulus").unit == "GPa"
    with pytest.raises(zoo.ZooError, match="device 'gpu': use one of auto, cpu, cuda"):
        zoo.load(backbone, device="gpu")  # type: ignore[arg-type]


def test_threads_take_turns(data: Path, backbone: Path, tmp_path: Path) -> None:
    """Torch's random numbers are those of a process: two fits at once would disturb each other's."""
    requests = [
        zoo.Options(
            "bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=3, seed=seed, compare_scratch=True
        )
        for seed in (0, 1)
    ]
    alone = [zoo.finetune(each, tmp_path / f"alone{each.seed}", quiet=True).errors for each in requests]
    found: dict[int, Any] = {}

    def run(each: zoo.Options) -> None:
        found[each.seed] = zoo.finetune(each, tmp_path / f"thread{each.seed}", quiet=True).errors

    threads = [Thread(target=run, args=(each,)) for each in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (0, 1):
        for method, (errors,) in alone[seed].items():
            assert found[seed][method][0]["mae"] == pytest.approx(errors["mae"], rel=1e-6), (seed, method)


def test_what_makes_errors_mean_less_is_told_and_written(
    data: Path, backbone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = zoo.Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=1, test=0.3)
    zoo.finetune(first, tmp_path / "first", quiet=True)
    again = zoo.Options(
        "bulk-modulus", data, mode="mixture", backbone=str(tmp_path / "first"), epochs=1, test=0.3, seed=1
    )
    with caplog.at_level(logging.WARNING, "zoo"):
        found = zoo.finetune(again, tmp_path / "second", quiet=True)
    (line,) = [each for each in found.warned if "on this very property" in each]
    assert line in caplog.messages
    assert line in (tmp_path / "second" / "README.md").read_text()
    metrics = json.loads((tmp_path / "second" / "metrics.json").read_text())
    assert metrics["warnings"] == found.warned
    assert metrics["test_rows_known_with_this_property"] == found.leaks
    assert found.leaks["first"][0] > 0
    assert metrics["verdict"] == (
        f"This says nothing about new crystals: first was trained on this very property of {found.leaks['first'][0]} "
        "of the 12 test rows."
    )


def test_results_are_shown_in_a_line(data: Path, backbone: Path, tmp_path: Path) -> None:
    found = zoo.finetune(
        zoo.Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=1), tmp_path / "run"
    )
    assert repr(found).startswith("<Result: K_VRH by tiny (full), MAE ")
    assert re.search(r" MAE log10 [\d.]+ \(off by [\d.]+×\) on 4 test rows, 1 seed>$", repr(found))
    assert repr(zoo.load(tmp_path / "run")) == "<Model run: K_VRH (GPa), on cpu>"
    assert repr(zoo.backbone("dEf-10k")).startswith("<Card dEf-10k: ")


def test_true_and_false_are_values_of_whether_a_crystal_is_a_metal(data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data).drop(columns="K_VRH")
    task = zoo.registry.plugins.task("metallicity")
    from zoo.data.tables.table import read_table

    for values in ([True, False] * 20, ["True", "false"] * 20, [1, 0] * 20):
        table.assign(is_metal=values).to_csv(tmp_path / "m.csv", index=False)
        assert [record.target for record in read_table(tmp_path / "m.csv", task).records] == [1.0, 0.0] * 20
    table.assign(is_metal=[True, False] * 20).to_parquet(tmp_path / "m.parquet")
    assert [record.target for record in read_table(tmp_path / "m.parquet", task).records] == [1.0, 0.0] * 20
    table.assign(K_VRH=[True, False] * 20).to_csv(tmp_path / "k.csv", index=False)
    with pytest.raises(zoo.ZooError, match="column 'K_VRH' holds labels, such as 'True' and 'False', and no numbers"):
        read_table(tmp_path / "k.csv", zoo.registry.plugins.task("bulk-modulus"))


def test_few_validation_rows_give_no_interval_and_none_is_recommended(
    data: Path, backbone: Path, tmp_path: Path
) -> None:
    """They chose the epoch: of four rows, the errors at the best of all epochs say nothing of new crystals."""
    request = zoo.Options("bulk-modulus", data, mode="mixture", backbone=str(backbone), epochs=1, seeds=3)
    found = zoo.finetune(request, tmp_path / "run", quiet=True)
    assert [len(each) for each in found.reliability.calibrations] == [4, 4, 4]
    card = (tmp_path / "run" / "README.md").read_text()
    assert "No interval at 90 %: 4 calibration rows are too few." in card
    assert "interval=" not in card
    for level in (0.5, 0.9):
        with pytest.raises(zoo.ZooError, match=r"run has 4 calibration rows a network, and an interval needs 9"):
            zoo.load(tmp_path / "run").predict([], interval=level)
