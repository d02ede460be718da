"""CSV and TSV as people and programs write them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from support.rocksalt import (
    BULK,
    CIFS,
    MODULI,
    NESTED,
    POSCARS,
    ROWS,
    assert_rock_salt,
    message,
    reasons,
    write_csv,
)

from zoo.data.tables.table import read_table
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def test_matminers_csv_as_it_is(tmp_path: Path) -> None:
    """A comment above the header, row labels without a name, CIF and POSCAR, Python literals."""
    path = tmp_path / "elastic_tensor.csv"
    with path.open("w", newline="") as file:
        file.write("# ref: Jong, M. De, Chen, W. (2015).\n")
        writer = csv.writer(file)
        writer.writerow(["idx", "K_VRH", "elastic_tensor", "structure", "poscar", "material_id"])
        for i, (name, value) in enumerate(MODULI.items()):
            writer.writerow([i, i, value, "[[1.0, 2.0], [2.0, 1.0]]", f"#\\#CIF1.1\n{CIFS[name]}", POSCARS[name], name])
    table = read_table(path, BULK)
    assert_rock_salt(table.records)
    assert table.structure_source == "column structure (also present: column poscar)"


def test_flla_holds_python_literals(tmp_path: Path) -> None:
    assert_rock_salt(read_table(write_csv(tmp_path / "flla.csv", NESTED), BULK).records)
    assert "{'@module'" in (tmp_path / "flla.csv").read_text()


@pytest.mark.parametrize("given", ["folder", "file"])
def test_id_prop(tmp_path: Path, given: str) -> None:
    for name, cif in CIFS.items():
        (tmp_path / f"{name}.cif").write_text(cif)
    path = tmp_path / "id_prop.csv"
    path.write_text("".join(f"{name},{value}\n" for name, value in MODULI.items()) + "ghost,3.0\n")
    table = read_table(tmp_path if given == "folder" else path, BULK, max_rejected=0.2)
    assert_rock_salt(table.records)
    assert table.source == path
    assert [str(rejection) for rejection in table.rejected] == [
        f"{path} row 5 (ghost), column id = 'ghost': "
        f"no structure file: ghost (.cif, .vasp, .json …) is not in {tmp_path}"
    ]


@pytest.mark.parametrize("sign", [";", "\t"])
def test_id_prop_with_decimal_commas(tmp_path: Path, sign: str) -> None:
    for name, cif in CIFS.items():
        (tmp_path / f"{name}.cif").write_text(cif)
    path = tmp_path / "id_prop.csv"
    path.write_text("".join(f"{name},{value:.2f}\n".replace(".", ",") for name, value in MODULI.items()))
    assert message(path) == "numbers with decimal commas look like two columns; put semicolons between the cells"
    path.write_text("".join(f"{name}{sign}{value:.2f}\n".replace(".", ",") for name, value in MODULI.items()))
    assert [record.target for record in read_table(path, BULK).records] == list(MODULI.values())


@pytest.mark.parametrize("first", ["<5", "\u221224.0", "24.0(3)", "24.0±0.3"])
def test_the_first_number_of_id_prop_is_no_name_of_a_column(tmp_path: Path, first: str) -> None:
    for name, cif in CIFS.items():
        (tmp_path / f"{name}.cif").write_text(cif)
    values = [first, *list(MODULI.values())[1:]]
    path = tmp_path / "id_prop.csv"
    path.write_text("".join(f"{name},{value}\n" for name, value in zip(CIFS, values, strict=True)))
    table = read_table(path, BULK, max_rejected=0.5)
    assert len(table.records) + len(table.rejected) == 4


def test_id_prop_with_a_header_is_an_ordinary_table(tmp_path: Path) -> None:
    assert_rock_salt(read_table(write_csv(tmp_path / "id_prop.csv", ROWS), BULK).records)


def test_ragged_rows_and_broken_quotes(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", ROWS)
    with path.open("a") as file:
        file.write('a,b\nc,"d"e,1\nf,g,1,2\nh,"i,1\n')
    assert reasons(path) == [
        "row 5 (a): 2 fields where 3 are expected",
        "row 6: broken quoting: ',' expected after '\"'",
        "row 7 (f): 4 fields where 3 are expected",
        "row 8: broken quoting: unexpected end of data",
    ]


def test_a_quote_that_is_not_closed_rejects_every_row_that_it_swallows(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", ROWS)
    with path.open("a") as file:
        file.write('x,"5 mm pellet,1\n' + "y,z,1\n" * 30)
    found = reasons(path)
    assert found[0] == f"row {len(ROWS) + 1}: broken quoting: unexpected end of data"
    assert len(found) == 31
    with pytest.raises(InputError, match=r"31 of \d+ rows cannot be used, more than the 0\.1 of --max-rejected"):
        read_table(path, BULK)


def test_decimal_commas_do_not_shift_cells(tmp_path: Path) -> None:
    """Without quotation marks, the whole part would be taken for a row label and the decimals for the number."""
    path = tmp_path / "k.csv"
    lines = [
        f'{int(value)},{value % 1:.1f},"{CIFS[name]}",{name}'.replace(",0.", ",") for name, value in MODULI.items()
    ]
    path.write_text("K_VRH,structure,id\n" + "\n".join(lines))
    assert message(path) == (
        "rows have 4 cells, and there are 3 names of columns; if numbers have decimal commas, put them in quotation "
        "marks, or semicolons between the cells; otherwise name the further column"
    )
    for labels in (list("abcd"), [0, 1, 2, 3], [1, 2, 3, 4]):
        rows = [
            f'{label},{MODULI[name]},"{cif}",{name}' for label, (name, cif) in zip(labels, CIFS.items(), strict=True)
        ]
        path.write_text("K_VRH,structure,id\n" + "\n".join(rows))
        assert_rock_salt(read_table(path, BULK).records)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("id,K_VRH,structure", '{name},{whole},{rest},"{cif}"'),  # the id would be a label, and the decimals the value
        ("id,K_VRH,structure", '{number},{whole},{rest},"{cif}"'),
        ("id,formula,K_VRH,structure", '{number},{name},{whole},{rest},"{cif}"'),
        ("id,structure,K_VRH,notes", '{name},"{cif}",{whole},{rest},'),  # the value would lose its decimals
    ],
)
def test_decimal_commas_behind_ids_do_not_shift_cells(tmp_path: Path, header: str, row: str) -> None:
    path = tmp_path / "k.csv"
    lines = [
        row.format(name=name, number=number, whole=int(value), rest=number, cif=CIFS[name])
        for number, (name, value) in enumerate(MODULI.items(), 1)
    ]
    path.write_text("\n".join([header, *lines]))
    assert "if numbers have decimal commas, put them in quotation marks" in message(path)


def test_labels_before_whole_numbers(tmp_path: Path) -> None:
    """As in matminer's tables: the number of sites beside that of the space group."""
    path = tmp_path / "k.csv"
    lines = [f'{i},{name},2,225,{value},"{CIFS[name]}"' for i, (name, value) in enumerate(MODULI.items())]
    path.write_text("\n".join(["material_id,nsites,space_group,K_VRH,structure", *lines]))
    assert_rock_salt(read_table(path, BULK).records)


def test_cells_that_excel_has_cut_off_are_refused(tmp_path: Path) -> None:
    """Excel cuts a long CIF, and the atoms behind the cut are lost in the CSV that it writes."""
    rows = [{**row, "structure": row["structure"] + "# note\n" * 6_000} for row in ROWS]
    rows[1]["structure"] = rows[1]["structure"][:32_767]
    write_csv(tmp_path / "k.csv", rows)
    table = read_table(tmp_path / "k.csv", BULK, max_rejected=0.5)
    assert [each.reason for each in table.rejected] == ["a cell of 32,767 characters, at which Excel cuts off text"]
    assert len(table.records) == len(rows) - 1
