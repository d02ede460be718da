"""Excel workbooks: their sheets, what Excel does to cells, and files that are none."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from support.rocksalt import BULK, FRAME, MODULI, assert_rock_salt, message, reasons

from zoo.data.tables.formats.layout import Layout
from zoo.data.tables.inputs import iter_records
from zoo.data.tables.readers import is_table
from zoo.data.tables.table import read_table

if TYPE_CHECKING:
    from pathlib import Path


def book(path: Path, **sheets: pd.DataFrame) -> Path:
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for name, frame in sheets.items():
            frame.to_excel(writer, sheet_name=name, index=False)
    return path


@pytest.mark.parametrize("name", ["k.xlsx", "K.XLSX", "k.xlsm"])
def test_a_workbook(tmp_path: Path, name: str) -> None:
    path = book(tmp_path / name, Sheet1=FRAME, Sheet2=pd.DataFrame())
    assert is_table(path)
    assert_rock_salt(read_table(path, BULK).records)
    assert [record.id for record in iter_records([path])] == list(MODULI)


def test_cells_that_are_not_read_are_told(tmp_path: Path) -> None:
    path = book(tmp_path / "k.xlsx", a=FRAME.assign(**{"": [None, "measured twice", "", None]}))
    table = read_table(path, BULK)
    assert_rock_salt(table.records)
    told = "k.xlsx: cells to the right of the last column with a name are not read, such as 'measured twice' in row 2"
    assert table.notes == (told,)


def test_sheets_are_named(tmp_path: Path) -> None:
    path = book(tmp_path / "k.xlsx", moduli=FRAME, notes=pd.DataFrame({"a": ["measured by hand"]}))
    assert message(path) == "several sheets hold cells (moduli, notes); say which with --sheet"
    assert_rock_salt(read_table(path, BULK, layout=Layout(sheet="moduli")).records)
    assert message(path, layout=Layout(sheet="Moduli")) == "there is no sheet 'Moduli' (sheets: moduli, notes)"
    FRAME.to_csv(tmp_path / "k.csv", index=False)
    assert message(tmp_path / "k.csv", layout=Layout(sheet="a")) == "--sheet a: the file is not an Excel workbook"
    assert message(book(tmp_path / "e.xlsx", a=pd.DataFrame())) == "the workbook is empty"


def test_titles_above_blank_rows_and_columns_that_hold_nothing(tmp_path: Path) -> None:
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet: Any = workbook.active
    for row in ([None] * 5, ["material_id", "structure", "K_VRH", None], [], *FRAME.values.tolist(), [None, ""]):
        sheet.append(row)
    sheet["F30"].number_format = "0.00"  # a cell that was touched
    workbook.save(tmp_path / "k.xlsx")
    assert_rock_salt(read_table(tmp_path / "k.xlsx", BULK).records)


def test_cells_that_hold_no_number(tmp_path: Path) -> None:
    import openpyxl

    more = FRAME.head(1).assign(material_id="fine")
    book(tmp_path / "k.xlsx", a=pd.concat([FRAME, more]).astype({"K_VRH": object}))
    workbook = openpyxl.load_workbook(tmp_path / "k.xlsx")
    sheet: Any = workbook.active
    sheet["C2"], sheet["C3"], sheet["C4"] = "=1+1", "#DIV/0!", pd.Timestamp("2024-01-02").to_pydatetime()
    sheet["B5"] = "x" * 32_767
    workbook.save(tmp_path / "k.xlsx")
    assert reasons(tmp_path / "k.xlsx") == [
        "row 1 (NaCl), column K_VRH = '=1+1': a formula without its value; open the table in a spreadsheet program, "
        "and save it again",
        "row 2 (KCl), column K_VRH = '#DIV/0!': not a number",
        "row 3 (MgO), column K_VRH = '2024-01-02 00:00:00': not a number",
        "row 4 (LiF): a cell of 32,767 characters, at which Excel cuts off text",
    ]


def test_formulas_have_the_values_that_are_stored(tmp_path: Path) -> None:
    """A program that computes formulas stores their values beside them; one cell is none that anybody has computed."""
    path = book(tmp_path / "k.xlsx", a=FRAME.assign(note="", more=1.0))
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    value = FRAME.K_VRH[0]
    cell = next(each for each in re.findall(rb"<c r=\"C2\".*?</c>", parts[sheet]))
    formula = cell.replace(b"<v>", b"<f>20+1</f><v>")
    blank = re.sub(rb"(<c r=\"E3\"[^>]*>)<v>.*?</v>", rb"\1<f>1+1</f><v></v>", parts[sheet].replace(cell, formula))
    with zipfile.ZipFile(path, "w") as file:
        for name, data in (parts | {sheet: blank}).items():
            file.writestr(name, data)
    records = read_table(path, BULK).records
    assert [record.target for record in records] == FRAME.K_VRH.tolist()
    assert records[0].target == value
    kept = [record.cells["more"] for record in iter_records([path], keep=["more"])]  # type: ignore[union-attr]
    assert kept[1] == "=1+1"


@pytest.mark.parametrize("titles", [["Bulk moduli, measured in 2024"], ["Bulk moduli", "in GPa"]])
def test_titles_above_the_names_are_refused(tmp_path: Path, titles: list[str]) -> None:
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet: Any = workbook.active
    for row in (*([title] for title in titles), [], FRAME.columns.tolist(), *FRAME.values.tolist()):
        sheet.append(row)
    workbook.save(tmp_path / "k.xlsx")
    assert message(tmp_path / "k.xlsx") == (
        f"the first row that is not empty holds {titles[0]!r} alone, so it is a title; delete what stands above the "
        "names of the columns"
    )


def test_files_that_are_no_workbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k.xlsx"
    path.write_bytes(b"PK\3\4 not a workbook")
    assert message(path) == "not an Excel workbook, or a damaged one"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("word/document.xml", "<w/>")
    assert message(path) == "not an Excel workbook, or a damaged one (KeyError)"
    with zipfile.ZipFile(book(path, a=FRAME)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in parts.items():
            file.writestr(name, data[: len(data) // 2] if name.endswith("sheet1.xml") else data)
    assert message(path).startswith("a damaged workbook (")
    monkeypatch.setattr("zoo.data.tables.formats.excel.ALWAYS_BYTES", 1_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/workbook.xml", b" " * 10_000_000)
    assert message(path) == "unpacks to far more than a workbook of this size"
    (tmp_path / "k.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    assert message(tmp_path / "k.xls").startswith("not a table, judging by its name; save it as .xlsx; zoo reads ")
