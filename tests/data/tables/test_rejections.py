"""Tables with too many rejected rows, and the list of these rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from support.rocksalt import (
    BULK,
    ROWS,
    SALT,
    message,
    write_csv,
)

from zoo.data.tables.records import Rejection
from zoo.data.tables.rejections import check_rejected_fraction, is_rejected_list, remove_rejected_list, write_rejected
from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.registry.contracts import Requirement, Task

if TYPE_CHECKING:
    from pathlib import Path


GAP = Task("gap", "gap", "eV", valid=(0, 20), requires=Requirement("band_gap", 0, "a metal (band_gap = 0)"))


def test_too_many_rejected(tmp_path: Path) -> None:
    bad = [{"material_id": f"b{i}", "structure": SALT, "K_VRH": [-1, None, 1e5][i % 3]} for i in range(4)]
    path, out = write_csv(tmp_path / "data.csv", [*ROWS, *bad]), tmp_path / "run.rejected.csv"
    assert len(read_table(path, BULK, max_rejected=0.5, rejected_out=out).rejected) == 4
    assert not out.exists()
    assert message(path, rejected_out=out) == (
        "4 of 8 rows cannot be used, more than the 0.1 of --max-rejected (2 × below the physical range of "
        f"bulk-modulus, such as '-1.0', 1 × no value); every row with its reason: {out}"
    )
    written = pd.read_csv(out)
    assert list(written.columns) == ["file", "row", "id", "column", "value", "reason"]
    assert list(written["row"]) == [5, 6, 7, 8]
    assert list(written["id"]) == ["b0", "b1", "b2", "b3"]
    assert message(path).endswith(
        f"; the first: {path} row 5 (b0), column K_VRH = '-1.0': below the physical range of bulk-modulus, "
        "0.1 to 1000 GPa"
    )


def test_all_rows_rejected(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [{**row, "K_VRH": None} for row in ROWS])
    assert message(path, max_rejected=1.0).startswith("4 of 4 rows cannot be used (4 × no value); the first: ")
    with pytest.raises(InputError, match="--max-rejected 10 is not a fraction"):
        read_table(path, BULK, max_rejected=10)


def test_reasons_are_counted_by_kind(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [*ROWS, *ROWS, ROWS[0]])
    assert "(5 × duplicate id)" in message(path)


def test_check_rejected_again(tmp_path: Path) -> None:
    """Later stages add rejections of their own."""
    table = read_table(write_csv(tmp_path / "data.csv", ROWS), BULK)
    check_rejected_fraction(table.source, len(table.records), table.rejected, 0.0)
    last = table.records[-1]
    late = Rejection(last.file, last.row, last.id, "structure", "", "too few neighbours")
    table = replace(table, records=table.records[:-1], rejected=[late])
    assert str(late) == f"{tmp_path / 'data.csv'} row 4 (LiF), column structure: too few neighbours"
    with pytest.raises(InputError, match=r"1 of 4 rows cannot be used, .* \(1 × too few neighbours\)"):
        check_rejected_fraction(table.source, len(table.records), table.rejected, 0.1)


def test_write_rejected(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rejected.csv"
    write_rejected([], path)
    assert path.read_text() == "file,row,id,column,value,reason\n"
    write_rejected([Rejection("a.cif", None, "a", "", "", "no, really")], path)
    assert path.read_text() == 'file,row,id,column,value,reason\na.cif,,a,,,"no, really"\n'
    assert [each.name for each in path.parent.iterdir()] == ["rejected.csv"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_rejected([], tmp_path / "file" / "rejected.csv")


def test_only_a_list_of_rejected_rows_is_removed(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours.csv", tmp_path / "other.csv"
    write_rejected([Rejection("a.cif", None, "a", "", "", "no")], ours)
    other.write_text("id,reason\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert [is_rejected_list(path) for path in (ours, other, tmp_path / "binary", tmp_path)] == [True] + [False] * 3
    for path in (ours, other, tmp_path / "none.csv"):
        remove_rejected_list(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["binary", "other.csv"]


def test_rows_that_the_task_filters_out_are_not_too_many_rejected(tmp_path: Path) -> None:
    metal: dict[str, object] = {"structure": SALT, "gap": -1.0, "band_gap": 0}
    insulator: dict[str, object] = {"structure": SALT, "gap": 5.0, "band_gap": 5}
    rows = [dict(metal), dict(metal), dict(metal), insulator]
    path = write_csv(tmp_path / "data.csv", rows)
    table = read_table(path, GAP, max_rejected=0.0)
    assert [each.filtered for each in table.rejected] == [True] * 3
    assert len(table.records) == 1
    write_rejected(table.rejected, tmp_path / "rejected.csv")
    header, first, *_ = (tmp_path / "rejected.csv").read_text().splitlines()
    assert header == "file,row,id,column,value,reason"
    assert first.endswith(",1,1,band_gap,0,a metal (band_gap = 0)")
    rows[1]["structure"] = "rock salt"  # filtered before anybody looks at it
    rows.append({**insulator, "structure": "rock salt"})
    write_csv(path, rows)
    with pytest.raises(InputError, match=r"1 of 2 rows cannot be used, more than the 0\.4 of --max-rejected"):
        read_table(path, GAP, max_rejected=0.4)
    write_csv(path, rows[:3])
    with pytest.raises(InputError, match=r"3 of 3 rows cannot be used \(3 × a metal\)"):
        read_table(path, GAP)
