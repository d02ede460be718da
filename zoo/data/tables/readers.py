"""Table files of any supported format → rows of cells; :mod:`zoo.data.tables.rows` interprets the cells.

A file that cannot be a table raises :class:`zoo.errors.InputError` when it is opened. After that, a row that
cannot be read becomes a :class:`Row` with its problem, and reading continues.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import itertools
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast

from zoo.data.structures.files import MAX_CHARACTERS
from zoo.data.structures.parse import is_number
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

Select = tuple[str, Callable[[object, int], bool]]
"""A column, and a predicate of its cell and the row number that selects rows."""

FORMATS = ".csv, .tsv, .json, .jsonl and .parquet"
_CSV, _TSV, _JSON, _JSONL, _PARQUET = (
    (".csv",),
    (".tsv", ".tab"),
    (".json",),
    (".jsonl", ".ndjson"),
    (".parquet", ".pq"),
)
_TEXT = (*_CSV, *_TSV, *_JSON, *_JSONL)
_PARQUET_BATCH = 512
_JSONL_SAMPLE = 100
"""Number of JSONL lines from which the columns are determined."""

INDEX = "index"
"""Column for the row labels of a pandas table in JSON, unless they are just row numbers."""


class OneStructureError(InputError):
    """A JSON file that holds one crystal structure, not a table."""


@dataclass(frozen=True)
class Row:
    """One row: its number (data rows count from 1), its cells, and the problem if it cannot be read."""

    number: int
    cells: Mapping[str, object]
    problem: str = ""


@dataclass(frozen=True)
class TableReader:
    """An opened table.

    Parameters
    ----------
    path : Path
        The file.
    columns : tuple of str
    rows : callable
        ``rows(columns, select)`` reads from the start. Other columns and rows may be skipped, if the format allows it.
    headerless : bool
        Whether it is CGCNN's ``id_prop.csv``: identifiers and numbers without a header.
    count : int or None
        Number of rows, if it is known without reading them.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Callable[[Sequence[str], Select | None], Iterator[Row]] = field(repr=False)
    headerless: bool = False
    count: int | None = None


def is_table(path: Path) -> bool:
    """Return whether a file is a table by its name (``.json`` may also be a structure)."""
    name = path.name.lower()
    return name.removesuffix(".gz").endswith(_TEXT) or name.endswith(_PARQUET)


def open_table(path: Path) -> TableReader:
    """Open a table, or the ``id_prop.csv`` in a folder.

    Raises
    ------
    InputError
        If there is no such file, or it is not a table.
    """
    if path.is_dir():
        if not (path / "id_prop.csv").is_file():
            raise InputError(f"{path}: a folder without id_prop.csv is not a table; name a {FORMATS} file")
        path = path / "id_prop.csv"
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if not is_table(path):
        raise InputError(f"{path}: not a table, judging by its name; zoo reads {FORMATS}, the text formats also as .gz")
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(_PARQUET):
        return _open_parquet(path)
    _check_text(path)
    if name.endswith(_JSON):
        return _open_json(path)
    if name.endswith(_JSONL):
        return _open_jsonl(path)
    return _open_csv(path)


def _open_bytes(path: Path) -> IO[bytes]:
    if path.name.lower().endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def _encoding(path: Path) -> str:
    with _open_bytes(path) as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _open_text(path: Path) -> IO[str]:
    encoding = _encoding(path)
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def _lines(path: Path) -> Iterator[str]:
    with _open_text(path) as file:
        yield from file


def _check_text(path: Path) -> None:
    """Decode a text file once, block by block, so that later reads meet no invalid byte."""
    try:
        encoding = _encoding(path)
        decoder = codecs.getincrementaldecoder(encoding)()
        blank = True
        with _open_bytes(path) as file:
            while block := file.read(1 << 20):
                if b"\0" in block and encoding != "utf-16":
                    raise InputError(f"{path}: a binary file, not a table; zoo reads {FORMATS}")
                blank &= not decoder.decode(block).strip()
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(f"{path}: not UTF-8 text (byte 0x{byte:02x}); save it in UTF-8 encoding") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{path}: broken gzip file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if blank:
        raise InputError(f"{path}: the file is empty")


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(columns).items() if count > 1 and name]
    if repeated:
        raise InputError(f"{path}: two columns are called {repeated[0]!r}; rename one")


def _open_csv(path: Path) -> TableReader:
    def body() -> Iterator[str]:
        return itertools.dropwhile(lambda line: line.startswith("#") or not line.strip(), _lines(path))

    # Semicolons or tabs separate cells where the comma is the decimal sign.
    tabs = path.name.lower().removesuffix(".gz").endswith(_TSV)
    delimiter = "\t" if tabs else max(",;\t", key=next(body(), "").count)

    def records() -> Iterator[list[str] | str]:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_CHARACTERS))
        reader = csv.reader(body(), delimiter=delimiter, strict=True, skipinitialspace=True)
        while True:
            before = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                # An unclosed quote swallows several lines, each of which may have been a row.
                yield from [f"broken quoting: {error}"] * max(1, reader.line_num - before)
            else:
                if cells:
                    yield cells

    head = list(itertools.islice(records(), 3))
    if not head:
        raise InputError(f"{path}: there is only comments")
    if isinstance(head[0], str):
        raise InputError(f"{path}: the header cannot be read: {head[0]}")
    headerless = path.name == "id_prop.csv" and (len(head[0]) == 1 or _begins_with_a_number(head[0][1]))
    if headerless:
        names = ["id", "target", *(f"column {i}" for i in range(3, len(head[0]) + 1))][: len(head[0])]
    else:
        names = [name.strip() for name in head[0]]
        if len(head) == 3 and all(isinstance(row, list) and len(row) == len(names) + 1 for row in head[1:]):
            # One cell more than column names, as in matminer's tables: pandas' row labels, or a trailing empty cell.
            names = [*names, ""] if all(not row[-1] for row in head[1:]) else ["", *names]
    _check_columns(path, names)

    def rows(_columns: Sequence[str], _select: Select | None) -> Iterator[Row]:
        start = 0 if headerless else 1
        for number, cells in enumerate(itertools.islice(records(), start, None), 1):
            if isinstance(cells, str):
                yield Row(number, {}, cells)
            elif len(cells) != len(names):
                problem = f"{len(cells)} fields where {len(names)} are expected"
                yield Row(number, dict(zip(names, cells, strict=False)), problem)
            else:
                yield Row(number, dict(zip(names, cells, strict=True)))

    return TableReader(path, tuple(names), rows, headerless)


def _begins_with_a_number(cell: str) -> bool:
    """Return whether a cell begins with a number: ``mp-22862, 24.1 GPa`` is a row of data, not a header."""
    words = cell.split()
    return bool(words) and is_number(words[0])


def _open_json(path: Path) -> TableReader:
    data = _load_json(path)
    if _is_structure(data):
        raise OneStructureError(f"{path}: one crystal structure, not a table")
    try:
        records = _json_records(data)
    except (ValueError, TypeError, AttributeError):
        raise InputError(
            f"{path}: not a table in a known layout; zoo reads a list of objects, pandas' orient='split', "
            "and an object of columns"
        ) from None
    columns = _column_names(records)
    if records and not columns:
        raise InputError(f"{path}: a list, but not of objects")

    def rows(_columns: Sequence[str], _select: Select | None) -> Iterator[Row]:
        for number, record in enumerate(records, 1):
            yield _json_row(number, record)

    return TableReader(path, columns, rows, count=len(records))


def _load_json(path: Path) -> Any:
    try:
        with _open_text(path) as file:
            return json.load(file)
    except RecursionError:
        raise InputError(f"{path}: broken JSON: nested too deeply") from None
    except json.JSONDecodeError as error:
        hint = "; if each line is a separate object, name the file .jsonl" if error.msg == "Extra data" else ""
        raise InputError(f"{path}: broken JSON at line {error.lineno}: {error.msg}{hint}") from None
    except UnicodeError:  # _open_text's, which names the file
        raise
    except ValueError:
        raise InputError(f"{path}: broken JSON: an integer of thousands of digits") from None


def _is_structure(data: object) -> bool:
    return isinstance(data, dict) and "sites" in data and "lattice" in data


def _json_records(data: Any) -> list[Any]:
    """Convert the JSON layouts of pandas, matminer and matbench to a list of objects."""
    if isinstance(data, list):
        return [{"structure": each} if _is_structure(each) else each for each in data]
    if data.get("@class") == "DataFrame" and isinstance(data.get("data"), str):  # as monty writes a data frame
        return _json_records(json.loads(data["data"]))
    if "columns" in data and "data" in data:
        columns, table = data["columns"], data["data"]
        index = data.get("index", [])
        if len(index) == len(table) and any(isinstance(label, str) for label in index) and INDEX not in columns:
            columns, table = (
                [INDEX, *columns],
                [[label, *row] for label, row in zip(index, table, strict=True)],
            )
        return [dict(zip(columns, row, strict=True)) if len(row) == len(columns) else row for row in table]
    if "schema" in data and isinstance(data.get("data"), list):
        return cast("list[Any]", data["data"])
    values = list(data.values())
    if values and all(isinstance(value, dict) for value in values):
        labels = list(dict.fromkeys(label for value in values for label in value))
        counted = all(label.isdigit() for label in labels)
        return [
            {**({} if counted else {INDEX: label}), **{name: data[name].get(label) for name in data}}
            for label in labels
        ]
    if values and all(isinstance(value, list) for value in values):
        return [dict(zip(data, row, strict=True)) for row in zip(*values, strict=True)]
    raise ValueError


def _column_names(records: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for record in records if isinstance(record, dict) for name in record))


def _json_row(number: int, record: Any) -> Row:
    if isinstance(record, dict):
        return Row(number, record)
    return Row(number, {}, "not a JSON object with the table's columns")


def _open_jsonl(path: Path) -> TableReader:
    def records() -> Iterator[Any]:
        for line in _lines(path):
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError):
                    yield None

    columns = _column_names(itertools.islice(records(), _JSONL_SAMPLE))
    if not columns:
        raise InputError(f"{path}: none of the first lines is a JSON object")

    def rows(_columns: Sequence[str], _select: Select | None) -> Iterator[Row]:
        for number, record in enumerate(records(), 1):
            yield _json_row(number, record)

    return TableReader(path, columns, rows)


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


def _open_parquet(path: Path) -> TableReader:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if not path.stat().st_size:
            raise InputError(f"{path}: the file is empty")
        with pq.ParquetFile(path) as file:
            names, count = tuple(file.schema_arrow.names), file.metadata.num_rows
    except (pa.ArrowException, OSError):
        raise InputError(f"{path}: not a Parquet file, or a damaged one") from None
    _check_columns(path, names)

    def rows(columns: Sequence[str], select: Select | None) -> Iterator[Row]:
        number = 0
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_PARQUET_BATCH, columns=list(columns)):
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
