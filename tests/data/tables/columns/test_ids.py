"""Ids in columns with names of one's own: found by what they hold, or named; never guessed where two would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from support.rocksalt import BULK, CIFS, MODULI

from zoo.data.tables.formats.layout import Layout
from zoo.data.tables.inputs import iter_records
from zoo.data.tables.table import Table, read_table
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = list(MODULI)
PLAIN = pd.DataFrame({"cif": list(CIFS.values()), "K_VRH": list(MODULI.values())})
LABELS = ["glass 1", "glass 2", "melt", "pellet"]


def ids(frame: pd.DataFrame, **options: Any) -> list[str]:
    return [record.id for record in read_table(frame, BULK, **options).records]


def read(frame: pd.DataFrame, **options: Any) -> Table:
    return read_table(frame, BULK, **options)


def test_ids_are_the_only_texts_that_differ_in_every_row() -> None:
    frame = PLAIN.assign(batch=["a", "a", "b", "b"], what=LABELS, temperature=["1.5", "2.5", "3.5", "4.5"])
    table = read(frame)
    assert [record.id for record in table.records] == LABELS
    assert table.notes == ("ids from column what, judging by its cells; --id names another",)
    assert read(frame.rename(columns={"what": "id"})).notes == ()


def test_of_several_columns_the_one_with_a_name_like_an_id() -> None:
    frame = PLAIN.assign(remark=["w", "x", "y", "z"], sampleID=[17, 4, 23, 8])
    assert ids(frame) == ["17", "4", "23", "8"]
    table = read(frame.rename(columns={"sampleID": "number"}))
    assert [record.id for record in table.records] == ["w", "x", "y", "z"], "numbers may be anything"
    table = read(PLAIN.assign(remark=["w", "x", "y", "z"], comment=LABELS))
    assert [record.id for record in table.records] == ["1", "2", "3", "4"]
    assert table.notes == (
        "DataFrame has no column of ids by its name (it might be remark or comment; --id names it): "
        "rows are called by their numbers",
    )


def test_no_column_of_ids_is_said_too(tmp_path: Path) -> None:
    PLAIN.to_csv(tmp_path / "k.csv", index=False)
    note = "k.csv has no column of ids by its name (no column has a different text in every row; --id names it): "
    assert read_table(tmp_path / "k.csv", BULK).notes == (note + "rows are called by their numbers",)
    assert iter_records([tmp_path / "k.csv"]).notes == [note + "rows are called by their numbers"]


def test_ids_that_repeat_later_are_none() -> None:
    """The first rows are not the table."""
    long = pd.concat([PLAIN] * 60, ignore_index=True)
    labels = [f"sample {i}" for i in range(len(long))]
    assert ids(long.assign(label=labels)) == labels
    repeated = [*labels[:-1], labels[0]]
    assert ids(long.assign(label=repeated)) == [str(i) for i in range(1, 241)]


def test_rows_without_an_id_are_counted() -> None:
    table = read(PLAIN.assign(material_id=["mp-1", None, "", "mp-4"]))
    assert [record.id for record in table.records] == ["mp-1", "2", "3", "mp-4"]
    assert table.notes == ("2 rows without an id in column material_id: called by the row number",)


def test_elements_are_ids(tmp_path: Path) -> None:
    PLAIN.assign(material_id=["Na", "NaN", "", "K"]).to_csv(tmp_path / "k.csv", index=False)
    assert [record.id for record in read_table(tmp_path / "k.csv", BULK).records] == ["Na", "NaN", "3", "K"]
    stream = iter_records([tmp_path / "k.csv"])
    assert [record.id for record in stream] == ["Na", "NaN", "3", "K"]
    assert stream.notes == ["1 row without an id in column material_id: called by the row number"]


def test_two_columns_of_ids_that_disagree() -> None:
    frame = PLAIN.assign(material_id=["mp-1", "mp-2", "mp-3", "mp-4"], jid=["J1", "J2", "J3", "J4"])
    with pytest.raises(InputError) as error:
        read(frame)
    assert str(error.value) == (
        "DataFrame: the columns 'material_id' and 'jid' both hold ids and disagree (row 1: 'mp-1' and 'J1'); "
        "say which with --id, or rename one"
    )
    assert ids(frame, layout=Layout(id="jid")) == ["J1", "J2", "J3", "J4"]
    assert ids(frame.assign(jid=frame.material_id)) == ["mp-1", "mp-2", "mp-3", "mp-4"]
    assert ids(frame.assign(jid=["J1", "J1", "J2", "J2"])) == ["mp-1", "mp-2", "mp-3", "mp-4"], "no id of rows"
    with pytest.raises(InputError, match=r"--id label: there is no such column \(columns: cif, K_VRH"):
        ids(frame, layout=Layout(id="label"))


def test_a_column_that_counts_is_no_id_beside_one_that_names() -> None:
    frame = PLAIN.assign(id=[0, 1, 2, 3], material_id=["mp-1", "mp-2", "mp-3", "mp-4"])
    table = read(frame)
    assert [record.id for record in table.records] == ["mp-1", "mp-2", "mp-3", "mp-4"]
    assert table.notes == ("ids from column material_id, as id only counts the rows",)
    assert ids(frame, layout=Layout(id="id")) == ["0", "1", "2", "3"]
    assert ids(frame.drop(columns="material_id")) == ["0", "1", "2", "3"]
