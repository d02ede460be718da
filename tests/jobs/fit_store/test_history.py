"""The history that grows while a run trains."""

from __future__ import annotations

import csv
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from zoo.jobs.fit_store.history import COLUMNS, LiveHistory, cells

if TYPE_CHECKING:
    from pathlib import Path

ROW = dict.fromkeys(COLUMNS, 0.25) | {"epoch": 3.0, "validation_loss": math.nan}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_every_validation_adds_a_row(tmp_path: Path) -> None:
    live = LiveHistory(tmp_path / "history.csv", "seed")
    live.start()
    assert read(live.path) == []
    live.add("tiny (full), fold 1", 7, ROW, 1)
    (row,) = read(live.path)
    assert row == {"method": "tiny (full), fold 1", "seed": "7"} | dict(zip(COLUMNS, map(str, cells(ROW)), strict=True))
    assert (row["epoch"], row["validation_loss"], row["train_loss"]) == ("3", "", "0.25")


def test_fits_side_by_side_do_not_mix_their_rows(tmp_path: Path) -> None:
    live = LiveHistory(tmp_path / "history.csv", "fold")
    live.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda fold: live.add(f"fit {fold}", fold, ROW), range(200)))
    rows = read(live.path)
    assert sorted(int(row["fold"]) for row in rows) == list(range(200))
    assert all(row["method"] == f"fit {row['fold']}" and row["epoch"] == "3" for row in rows)


def test_a_full_disk_does_not_end_the_training(tmp_path: Path) -> None:
    live = LiveHistory(tmp_path / "gone" / "history.csv", "seed")
    live.start()
    live.add("tiny", 0, ROW)
    assert not live.path.exists()
