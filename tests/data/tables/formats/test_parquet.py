"""Parquet files, whole and damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet as pq
from support.rocksalt import (
    ROWS,
    message,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_damaged_parquet_is_reported(tmp_path: Path) -> None:
    """Every row that is lost counts, so that few readable ones are not taken for a table."""
    path = tmp_path / "data.parquet"
    pd.DataFrame(ROWS * 192).assign(material_id=range(768)).to_parquet(
        path, compression=None, row_group_size=512, use_dictionary=False
    )
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data[start : start + 20] = b"\xff" * 20
    path.write_bytes(data)
    assert message(path).startswith(
        "256 of 768 rows cannot be used, more than the 0.1 of --max-rejected (256 × the file"
    )
    assert message(path).endswith("row 513: the file is damaged here")
