"""Parquet → rows of cells, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.data.tables.formats.reader import Row, Select, TableReader, check_columns
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

_BATCH = 512


def open_parquet(path: Path) -> TableReader:
    """Open a Parquet file; only the columns and rows asked for are decoded.

    Raises
    ------
    InputError
        If it is not one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if not path.stat().st_size:
            raise InputError(f"{path}: the file is empty")
        with pq.ParquetFile(path) as file:
            names, count = tuple(file.schema_arrow.names), file.metadata.num_rows
    except (pa.ArrowException, OSError):
        raise InputError(f"{path}: not a Parquet file, or a damaged one") from None
    check_columns(path, names)

    def rows(columns: Sequence[str], select: Select | None) -> Iterator[Row]:
        number = 0
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_BATCH, columns=list(columns)):
                    numbers = list(range(number + 1, number + 1 + batch.num_rows))
                    number += batch.num_rows
                    if select is not None:
                        labels = _labels(batch.column(select[0]))
                        wanted = [i for i, label in enumerate(labels) if select[1](label, numbers[i])]
                        batch, numbers = (
                            batch.take(pa.array(wanted, pa.int64())),
                            [numbers[i] for i in wanted],
                        )
                    yield from map(_parquet_row, numbers, _cells(batch))
        except (pa.ArrowException, OSError):
            for lost in range(number + 1, count + 1):
                yield Row(lost, {}, "the file is damaged here")

    return TableReader(path, names, rows, count=count)


def _cells(batch: pa.RecordBatch) -> Iterator[dict[str, object] | str]:
    """Yield the cells of each row, or the reason why they cannot be read (text that is not UTF-8)."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for i in range(batch.num_rows):
            try:
                yield batch.slice(i, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                yield f"text that is not UTF-8 (byte 0x{error.object[error.start]:02x})"


def _labels(column: pa.Array) -> list[object]:
    """Return a column's values; None for text that is not UTF-8."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        labels: list[object] = []
        for value in column:
            try:
                labels.append(value.as_py())
            except UnicodeDecodeError:
                labels.append(None)
        return labels


def _parquet_row(number: int, cells: dict[str, object] | str) -> Row:
    return Row(number, {}, cells) if isinstance(cells, str) else Row(number, cells)
