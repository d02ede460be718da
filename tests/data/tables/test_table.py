"""Whole tables: the examples, some of the rows, and duplicates."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from support.rocksalt import (
    BULK,
    FRAME,
    ROWS,
    SALT,
    message,
    write_csv,
)

from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.registry.contracts import Task

EXAMPLES = Path(__file__).parents[3] / "examples"


DIELECTRIC = Task("dielectric", "eps_total", "", transform="log10", valid=(1, 1000), aliases=("poly_total",))


@pytest.mark.parametrize(
    ("name", "task", "rows", "known"),
    [
        # mp-149 is silicon, mp-1265 magnesia, mp-30 copper, mp-611426 hexagonal diamond.
        (
            "bulk_modulus.csv",
            BULK,
            1181,
            {"mp-149": 83.011284, "mp-1265": 151.497434, "mp-30": 136.219772, "mp-611426": 435.661487},
        ),
        ("dielectric.csv", DIELECTRIC, 1056, {"mp-441": 6.23, "mp-22881": 6.73}),
    ],
)
def test_examples(name: str, task: Task, rows: int, known: dict[str, float]) -> None:
    table = read_table(EXAMPLES / name, task, max_rejected=0.0)
    assert len(table.records) == rows
    assert table.rejected == []
    assert table.structure_source == "column structure"
    assert table.sha256 == hashlib.sha256((EXAMPLES / name).read_bytes()).hexdigest()
    targets = {record.id: record.target for record in table.records}
    assert {key: targets[key] for key in known} == pytest.approx(known, rel=1e-6)
    # Every formula as it was published is that of the structure.
    from pymatgen.core import Composition

    published = pd.read_csv(EXAMPLES / name).set_index("material_id").formula
    for record in table.records[::25]:
        composition = Composition(record.crystal.formula.replace(" ", ""))
        assert composition.reduced_formula == Composition(published[record.id]).reduced_formula
    if name == "bulk_modulus.csv":
        silicon = next(record.crystal for record in table.records if record.id == "mp-149")
        assert silicon.formula == "Si1"
        # PBE's lattice constant of silicon is 5.469 Å; the cell is a power of two of atoms.
        assert (8 * silicon.volume / len(silicon)) ** (1 / 3) == pytest.approx(5.469, abs=0.005)


def test_only_some_rows(tmp_path: Path) -> None:
    """Rows that are not asked for are not even reported; the others keep their numbers."""
    rows = [*ROWS, {"material_id": "broken", "structure": "broken", "K_VRH": None}]
    pd.DataFrame(rows).to_parquet(tmp_path / "data.parquet")
    write_csv(tmp_path / "data.csv", rows)
    for name in ("data.parquet", "data.csv"):
        table = read_table(tmp_path / name, BULK, only={"MgO", "KCl"}, max_rejected=0.0)
        assert [(record.id, record.row) for record in table.records] == [("KCl", 2), ("MgO", 3)]
        assert table.rejected == []
        assert message(tmp_path / name, only={"LiH"}) == "there are no rows with the requested ids"


def test_some_rows_by_identifiers_with_blanks_and_by_number(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "material_id": " padded "}, {**ROWS[1], "material_id": None}, ROWS[2]]
    pd.DataFrame(rows).to_parquet(tmp_path / "data.parquet")
    write_csv(tmp_path / "data.csv", rows)
    for name in ("data.parquet", "data.csv"):
        table = read_table(tmp_path / name, BULK, only={"padded", "2"}, max_rejected=0.0)
        assert [(record.id, record.row) for record in table.records] == [("padded", 1), ("2", 2)]


def test_a_usable_row_is_not_the_duplicate_of_a_broken_one(tmp_path: Path) -> None:
    rows = [{"id": "a", "K_VRH": k, "structure": SALT} for k in (-1, 24, 25)]
    table = read_table(write_csv(tmp_path / "data.csv", rows), BULK, max_rejected=1.0)
    assert [(record.id, record.target) for record in table.records] == [("a", 24)]
    assert [rejection.reason.split(",")[0] for rejection in table.rejected] == [
        "below the physical range of bulk-modulus",
        "duplicate id",
    ]


def test_labels_in_place_of_numbers_say_what_to_do(tmp_path: Path) -> None:
    frame = FRAME.assign(K_VRH=["hard", "soft", "hard", "soft"])
    with pytest.raises(InputError) as error:
        read_table(frame, BULK)
    assert str(error.value) == (
        "DataFrame: column 'K_VRH' holds labels, such as 'hard' and 'soft', and no numbers; to learn classes, give a "
        "task of kind 'classification' (https://crystal-zoo.github.io/crystal-zoo/reference/plugins.html), or use "
        "zoo.CrystalClassifier"
    )
    with pytest.raises(InputError, match=r"4 of 4 rows cannot be used .4 × not a number"):
        read_table(FRAME.assign(K_VRH=["24 GPa", "17.4 GPa", "160 GPa", "67 GPa"]), BULK)


@pytest.mark.parametrize(("filler", "others"), [(-999, None), (99999, None), (-9999, -1.0)])
def test_placeholders_of_missing_values_are_no_values(filler: float, others: float | None) -> None:
    task = Task("k", "K_VRH", "")
    values = FRAME["K_VRH"] if others is None else FRAME["K_VRH"] * others
    frame = FRAME.assign(K_VRH=[filler, *values[1:]])
    with pytest.raises(InputError, match=f"holds {filler:g} in 1 row, unlike all other values"):
        read_table(frame, task)


@pytest.mark.parametrize(("values", "last"), [([950.0, 980.0, 1020.0], 999.0), ([-900.0, 3.0, 4.0], -999.0)])
def test_values_of_nines_among_values_of_their_size(values: list[float], last: float) -> None:
    frame = FRAME.assign(K_VRH=[*values, last])
    assert read_table(frame, Task("k", "K_VRH", "")).records[-1].target == last


def test_a_crystal_with_two_values_is_noted() -> None:
    again = FRAME.assign(material_id=[f"{name}-again" for name in FRAME.material_id], K_VRH=FRAME.K_VRH * 1.05)
    assert read_table(pd.concat([FRAME, again]), BULK).notes == ()
    again.loc[0, "K_VRH"] = 240.0
    (note,) = read_table(pd.concat([FRAME, again]), BULK).notes
    assert note == "1 crystal is in several rows with different values, such as NaCl (24) and NaCl-again (240)"


def test_classes_of_a_crystal_that_contradict_each_other_are_noted() -> None:
    task = Task("metal", "kind", kind="classification", classes=("metal", "insulator"))
    frame = pd.concat([FRAME, FRAME.assign(material_id=["a", "b", "c", "d"])]).assign(
        kind=["insulator"] * 7 + ["metal"]
    )
    (note,) = read_table(frame, task).notes
    assert note == "1 crystal is in several rows with different values, such as d (metal) and LiF (insulator)"
