"""Tables of any format → opened tables; :mod:`zoo.data.tables.rows` interprets their cells.

A file that cannot be a table raises :class:`zoo.errors.InputError` when it is opened. After that, a row that
cannot be read becomes a :class:`zoo.data.tables.formats.reader.Row` with its problem, and reading continues.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data.tables.formats.compressed import TEXT, uncompressed_name
from zoo.data.tables.formats.containers import is_container, open_container
from zoo.data.tables.formats.delimited import open_delimited
from zoo.data.tables.formats.excel import open_excel
from zoo.data.tables.formats.json_tables import OneStructureError, open_json, open_jsonl
from zoo.data.tables.formats.layout import Layout
from zoo.data.tables.formats.parquet import open_parquet
from zoo.data.tables.formats.reader import FORMATS
from zoo.data.tables.formats.text import check_text
from zoo.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from zoo.data.tables.formats.reader import TableReader

_TSV, _JSON, _JSONL, _PARQUET, _EXCEL = (
    (".tsv", ".tab"),
    (".json",),
    (".jsonl", ".ndjson"),
    (".parquet", ".pq"),
    (".xlsx", ".xlsm"),
)
_BINARY = (*_PARQUET, *_EXCEL)


def is_table(path: Path) -> bool:
    """Return whether a file is a table, or holds several crystals, by its name (``.json`` may also be a structure)."""
    return is_container(path) or uncompressed_name(path).endswith(TEXT) or path.name.lower().endswith(_BINARY)


def open_table(source: Path | pd.DataFrame, layout: Layout = Layout()) -> TableReader:  # noqa: B008 - it is frozen
    """Open a table, or the ``id_prop.csv`` in a folder, or a DataFrame.

    Parameters
    ----------
    source : Path or DataFrame
    layout : Layout, optional
        Of which the sheet of a workbook is used.

    Raises
    ------
    InputError
        If there is no such file, or it is not a table.
    """
    if not isinstance(source, Path):
        from zoo.data.tables.formats.frames import open_frame

        return open_frame(source)
    return _open_file(source, layout.sheet)


def _open_file(path: Path, sheet: str | None) -> TableReader:
    if path.is_dir():
        if not (path / "id_prop.csv").is_file():
            raise InputError(f"{path}: a folder without id_prop.csv is not a table; name a {FORMATS} file")
        path = path / "id_prop.csv"
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if not is_table(path):
        old = "; save it as .xlsx" if path.suffix.lower() in (".xls", ".xlsb", ".ods") else ""
        raise InputError(
            f"{path}: not a table, judging by its name{old}; zoo reads {FORMATS}, the text formats also as .gz, .bz2, "
            ".xz, .zst and .zip, and .extxyz, .db of ASE, and archives of structure files (.zip, .tar.gz …)"
        )
    if path.name.lower().endswith(_EXCEL):
        return open_excel(path, sheet)
    if sheet is not None:
        raise InputError(f"{path}: --sheet {sheet}: the file is not an Excel workbook")
    name = uncompressed_name(path)
    if is_container(path) and not name.endswith(TEXT):
        return open_container(path)
    if name.endswith(_PARQUET):
        return open_parquet(path)
    check_text(path)
    if name.endswith(_JSON):
        try:
            return open_json(path)
        except OneStructureError:
            if is_container(path):  # an archive of one structure
                return open_container(path)
            raise
    if name.endswith(_JSONL):
        return open_jsonl(path)
    return open_delimited(path, tabs=name.endswith(_TSV))
