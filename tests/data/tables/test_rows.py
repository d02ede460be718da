"""Where crystals, identifiers and targets come from, and why a row is rejected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from support.rocksalt import (
    BULK,
    CIFS,
    DICTS,
    MODULI,
    NESTED,
    POSCARS,
    ROWS,
    SALT,
    STRUCTURES,
    assert_rock_salt,
    message,
    reasons,
    write_csv,
)

from zoo.data.tables.cells import is_missing
from zoo.data.tables.readers import open_table
from zoo.data.tables.rows import RowReader
from zoo.data.tables.table import read_table
from zoo.registry.contracts import Requirement, Task

if TYPE_CHECKING:
    from pathlib import Path

GAP = Task("gap", "gap", "eV", valid=(0, 20), requires=Requirement("band_gap", 0, "a metal (band_gap = 0)"))


ALLOY = str(CifWriter(Structure(Lattice.cubic(3.75), [{"Cu": 0.75, "Au": 0.25}], [[0, 0, 0]])))


BAD_CELLS = {
    "a partial occupancy": ({"structure": ALLOY}, "partial occupancy (Cu:0.75, Au:0.25); zoo needs ordered structures"),
    "no atoms": (
        {"structure": SALT[: SALT.index("  Na  Na0")]},
        "the structure has no atoms: the CIF's loop of sites has no coordinates",
    ),
    "an unknown element": ({"structure": SALT.replace("  Na  Na0", "  Qq  Na0")}, "unknown element 'Qq'"),
    "a dummy": ({"structure": SALT.replace("  Na  Na0", "  X  Na0")}, "unknown element 'X'"),
    "a broken CIF": ({"structure": SALT[:-15]}, "broken CIF: a loop_ ends in the middle of a row"),
    "a coordinate of infinity": (
        {"structure": SALT.replace("0.50000000", "inf", 1)},
        "the lattice or a coordinate is not a finite number",
    ),
    "no structure": ({"structure": None}, "no structure is given"),
    "prose": ({"structure": "rock salt"}, "neither CIF nor POSCAR text, nor a pymatgen dictionary"),
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


def arrays(name: str) -> dict[str, Any]:
    structure = STRUCTURES[name]
    return {
        "atomic_numbers": list(structure.atomic_numbers),
        "lattice": structure.lattice.matrix.ravel().tolist(),
        "frac_coords": structure.frac_coords.ravel().tolist(),
    }


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_array_columns(tmp_path: Path, suffix: str) -> None:
    rows = [{"material_id": name, "K_VRH": value, **arrays(name)} for name, value in MODULI.items()]
    path, frame = tmp_path / f"data{suffix}", pd.DataFrame(rows)
    {
        ".csv": lambda: frame.to_csv(path),
        ".parquet": lambda: frame.to_parquet(path),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
    }[suffix]()
    table = read_table(path, BULK)
    assert_rock_salt(table.records)
    assert table.structure_source == "columns atomic_numbers, lattice, frac_coords"


def test_precedence_of_crystal_sources(tmp_path: Path) -> None:
    """Each source holds another crystal, and they are taken away from the first to the last."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "x.cif").write_text(CIFS["LiF"])
    (tmp_path / "beside.cif").write_text(CIFS["MgO"])
    row = {
        "id": "x",
        "K_VRH": 1.0,
        "structure": CIFS["NaCl"],
        "cif": CIFS["KCl"],
        "poscar": POSCARS["MgO"],
        **arrays("LiF"),
        "file": "beside.cif",
    }
    taken = []
    for gone in ("structure", "cif", "poscar", "lattice", None):
        table = read_table(write_csv(tmp_path / "data.csv", [row]), BULK)
        taken.append((table.records[0].crystal.formula, table.structure_source.split(" (")[0]))
        row.pop(gone, None)  # type: ignore[arg-type]
    assert taken == [
        ("Cl1 Na1", "column structure"),
        ("Cl1 K1", "column cif"),
        ("Mg1 O1", "column poscar"),
        ("F1 Li1", "columns atomic_numbers, lattice, frac_coords"),
        ("Mg1 O1", "files named in column file"),
    ]
    (folder / "beside.cif").write_text(CIFS["KCl"])
    named = read_table(tmp_path / "data.csv", BULK, structures=folder)
    assert named.records[0].crystal.formula == "Cl1 K1"
    row = {"id": "x", "K_VRH": 1.0, "structure": CIFS["NaCl"]}
    asked = read_table(write_csv(tmp_path / "data.csv", [row]), BULK, structures=folder)
    assert asked.records[0].crystal.formula == "F1 Li1"
    assert asked.structure_source == f"files of {folder} named by id (also present: column structure)"


@pytest.mark.parametrize("column", ["id", "ID", "Material_ID", "cif_id", "name"])
def test_identifier_columns(tmp_path: Path, column: str) -> None:
    path = write_csv(tmp_path / "data.csv", [{column: "s-1", "K_VRH": 24, "Structure": CIFS["NaCl"]}])
    assert read_table(path, BULK).records[0].id == "s-1"


def test_rows_without_identifier_are_numbered(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [{"K_VRH": 24, "structure": cif} for cif in CIFS.values()])
    assert [record.id for record in read_table(path, BULK).records] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("columns", "target", "taken"),
    [
        (["K_VRH", "bulk_modulus"], None, "K_VRH"),
        (["bulk_modulus", "other"], None, "bulk_modulus"),
        (["Bulk_Modulus", "other"], None, "Bulk_Modulus"),
        (["k_vrh", "bulk_modulus"], None, "bulk_modulus"),  # as written comes before another case
        (["K_VRH", "other"], "other", "other"),
        (["K_VRH", "Other"], "other", "Other"),
    ],
)
def test_target_column(tmp_path: Path, columns: list[str], target: str | None, taken: str) -> None:
    values = {name: float(i + 1) for i, name in enumerate(columns)}
    path = write_csv(tmp_path / "data.csv", [{"structure": CIFS["NaCl"], **values}])
    table = read_table(path, BULK, target=target)
    assert table.target_column == taken
    assert table.records[0].target == values[taken]


def test_requirement(tmp_path: Path) -> None:
    rows = [{"id": i, "structure": CIFS["NaCl"], "gap": 5.0, "Band_Gap": gap} for i, gap in enumerate([8.5, 0, None])]
    path = write_csv(tmp_path / "data.csv", rows)
    assert reasons(path, GAP) == [
        "row 2 (1), column Band_Gap = '0.0': a metal (band_gap = 0)",
        "row 3 (2), column Band_Gap: no value",
    ]
    write_csv(path, [{"structure": CIFS["NaCl"], "gap": 5.0}])
    assert message(path, GAP) == (
        "the task gap needs the column 'band_gap' as well, to keep rows above 0; add it (columns: structure, gap)"
    )


def test_targets_are_read_without_crystals(tmp_path: Path) -> None:
    rows = [{"id": n, "structure": "broken", "K_VRH": value} for n, value in enumerate([24.0, -1.0, None, "many"])]
    reader = RowReader(open_table(write_csv(tmp_path / "data.csv", rows)), None, BULK)
    assert [reader.value(row) for row in reader.rows()] == pytest.approx([24.0] + [float("nan")] * 3, nan_ok=True)
    assert [reader.identify(row) for row in reader.rows({"1", "3"})] == ["1", "3"]
    assert reader.self_contained


@pytest.mark.parametrize("value", [None, "", "  ", "NaN", "null", "None", float("nan")])
def test_missing_values(value: object) -> None:
    assert is_missing(value)
    assert not is_missing(0)
    assert not is_missing("0")


MAGNET = Task("magnet", "order", kind="classification", classes=("none", "FM", "AFM"))


def test_labels_are_read_as_positions_of_classes(tmp_path: Path) -> None:
    labels = ["FM", "afm ", "none", "ferri", "1", None]
    rows = [{"id": n, "structure": CIFS["NaCl"], "order": label} for n, label in enumerate(labels)]
    path = write_csv(tmp_path / "data.csv", rows)
    table = read_table(path, MAGNET, max_rejected=1.0)
    assert [record.target for record in table.records] == [1.0, 2.0, 0.0]
    assert reasons(path, MAGNET) == [
        "row 4 (3), column order = 'ferri': not a class of magnet (none, FM, AFM)",
        "row 5 (4), column order = '1': not a class of magnet (none, FM, AFM)",
        "row 6 (5), column order: no value",
    ]
    reader = RowReader(open_table(path), None, MAGNET)
    expected = [1.0, 2.0, 0.0, *[float("nan")] * 3]
    assert [reader.value(row) for row in reader.rows()] == pytest.approx(expected, nan_ok=True)


def test_an_empty_cell_of_json_is_no_class_called_none(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps([{"structure": CIFS["NaCl"], "order": label} for label in ("none", None)]))
    assert [record.target for record in read_table(path, MAGNET, max_rejected=1.0).records] == [0.0]


def test_a_property_that_is_a_logarithm_is_taken_as_it_is(tmp_path: Path) -> None:
    """Its own task says so; that of the value itself refuses it."""
    path = write_csv(tmp_path / "data.csv", [{**row, "log10_K": row["K_VRH"]} for row in ROWS])
    assert_rock_salt(read_table(path, Task("log10_K", "log10_K", "log10(GPa)"), target="log10_K").records)
    for task in (BULK, Task("log10_K", "log10_K", "GPa", transform="log10", valid=(0, 9e9))):
        assert message(path, task, target="log10_K").startswith("column 'log10_K' holds logarithms")


def test_formulas_that_are_not_those_of_the_structures_are_noted() -> None:
    names = list(MODULI)  # which are formulas
    frame = pd.DataFrame({"id": names, "formula": names, "cif": list(CIFS.values()), "K_VRH": list(MODULI.values())})
    assert read_table(frame, BULK).notes == ()
    shifted = frame.assign(formula=[*names[1:], names[0]])
    table = read_table(shifted, BULK)
    assert len(table.records) == len(frame)
    (note,) = table.notes
    first = "first in row 1 (NaCl): the formula in the file has K, but no site holds it"
    assert note == f"column formula and the structure disagree in 4 rows, {first}"
