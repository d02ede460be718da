"""Sheets of Excel workbooks (``.xlsx``, ``.xlsm``) → rows of cells."""

from __future__ import annotations

import warnings
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.data.tables.formats.compressed import ALWAYS_BYTES, MAX_BYTES, MAX_RATIO
from zoo.data.tables.formats.reader import Row, Select, TableReader, check_columns
from zoo.data.tables.records import shorten
from zoo.errors import DependencyError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAX_CELL = 32_767
"""Most characters that Excel keeps in a cell; it cuts longer ones."""


def open_excel(path: Path, sheet: str | None = None) -> TableReader:
    """Open a sheet of a workbook; its first row that is not empty holds the names of the columns.

    Parameters
    ----------
    path : Path
    sheet : str, optional
        Name of the sheet; by default the only one that is not empty.

    Raises
    ------
    InputError
        If the file is no workbook, unpacks to too many bytes, lacks the sheet, or has several and none was named.
    DependencyError
        If openpyxl is not installed.
    """
    _check_size(path)
    with _workbook(path) as book:
        name = _choose(path, book, sheet)
        header = next(_filled(book[name]), ())
    names = ["" if cell is None else str(cell).strip() for cell in header]
    while names and not names[-1]:
        names.pop()
    check_columns(path, names)

    notes: list[str] = []

    def rows(_columns: Sequence[str], _select: Select | None) -> Iterator[Row]:
        with _workbook(path) as book:
            body = _filled(book[name])
            next(body, None)
            for number, cells in enumerate(body, 1):
                cut = any(isinstance(cell, str) and len(cell) >= MAX_CELL for cell in cells)
                unread = [cell for cell in cells[len(names) :] if cell is not None and cell != ""]
                if unread and not notes:
                    notes.append(
                        f"{path.name}: cells to the right of the last column with a name are not read, such as "
                        f"{shorten(unread[0])!r} in row {number}"
                    )
                problem = f"a cell of {MAX_CELL:,} characters, at which Excel cuts off text" if cut else ""
                yield Row(number, dict(zip(names, (*cells, *[None] * len(names)), strict=False)), problem)

    return TableReader(path, tuple(names), rows, notes=notes)


def _check_size(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as file:
            size = sum(info.file_size for info in file.infolist())
    except (zipfile.BadZipFile, OSError):
        raise InputError(f"{path}: not an Excel workbook, or a damaged one") from None
    if size > min(MAX_BYTES, max(ALWAYS_BYTES, MAX_RATIO * path.stat().st_size)):
        raise InputError(f"{path}: unpacks to far more than a workbook of this size")


@contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    try:
        import openpyxl
    except ImportError:
        raise DependencyError(f"{path}: Excel workbooks need openpyxl: pip install openpyxl") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions that hold no cells
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        except Exception as error:  # openpyxl raises all kinds of exceptions for a damaged file
            raise InputError(f"{path}: not an Excel workbook, or a damaged one ({error.__class__.__name__})") from None
        try:
            yield book
        except InputError:
            raise
        except Exception as error:  # met in reading a sheet
            raise InputError(f"{path}: a damaged workbook ({error.__class__.__name__})") from None
        finally:
            book.close()


def _choose(path: Path, book: Any, sheet: str | None) -> str:
    """Return the name of the sheet that was asked for, or of the only one that is not empty."""
    names = [str(each.title) for each in book.worksheets]
    shown = ", ".join(names)
    if sheet is not None:
        if sheet in names:
            return sheet
        raise InputError(f"{path}: there is no sheet {sheet!r} (sheets: {shown})")
    filled = [str(each.title) for each in book.worksheets if next(_filled(each), None) is not None]
    if not filled:
        raise InputError(f"{path}: the workbook is empty")
    if len(filled) > 1:
        raise InputError(f"{path}: several sheets hold cells ({', '.join(filled)}); say which with --sheet")
    return filled[0]


def _filled(sheet: Any) -> Iterator[tuple[object, ...]]:
    """Yield the cells of the rows that are not empty."""
    sheet.reset_dimensions()  # what some programs state is wrong
    for cells in sheet.iter_rows(values_only=True):
        if any(cell is not None and cell != "" for cell in cells):
            yield cells
