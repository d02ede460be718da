"""Structures in columns with names of one's own, as texts, objects, or names of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from support.rocksalt import BULK, CIFS, DICTS, MODULI, POSCARS, STRUCTURES

from zoo.data.tables.formats.layout import Layout
from zoo.data.tables.inputs import iter_records
from zoo.data.tables.records import Record
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


@pytest.mark.parametrize("held", [CIFS, POSCARS, DICTS, STRUCTURES])
def test_structures_are_found_by_what_they_are(held: dict[str, Any]) -> None:
    frame = pd.DataFrame({"K_VRH": list(MODULI.values()), "relaxed": list(held.values()), "note": "PBE", "id": NAMES})
    table = read(frame)
    assert [record.crystal.formula for record in table.records] == [
        record.crystal.formula for record in read(PLAIN.assign(id=NAMES)).records
    ]
    assert table.structure_source == "column relaxed"
    with pytest.raises(InputError, match="the columns 'relaxed' and 'initial' hold structures; say which with --stru"):
        read(frame.assign(initial=list(CIFS.values())))
    both = frame.assign(initial=list(CIFS.values())[::-1])
    assert read(both, layout=Layout(structure="initial")).structure_source == "column initial"
    assert read(both, layout=Layout(structure="initial")).records[0].crystal.formula == "F1 Li1"


@pytest.mark.parametrize("column", ["structure", "path to CIF"])
def test_names_of_files_are_known_as_such(tmp_path: Path, column: str) -> None:
    (tmp_path / "cifs").mkdir()
    for name, cif in CIFS.items():
        (tmp_path / "cifs" / f"{name}.cif").write_text(cif)
    frame = pd.DataFrame({column: [f"cifs/{name}.cif" for name in NAMES], "K_VRH": MODULI.values(), "label": NAMES})
    frame.to_csv(tmp_path / "k.csv", index=False)
    table = read_table(tmp_path / "k.csv", BULK)
    assert table.structure_source == f"files named in column {column}"
    assert [record.id for record in table.records] == NAMES
    bare = frame.assign(**{column: [f"{name}.cif" for name in NAMES]})
    table = read_table(bare, BULK, structures=tmp_path / "cifs", layout=Layout(structure=column))
    assert table.structure_source == f"files of {tmp_path / 'cifs'} named in column {column}"
    assert len(table.records) == 4
    unlabelled = read_table(
        bare.drop(columns="label"), BULK, structures=tmp_path / "cifs", layout=Layout(structure=column)
    )
    assert [record.id for record in unlabelled.records] == ["1", "2", "3", "4"]


def test_predictions_take_the_same_columns(tmp_path: Path) -> None:
    frame = PLAIN.rename(columns={"cif": "final"}).assign(first=list(CIFS.values()), label=LABELS, other=NAMES)
    frame.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(InputError, match="say which with --structure"):
        iter_records([tmp_path / "new.csv"])
    stream = iter_records([tmp_path / "new.csv"], layout=Layout("other", "final"))
    records = [record for record in stream if isinstance(record, Record)]
    assert ([record.id for record in records], stream.notes) == (NAMES, [])
    stream = iter_records([tmp_path / "new.csv"], layout=Layout(structure="final"))
    assert [record.id for record in stream] == LABELS
    assert stream.notes == ["ids from column label, judging by its cells; --id names another"]


def test_formulas_take_the_place_of_structures_if_there_are_none() -> None:
    table = read(frame := pd.DataFrame({"material": NAMES, "K_VRH": list(MODULI.values())}))
    assert table.structure_source == "formulas alone, in column material"
    assert [record.crystal.formula.replace("1", "").split() for record in table.records] == [
        sorted(record.crystal.elements) for record in read(PLAIN).records
    ]
    with pytest.raises(InputError, match="DataFrame: no crystals found: there is no column structure"):
        read(frame.assign(material=LABELS))
    with pytest.raises(InputError, match="the columns 'material' and 'other' hold formulas; say which with"):
        read(frame.assign(other=NAMES))
    named = read(frame.assign(other=NAMES, formula=[*NAMES[:-1], "Na"]))  # sodium, not a missing value
    assert [record.crystal.formula for record in named.records][-1] == "Na1"


def test_symbols_of_elements_are_about_anything() -> None:
    frame = pd.DataFrame({"dopant": ["Mg", "Ca", "Sr", "Ba"], "K_VRH": list(MODULI.values())})
    with pytest.raises(InputError, match="no crystals found"):
        read(frame)
    assert read(frame, layout=Layout(structure="dopant")).records[0].crystal.formula == "Mg1"


def test_a_structure_is_preferred_to_a_formula() -> None:
    frame = PLAIN.assign(formula=NAMES)
    assert all(record.crystal.has_structure for record in read(frame).records)
    frame.loc[1, "cif"] = None
    table = read(frame, max_rejected=0.5)
    assert [(each.row, each.column, each.reason) for each in table.rejected] == [
        (
            2,
            "cif",
            "only a formula and no structure; add it, or learn from the formulas of all rows: --structure formula",
        )
    ]
    assert not any(record.crystal.has_structure for record in read(frame, layout=Layout(structure="formula")).records)


@pytest.mark.parametrize("held", ["texts", "files", "ids", "comment"])
def test_a_first_row_that_is_a_crystal_is_not_lost(tmp_path: Path, held: str) -> None:
    (tmp_path / "cifs").mkdir()
    for name, cif in CIFS.items():
        (tmp_path / "cifs" / f"{name}.cif").write_text(cif)
    column = {"texts": list(CIFS.values()), "ids": NAMES}.get(held, [f"cifs/{name}.cif" for name in NAMES])
    frame = pd.DataFrame({"x": column, "y": list(MODULI.values())})
    head = "# file, K\n" if held == "comment" else ""
    (tmp_path / "k.csv").write_text(head + frame.to_csv(index=False, header=False))
    told = {"structures": tmp_path / "cifs", "layout": Layout(id=NAMES[0])} if held == "ids" else {}
    with pytest.raises(InputError, match=r"the first row holds a crystal .* in place of the names of the columns"):
        list(iter_records([tmp_path / "k.csv"], **told))


def test_a_row_of_units_below_the_names(tmp_path: Path) -> None:
    for name, cif in CIFS.items():
        (tmp_path / f"{name}.cif").write_text(cif)
    frame = pd.DataFrame(
        {"structure": ["file", *(f"{name}.cif" for name in NAMES)], "K_VRH": ["GPa", *MODULI.values()]}
    )
    frame.to_csv(tmp_path / "k.csv", index=False)
    table = read_table(tmp_path / "k.csv", BULK, max_rejected=0.5)
    assert [record.target for record in table.records] == list(MODULI.values())
    assert [str(rejection.row) for rejection in table.rejected] == ["1"]
