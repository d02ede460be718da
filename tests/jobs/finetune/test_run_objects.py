"""``zoo.finetune`` of a DataFrame and a task that no plugin registers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.data.tables.records import Record
from zoo.data.tables.table import Table, read_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STIFFNESS = zoo.Task("stiffness", target="K_VRH", unit="GPa", transform="log10", valid=(0.1, 600.0))


@pytest.fixture(scope="module")
def data(moduli: Callable[[int], Path]) -> Path:
    return moduli(30)


def test_file_frame_and_table_give_equal_numbers(data: Path, backbone: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(data)
    table = Table.of(read_table(data, STIFFNESS).records, "K_VRH", name="mine")
    errors = {}
    for name, source in {"file": data, "frame": frame, "table": table}.items():
        request = zoo.Options(STIFFNESS, source, mode="mixture", backbone=str(backbone), epochs=1)
        result = zoo.finetune(request, tmp_path / name, quiet=True)
        errors[name] = result.errors
        origin = json.loads((tmp_path / name / "config.json").read_text())["provenance"]["data"]
        assert origin["file"] == {"file": "k.csv", "frame": "DataFrame", "table": "mine"}[name]
        assert origin["sha256"] == result.table.sha256
    assert errors["frame"] == errors["table"] == errors["file"]


def test_a_run_keeps_the_task_that_no_plugin_has(data: Path, backbone: Path, tmp_path: Path) -> None:
    request = zoo.Options(STIFFNESS, pd.read_csv(data), mode="mixture", backbone=str(backbone), epochs=1)
    zoo.finetune(request, tmp_path / "run", quiet=True)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["target"] == {"name": "K_VRH", "task": "stiffness", "unit": "GPa"}
    kept = config["provenance"]["task"]
    assert (kept["name"], kept["transform"], kept["valid"]) == ("stiffness", "log10", [0.1, 600.0])
    model = zoo.load(tmp_path / "run")
    (value, *_) = model.predict([record.crystal for record in read_table(data, STIFFNESS).records[:1]]).prediction
    assert 0 < value < 1000


def test_resumption_needs_the_same_content_and_task(
    data: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.read_csv(data)
    request = zoo.Options(STIFFNESS, frame, mode="mixture", backbone=str(backbone), epochs=1)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("zoo.jobs.finetune.reliability.assess", interrupted)
        with pytest.raises(KeyboardInterrupt):
            zoo.finetune(request, tmp_path / "run", quiet=True)
    changed = frame.assign(K_VRH=np.where(frame.index == 3, 2 * frame.K_VRH, frame.K_VRH))
    with pytest.raises(zoo.ZooError, match=r"other settings \(data_sha256\)"):
        zoo.finetune(replace(request, data=changed), tmp_path / "run", resume=True, quiet=True)
    with pytest.raises(zoo.ZooError, match=r"other settings \(task\.unit\)"):
        zoo.finetune(replace(request, task=replace(STIFFNESS, unit="kbar")), tmp_path / "run", resume=True, quiet=True)
    zoo.finetune(replace(request, data=frame.copy()), tmp_path / "run", resume=True, quiet=True)


def test_test_rows_of_a_second_frame(data: Path, backbone: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(data)
    request = zoo.Options(STIFFNESS, frame[:24], test_data=frame[24:], mode="mixture", backbone=str(backbone), epochs=1)
    result = zoo.finetune(request, tmp_path / "run", quiet=True)
    assert [result.records[row].id for row in result.splits[0].test] == list(frame.material_id[24:])
    assert "table `DataFrame`" in (tmp_path / "run" / "README.md").read_text()
    with pytest.raises(zoo.ZooError, match="test_data DataFrame: this is the table of the training rows"):
        zoo.finetune(replace(request, test_data=request.data), tmp_path / "no", quiet=True)


def test_a_table_in_memory_is_checked_like_a_file(data: Path) -> None:
    records = read_table(data, STIFFNESS).records[:4]
    wrong = [
        records[0],
        replace(records[1], id=records[0].id),
        replace(records[2], target=-5.0),
        replace(records[3], target=None),
        Record("nan", records[3].crystal, float("nan"), 5, "memory"),
    ]
    found = read_table(Table.of(wrong, "K_VRH"), STIFFNESS, max_rejected=1.0)
    assert [record.id for record in found.records] == [records[0].id]
    assert [each.reason for each in found.rejected] == [
        "duplicate id, first at row 1",
        "below the physical range of stiffness, 0.1 to 600 GPa",
        "no value",
        "not a finite number",
    ]
    with pytest.raises(zoo.ZooError, match="crystals: --target G_VRH: the table in memory holds 'K_VRH'"):
        read_table(Table.of(wrong, "K_VRH"), STIFFNESS, target="G_VRH")
    with pytest.raises(zoo.ZooError, match="crystals: 4 of 5 rows cannot be used"):
        read_table(Table.of(wrong, "K_VRH"), STIFFNESS)


def test_a_column_without_a_task(data: Path, backbone: Path, tmp_path: Path) -> None:
    """It is learned as by a task that says the same, and the run is complete without one."""
    frame = pd.read_csv(data).assign(sigma=np.geomspace(1e-5, 3.0, 30))
    base = {"mode": "mixture", "backbone": str(backbone), "epochs": 1}
    said: list[str] = []
    without = zoo.Options(data=frame, target="sigma", unit="S/cm", **base)
    found = zoo.finetune(without, tmp_path / "run", quiet=True, say=said.append)
    task = zoo.Task("sigma", "sigma", "S/cm", transform="log10", valid=(0.0, np.inf))
    assert any(line.startswith("sigma (S/cm) is learned in log10: the middle 90 %") for line in said)
    assert found.errors == zoo.finetune(zoo.Options(task, frame, **base), tmp_path / "task", quiet=True).errors
    assert found.errors == zoo.finetune(replace(without, log=True), tmp_path / "log", quiet=True).errors
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["target"] == {"name": "sigma", "task": "sigma", "unit": "S/cm"}
    assert config["provenance"]["task"]["transform"] == "log10"
    assert config["members"][0]["scaling"]["transform"] == "log10"
    plain = zoo.finetune(replace(without, log=False), tmp_path / "plain", quiet=True)
    assert plain.task.transform == "identity"
    known = zoo.Options(data=data, target="K_VRH", unit="GPa", **base)
    said.clear()
    zoo.finetune(known, tmp_path / "known", quiet=True, say=said.append)
    assert "K_VRH is a column of the task bulk-modulus: task bulk-modulus knows its unit and range" in said


def test_values_without_a_logarithm_are_rejected_if_log_was_asked_for(data: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(data).assign(d33=[0.0, -2.0, *np.linspace(1, 9, 28)])
    with pytest.raises(zoo.ZooError, match=r"DataFrame: 2 of 30 rows cannot be used, more than the 0 of max_rejected"):
        zoo.finetune(
            zoo.Options(data=frame, target="d33", unit="pC/N", log=True, max_rejected=0.0), tmp_path / "run", quiet=True
        )
    assert "negative, so it has no logarithm" in (tmp_path / "run.rejected.csv").read_text()
