"""Records and rejections: what identifies them, and how they are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from support.rocksalt import (
    BULK,
    ROWS,
    SALT,
    message,
    reasons,
    write_csv,
)

from zoo.data.tables.records import Rejection, records_digest, shorten
from zoo.data.tables.table import read_table

if TYPE_CHECKING:
    from pathlib import Path


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


def test_the_digest_depends_on_ids_crystals_and_order(tmp_path: Path) -> None:
    records = read_table(write_csv(tmp_path / "data.csv", ROWS), BULK).records
    digest = records_digest(records)
    assert digest == records_digest(replace(record, target=None, row=0, file="") for record in records)
    others = [records[::-1], records[:-1], [replace(records[0], id="x"), *records[1:]]]
    others.append([replace(records[0], crystal=records[1].crystal), *records[1:]])
    assert len({digest, *map(records_digest, others)}) == 5


def test_cells_are_shown_on_one_short_line() -> None:
    assert shorten(None) == ""
    assert shorten(" a\n b\t") == "a b"
    assert shorten("x" * 60) == "x" * 60
    assert shorten("x" * 61) == "x" * 59 + "…"
    assert shorten([1, 2]) == "[1, 2]"


def test_a_file_without_rows_is_named_alone() -> None:
    assert str(Rejection("a.cif", None, "a", "", "", "the file is empty")) == "a.cif: the file is empty"
