"""Tables of any format → opened tables; :mod:`zoo.data.tables.rows` interprets their cells.

A file that cannot be a table raises :class:`zoo.errors.InputError` when it is opened. After that, a row that
cannot be read becomes a :class:`zoo.data.tables.formats.reader.Row` with its problem, and reading continues.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data.tables.formats.containers import is_container, open_container
from zoo.data.tables.formats.delimited import open_delimited
from zoo.data.tables.formats.json_tables import open_json, open_jsonl
from zoo.data.tables.formats.parquet import open_parquet
from zoo.data.tables.formats.reader import FORMATS
from zoo.data.tables.formats.text import check_text
from zoo.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from zoo.data.tables.formats.reader import TableReader

_CSV, _TSV, _JSON, _JSONL, _PARQUET = (
    (".csv",),
    (".tsv", ".tab"),
    (".json",),
    (".jsonl", ".ndjson"),
    (".parquet", ".pq"),
)
_TEXT = (*_CSV, *_TSV, *_JSON, *_JSONL)


def is_table(path: Path) -> bool:
    """Return whether a file is a table, or holds several crystals, by its name (``.json`` may also be a structure)."""
    name = path.name.lower()
    return is_container(path) or name.removesuffix(".gz").endswith(_TEXT) or name.endswith(_PARQUET)


def open_table(source: Path | pd.DataFrame) -> TableReader:
    """Open a table, or the ``id_prop.csv`` in a folder, or a DataFrame.

    Raises
    ------
    InputError
        If there is no such file, or it is not a table.
    """
    if not isinstance(source, Path):
        from zoo.data.tables.formats.frames import open_frame

        return open_frame(source)
    return _open_file(source)


def _open_file(path: Path) -> TableReader:
    if path.is_dir():
        if not (path / "id_prop.csv").is_file():
            raise InputError(f"{path}: a folder without id_prop.csv is not a table; name a {FORMATS} file")
        path = path / "id_prop.csv"
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if not is_table(path):
        raise InputError(
            f"{path}: not a table, judging by its name; zoo reads {FORMATS}, the text formats also as .gz, "
            "and .extxyz, .db of ASE, and archives of structure files (.zip, .tar.gz …)"
        )
    if is_container(path):
        return open_container(path)
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(_PARQUET):
        return open_parquet(path)
    check_text(path)
    if name.endswith(_JSON):
        return open_json(path)
    if name.endswith(_JSONL):
        return open_jsonl(path)
    return open_delimited(path, tabs=name.endswith(_TSV))
