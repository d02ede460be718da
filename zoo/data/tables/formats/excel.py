"""Sheets of Excel workbooks (``.xlsx``, ``.xlsm``) → rows of cells."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
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

CUT = f"a cell of {MAX_CELL:,} characters, at which Excel cuts off text"
"""Reason why a row with such a cell cannot be used, also in a CSV that Excel wrote."""

_TITLE_ROWS = 10
"""Number of rows that are compared with the first one, which may be a title."""


def open_excel(path: Path, sheet: str | None = None) -> TableReader:
    """Open a sheet of a workbook; its first row that is not empty holds the names of the columns.

    Parameters
    ----------
    path : Path
    sheet : str, optional
        Name of the sheet; by default the only one that is not empty.

    A formula whose value is not stored, because no spreadsheet program has computed it, is read as its text.

    Raises
    ------
    InputError
        If the file is no workbook, unpacks to too many bytes, lacks the sheet, or has several and none was named, or if
        a title stands above the names.
    DependencyError
        If openpyxl is not installed.
    """
    formulas = _check_parts(path)
    with _workbook(path) as book:
        name = _choose(path, book, sheet)
    header, *below = islice(_rows(path, name, formulas=formulas), 1 + _TITLE_ROWS)
    _check_title(path, header, below)
    names = ["" if cell is None else str(cell).strip() for cell in header]
    while names and not names[-1]:
        names.pop()
    check_columns(path, names)

    notes: list[str] = []

    def rows(_columns: Sequence[str], _select: Select | None) -> Iterator[Row]:
        for number, cells in enumerate(islice(_rows(path, name, formulas=formulas), 1, None), 1):
            cut = any(isinstance(cell, str) and len(cell) >= MAX_CELL for cell in cells)
            unread = [cell for cell in cells[len(names) :] if _holds(cell)]
            if unread and not notes:
                notes.append(
                    f"{path.name}: cells to the right of the last column with a name are not read, such as "
                    f"{shorten(unread[0])!r} in row {number}"
                )
            yield Row(number, dict(zip(names, (*cells, *[None] * len(names)), strict=False)), CUT if cut else "")

    return TableReader(path, tuple(names), rows, notes=notes)


def _check_parts(path: Path) -> bool:
    """Refuse a file that is no archive, or unpacks to too many bytes; return whether a sheet has formulas."""
    try:
        with zipfile.ZipFile(path) as file:
            if sum(each.file_size for each in file.infolist()) > min(
                MAX_BYTES, max(ALWAYS_BYTES, MAX_RATIO * path.stat().st_size)
            ):
                raise InputError(f"{path}: unpacks to far more than a workbook of this size")
            sheets = [name for name in file.namelist() if name.startswith("xl/worksheets/")]
            return any(re.search(rb"<f[ >]", file.read(name)) for name in sheets)
    except (zipfile.BadZipFile, zlib.error, OSError):
        raise InputError(f"{path}: not an Excel workbook, or a damaged one") from None


def _check_title(path: Path, header: tuple[object, ...], below: Sequence[tuple[object, ...]]) -> None:
    """Refuse a first row with a single cell above rows with several: its cell is a title, and no name of a column."""
    filled = [cell for cell in header if _holds(cell)]
    if len(filled) == 1 and any(sum(map(_holds, cells)) > 1 for cells in below):
        raise InputError(
            f"{path}: the first row that is not empty holds {shorten(filled[0])!r} alone, so it is a title; delete "
            "what stands above the names of the columns"
        )


@contextmanager
def _workbook(path: Path, *, values: bool = True) -> Iterator[Any]:
    """Open a workbook, with the values of its formulas or with their texts."""
    try:
        import openpyxl
    except ImportError:
        raise DependencyError(f"{path}: Excel workbooks need openpyxl: pip install openpyxl") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions that hold no cells
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=values)
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
    filled = [str(each.title) for each in book.worksheets if any(map(_holds, chain.from_iterable(_cells(each))))]
    if not filled:
        raise InputError(f"{path}: the workbook is empty")
    if len(filled) > 1:
        raise InputError(f"{path}: several sheets hold cells ({', '.join(filled)}); say which with --sheet")
    return filled[0]


def _rows(path: Path, name: str, *, formulas: bool) -> Iterator[tuple[object, ...]]:
    """Yield the cells of the rows that are not empty."""
    with ExitStack() as stack:
        rows = _cells(stack.enter_context(_workbook(path))[name])
        if formulas:
            written = _cells(stack.enter_context(_workbook(path, values=False))[name])
            rows = (
                tuple(text if value is None else value for value, text in zip(*both, strict=True))
                for both in zip(rows, written, strict=True)
            )
        yield from (cells for cells in rows if any(map(_holds, cells)))


def _cells(sheet: Any) -> Iterator[tuple[object, ...]]:
    sheet.reset_dimensions()  # what some programs state is wrong
    rows: Iterator[tuple[object, ...]] = sheet.iter_rows(values_only=True)
    return rows


def _holds(cell: object) -> bool:
    return cell is not None and cell != ""
