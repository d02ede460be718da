"""What an opened table tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.rocksalt import (
    FRAME,
    MODULI,
    ROWS,
    write_csv,
)

from zoo.data.tables.readers import open_table

if TYPE_CHECKING:
    from pathlib import Path


def test_an_opened_table_tells_its_columns_and_its_rows(tmp_path: Path) -> None:
    table = open_table(write_csv(tmp_path / "data.csv", ROWS))
    assert table.columns == ("material_id", "structure", "K_VRH")
    assert (table.headerless, table.count) == (False, None)
    assert [(row.number, row.cells["material_id"], row.problem) for row in table.rows((), None)] == [
        (number, name, "") for number, name in enumerate(MODULI, 1)
    ]
    FRAME.to_parquet(tmp_path / "data.parquet")
    parquet = open_table(tmp_path / "data.parquet")
    assert parquet.count == 4
    wanted = parquet.rows(["material_id"], ("material_id", lambda name, number: name == "MgO" or number == 1))
    assert [(row.number, dict(row.cells)) for row in wanted] == [
        (1, {"material_id": "NaCl"}),
        (3, {"material_id": "MgO"}),
    ]
