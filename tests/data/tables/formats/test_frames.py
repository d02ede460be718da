"""DataFrames as tables: the cells that files cannot hold, row labels, missing values of every kind."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from support.rocksalt import BULK, CIFS, FRAME, MODULI, STRUCTURES, assert_rock_salt

from zoo.data.crystal import Crystal
from zoo.data.tables.readers import open_table
from zoo.data.tables.table import read_table
from zoo.errors import InputError

OBJECTS = FRAME.assign(structure=list(STRUCTURES.values()))


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        OBJECTS,
        FRAME.assign(structure=[Crystal.from_structure(each) for each in STRUCTURES.values()]),
        FRAME.assign(structure=[each.as_dict() for each in STRUCTURES.values()]),
        FRAME.assign(K_VRH=pd.array(FRAME.K_VRH, dtype="Float64")),
        FRAME.astype({"material_id": "category", "K_VRH": object}),
        FRAME.set_index("material_id"),
        FRAME.set_index("material_id").rename_axis(None),
        FRAME.iloc[::-1].sort_values("material_id", key=lambda names: names.map(list(MODULI).index)),
    ],
)
def test_frames(frame: pd.DataFrame) -> None:
    before = frame.copy(deep=True)
    table = read_table(frame, BULK)
    assert_rock_salt(table.records)
    assert (table.source.name, table.target_column) == ("DataFrame", "K_VRH")
    pd.testing.assert_frame_equal(frame, before)


def test_row_labels_of_a_larger_frame_are_ids() -> None:
    """A frame of some rows, or of shuffled ones: its row numbers would be those of other rows in the whole one."""
    unnamed = FRAME.drop(columns="material_id")

    def ids(frame: pd.DataFrame) -> list[str]:
        return [record.id for record in read_table(frame, BULK).records]

    assert ids(unnamed) == ids(unnamed.set_axis([1, 2, 3, 4])) == ["1", "2", "3", "4"]
    assert ids(unnamed.iloc[::-1]) == ["3", "2", "1", "0"]
    assert ids(unnamed.iloc[2:]) == ["2", "3"]
    assert ids(unnamed.set_axis([0, 0, 1, 1])) == ["1", "2", "3", "4"], "they repeat"
    assert ids(FRAME.iloc[::-1]) == list(MODULI)[::-1]
    own = unnamed.assign(remark=["w", "x", "y", "z"])
    assert ids(own.iloc[::-1]) == ["z", "y", "x", "w"], "judging by their cells"


def test_numbers_of_exact_arithmetic() -> None:
    """As columns of decimals in Parquet are."""
    frame = FRAME.assign(K_VRH=[Decimal("24.0"), Decimal("17.4"), Fraction(160), Decimal(67)])
    assert [record.target for record in read_table(frame, BULK).records] == [24.0, 17.4, 160.0, 67.0]


def test_whole_numbers_are_numbers(tmp_path: object) -> None:
    frame = FRAME.assign(K_VRH=np.array([24, 17, 160, 67], dtype=object))
    frame.loc[1, "K_VRH"] = np.int64(17)
    assert [record.target for record in read_table(frame, BULK).records] == [24.0, 17.0, 160.0, 67.0]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, "", "n/a"])
def test_missing_targets_are_named_with_row_and_column(missing: object) -> None:
    frame = FRAME.astype({"K_VRH": object})
    frame.loc[2, "K_VRH"] = missing  # type: ignore[call-overload]
    table = read_table(frame, BULK, max_rejected=0.5)
    (line,) = map(str, table.rejected)
    assert line.startswith("DataFrame row 3 (MgO), column K_VRH")
    assert line.endswith(": no value")


def test_the_digest_is_that_of_the_content() -> None:
    """Not of how it is held: a crystal as text and as an object is the same crystal."""
    digest = read_table(FRAME, BULK).sha256
    assert digest == read_table(FRAME.set_index("material_id"), BULK).sha256
    assert len(digest) == 64
    others = (
        FRAME.assign(K_VRH=[24.0, 17.4, 160.0, 68.0]),
        FRAME.assign(material_id=["a", "KCl", "MgO", "LiF"]),
        FRAME.assign(structure=[*CIFS.values()][::-1]),
        FRAME.iloc[::-1],
        FRAME.rename(columns={"K_VRH": "bulk_modulus"}),
    )
    assert len({digest, *(read_table(each, BULK).sha256 for each in others)}) == 6


def test_frames_that_are_no_tables() -> None:
    with pytest.raises(InputError, match="two columns are called 'K_VRH'"):
        open_table(pd.concat([FRAME, FRAME[["K_VRH"]]], axis=1))
    with pytest.raises(InputError, match="its columns have names in 2 levels"):
        open_table(pd.concat({"a": FRAME}, axis=1))
    with pytest.raises(InputError, match="its rows have labels in 2 levels"):
        open_table(FRAME.set_index(["material_id", "K_VRH"]))
    with pytest.raises(InputError, match="DataFrame: there are no rows"):
        read_table(FRAME.iloc[:0], BULK)


def test_only_some_columns_and_rows_are_read() -> None:
    rows = open_table(OBJECTS).rows(["K_VRH"], ("material_id", lambda name, number: name == "MgO" or number == 1))
    found = [(row.number, row.cells["material_id"], row.cells["K_VRH"], "structure" in row.cells) for row in rows]
    assert found == [(1, "NaCl", 24.0, False), (3, "MgO", 160.0, False)]
