"""Every row of a table that cannot be used is reported with its reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from support.rocksalt import BULK, CIFS, DICTS, NESTED, ROWS, SALT, assert_rock_salt, message, reasons, write_csv

from zoo.data.tables.records import Rejection
from zoo.data.tables.rejections import check_rejected_fraction, write_rejected
from zoo.data.tables.table import read_table
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

ALLOY = str(CifWriter(Structure(Lattice.cubic(3.75), [{"Cu": 0.75, "Au": 0.25}], [[0, 0, 0]])))
BAD_CELLS = {
    "a partial occupancy": ({"structure": ALLOY}, "partial occupancy (Cu:0.75, Au:0.25); zoo needs ordered structures"),
    "no atoms": (
        {"structure": SALT[: SALT.index("  Na  Na0")]},
        "the structure has no atoms: a loop_ of the CIF has no rows",
    ),
    "an unknown element": ({"structure": SALT.replace("  Na  Na0", "  Qq  Na0")}, "unknown element 'Qq'"),
    "a dummy": ({"structure": SALT.replace("  Na  Na0", "  X  Na0")}, "unknown element 'X'"),
    "a broken CIF": ({"structure": SALT[:-15]}, "broken CIF: a loop_ ends in the middle of a row"),
    "a coordinate of infinity": (
        {"structure": SALT.replace("0.50000000", "inf", 1)},
        "the lattice or a coordinate is not a finite number",
    ),
    "no structure": ({"structure": None}, "no structure is given"),
    "prose": ({"structure": "rock salt"}, "neither CIF nor POSCAR text, nor pymatgen's dictionary"),
    "no target": ({"K_VRH": None}, "no value"),
    "NaN": ({"K_VRH": "nan"}, "no value"),
    "infinity": ({"K_VRH": "inf"}, "not a finite number"),
    "minus infinity": ({"K_VRH": "-Infinity"}, "not a finite number"),
    "overflow": ({"K_VRH": "1e999"}, "not a finite number"),
    "words": ({"K_VRH": "24 GPa"}, "not a number"),
    "an underscore": ({"K_VRH": "2_4"}, "not a number"),
    "a value below": ({"K_VRH": "-3"}, "below the physical range of bulk-modulus, 0.1 to 1000 GPa"),
    "a value above": ({"K_VRH": 5000}, "above the physical range of bulk-modulus, 0.1 to 1000 GPa"),
    "a duplicate": ({"material_id": "LiF"}, "duplicate id, first at row 4"),
}


@pytest.mark.parametrize("what", BAD_CELLS)
def test_bad_rows(tmp_path: Path, what: str) -> None:
    cells, reason = BAD_CELLS[what]
    bad = {"material_id": "bad", "structure": CIFS["NaCl"], "K_VRH": 24.0, **cells}
    table = read_table(write_csv(tmp_path / "data.csv", [*ROWS, bad]), BULK, max_rejected=0.2)
    assert_rock_salt(table.records)
    (rejection,) = table.rejected
    column = next(iter(cells))
    assert (rejection.row, rejection.id, rejection.column) == (5, bad["material_id"], column)
    assert rejection.reason == reason
    assert len(rejection.value) <= 60
    assert "\n" not in str(rejection)


def test_rejection_is_one_line(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [*ROWS, {"material_id": "mp-123", "structure": SALT, "K_VRH": -3}])
    assert reasons(path) == [
        "row 5 (mp-123), column K_VRH = '-3.0': below the physical range of bulk-modulus, 0.1 to 1000 GPa"
    ]


def test_line_breaks_in_names_stay_out_of_messages(tmp_path: Path) -> None:
    rows = [*ROWS, {"material_id": "a\nb", "x\ny": 1, "K_VRH": None, "structure": SALT}]
    path = write_csv(tmp_path / "data.csv", rows)
    assert reasons(path) == ["row 5 (a b), column K_VRH: no value"]
    assert message(path, target="B0").endswith("(columns: material_id, structure, K_VRH, x y)")


def test_bad_json_values(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    bad = [{"K_VRH": value, "structure": DICTS["NaCl"]} for value in (True, [1], float("inf"), float("nan"), None)]
    path.write_text(json.dumps([*NESTED, *bad, "no object", {"structure": DICTS["NaCl"]}]))
    assert reasons(path) == [
        "row 5, column K_VRH = 'True': not a number",
        "row 6, column K_VRH = '[1]': not a number",
        "row 7, column K_VRH = 'inf': not a finite number",
        "row 8, column K_VRH = 'nan': no value",
        "row 9, column K_VRH: no value",
        "row 10: not a JSON object with the table's columns",
        "row 11, column K_VRH: no value",
    ]


def test_broken_lines_of_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join([json.dumps(NESTED[0]), '{"K_VRH": ', "[]", json.dumps(NESTED[1])]))
    assert reasons(path) == [f"row {row}: not a JSON object with the table's columns" for row in (2, 3)]


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


def test_files_that_are_missing_or_broken(tmp_path: Path) -> None:
    (tmp_path / "good.cif").write_text(CIFS["NaCl"])
    (tmp_path / "broken.cif").write_text(CIFS["NaCl"][:-15])
    (tmp_path / "binary.cif").write_bytes(b"\0\1\2\3")
    (tmp_path / "empty.vasp").touch()
    names = ["good.cif", "lost.cif", "broken.cif", "binary.cif", "empty.vasp", None]
    path = write_csv(tmp_path / "data.csv", [{"id": f"i{i}", "file": name, "K_VRH": 1} for i, name in enumerate(names)])
    assert reasons(path) == [
        "row 2 (i1), column file = 'lost.cif': "
        f"no structure file: lost.cif (.cif, .vasp, .json …) is not in {tmp_path}",
        "row 3 (i2), column file = 'broken.cif': broken CIF: a loop_ ends in the middle of a row",
        "row 4 (i3), column file = 'binary.cif': a binary file, not a structure",
        "row 5 (i4), column file = 'empty.vasp': the file is empty",
        "row 6 (i5), column file: no structure file is named",
    ]


def test_a_usable_row_is_not_the_duplicate_of_a_broken_one(tmp_path: Path) -> None:
    rows = [{"id": "a", "K_VRH": k, "structure": SALT} for k in (-1, 24, 25)]
    table = read_table(write_csv(tmp_path / "data.csv", rows), BULK, max_rejected=1.0)
    assert [(record.id, record.target) for record in table.records] == [("a", 24)]
    assert [rejection.reason.split(",")[0] for rejection in table.rejected] == [
        "below the physical range of bulk-modulus",
        "duplicate id",
    ]


# -- too many rejected rows -----------------------------------------------------------------------------------


def test_too_many_rejected(tmp_path: Path) -> None:
    bad = [{"material_id": f"b{i}", "structure": SALT, "K_VRH": [-1, None, 1e5][i % 3]} for i in range(4)]
    path, out = write_csv(tmp_path / "data.csv", [*ROWS, *bad]), tmp_path / "run.rejected.csv"
    assert len(read_table(path, BULK, max_rejected=0.5, rejected_out=out).rejected) == 4
    assert not out.exists()
    assert message(path, rejected_out=out) == (
        "4 of 8 rows cannot be used, more than the 0.1 of --max-rejected (2 × below the physical range of "
        f"bulk-modulus, such as '-1.0', 1 × no value); every row with its reason: {out}"
    )
    written = pd.read_csv(out)
    assert list(written.columns) == ["file", "row", "id", "column", "value", "reason"]
    assert list(written["row"]) == [5, 6, 7, 8]
    assert list(written["id"]) == ["b0", "b1", "b2", "b3"]
    assert message(path).endswith(
        f"; the first: {path} row 5 (b0), column K_VRH = '-1.0': below the physical range of bulk-modulus, "
        "0.1 to 1000 GPa"
    )


def test_all_rows_rejected(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [{**row, "K_VRH": None} for row in ROWS])
    assert message(path, max_rejected=1.0).startswith("4 of 4 rows cannot be used (4 × no value); the first: ")
    with pytest.raises(InputError, match="--max-rejected 10 is not a fraction"):
        read_table(path, BULK, max_rejected=10)


def test_reasons_are_counted_by_kind(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [*ROWS, *ROWS, ROWS[0]])
    assert "(5 × duplicate id)" in message(path)


def test_check_rejected_again(tmp_path: Path) -> None:
    """Later stages add rejections of their own."""
    table = read_table(write_csv(tmp_path / "data.csv", ROWS), BULK)
    check_rejected_fraction(table.source, len(table.records), table.rejected, 0.0)
    last = table.records[-1]
    late = Rejection(last.file, last.row, last.id, "structure", "", "too few neighbours")
    table = replace(table, records=table.records[:-1], rejected=[late])
    assert str(late) == f"{tmp_path / 'data.csv'} row 4 (LiF), column structure: too few neighbours"
    with pytest.raises(InputError, match=r"1 of 4 rows cannot be used, .* \(1 × too few neighbours\)"):
        check_rejected_fraction(table.source, len(table.records), table.rejected, 0.1)


def test_write_rejected(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rejected.csv"
    write_rejected([], path)
    assert path.read_text() == "file,row,id,column,value,reason\n"
    write_rejected([Rejection("a.cif", None, "a", "", "", "no, really")], path)
    assert path.read_text() == 'file,row,id,column,value,reason\na.cif,,a,,,"no, really"\n'
    assert [each.name for each in path.parent.iterdir()] == ["rejected.csv"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_rejected([], tmp_path / "file" / "rejected.csv")
