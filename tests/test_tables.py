"""Tables in every format give the same records, and every unusable row is reported with its reason."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from zoo.contracts import Requirement, Task
from zoo.errors import InputError
from zoo.tables import (
    Record,
    Rejection,
    check_rejected,
    count_inputs,
    iter_inputs,
    read_table,
    write_rejected,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[1] / "examples"
DATA = Path(__file__).parent / "data"
BULK = Task("bulk-modulus", "K_VRH", "GPa", transform="log10", valid=(0.1, 1000), aliases=("bulk_modulus",))
DIELECTRIC = Task("dielectric", "eps_total", "", transform="log10", valid=(1, 1000), aliases=("poly_total",))
GAP = Task("gap", "gap", "eV", valid=(0, 20), requires=Requirement("band_gap", 0, "a metal (band_gap = 0)"))

ROCK_SALT = {"NaCl": 5.64, "KCl": 6.29, "MgO": 4.21, "LiF": 4.03}
"""Rock-salt crystals by their lattice constants in Å."""
MODULI = {"NaCl": 24.0, "KCl": 17.4, "MgO": 160.0, "LiF": 67.0}
"""Their bulk moduli in GPa."""


def rock_salt(name: str) -> Structure:
    elements = {"NaCl": ["Na", "Cl"], "KCl": ["K", "Cl"], "MgO": ["Mg", "O"], "LiF": ["Li", "F"]}[name]
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(ROCK_SALT[name]), elements, [[0, 0, 0], [0.5, 0.5, 0.5]])


STRUCTURES = {name: rock_salt(name) for name in ROCK_SALT}
CIFS = {name: str(CifWriter(structure)) for name, structure in STRUCTURES.items()}
POSCARS = {name: Poscar(structure).get_str() for name, structure in STRUCTURES.items()}
DICTS = {name: structure.as_dict() for name, structure in STRUCTURES.items()}
FRAME = pd.DataFrame({"material_id": list(MODULI), "structure": list(CIFS.values()), "K_VRH": list(MODULI.values())})
ROWS: list[dict[str, Any]] = FRAME.to_dict("records")
NESTED = [{**row, "structure": DICTS[row["material_id"]]} for row in ROWS]


def is_rock_salt(records: list[Record]) -> None:
    """The four crystals with their moduli, in order."""
    assert [record.id for record in records] == list(MODULI)
    assert [record.target for record in records] == list(MODULI.values())
    assert [record.row for record in records] == [1, 2, 3, 4]
    assert [record.crystal.volume for record in records] == pytest.approx([a**3 for a in ROCK_SALT.values()])


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def message(path: Path, task: Task = BULK, **options: Any) -> str:
    """The one line that a table is refused with."""
    with pytest.raises(InputError) as error:
        read_table(path, task, **options)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith((str(path), "--"))
    return str(error.value).removeprefix(f"{path}: ")


def reasons(path: Path, task: Task = BULK, **options: Any) -> list[str]:
    """The rejected rows of a table, one line each, without the path."""
    table = read_table(path, task, max_rejected=1.0, **options)
    for rejection in table.rejected:
        assert "\n" not in str(rejection)
    return [str(rejection).removeprefix(f"{path} ") for rejection in table.rejected]


# -- the examples, and matminer's and CGCNN's own shapes ------------------------------------------------------


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
    is_rock_salt(table.records)
    assert table.structure_source == "column structure (also there: column poscar)"


def test_flla_holds_python_literals(tmp_path: Path) -> None:
    is_rock_salt(read_table(write_csv(tmp_path / "flla.csv", NESTED), BULK).records)
    assert "{'@module'" in (tmp_path / "flla.csv").read_text()


@pytest.mark.parametrize("given", ["folder", "file"])
def test_id_prop(tmp_path: Path, given: str) -> None:
    for name, cif in CIFS.items():
        (tmp_path / f"{name}.cif").write_text(cif)
    path = tmp_path / "id_prop.csv"
    path.write_text("".join(f"{name},{value}\n" for name, value in MODULI.items()) + "ghost,3.0\n")
    table = read_table(tmp_path if given == "folder" else path, BULK, max_rejected=0.2)
    is_rock_salt(table.records)
    assert table.source == path
    assert [str(rejection) for rejection in table.rejected] == [
        f"{path} row 5 (ghost), column id = 'ghost': "
        f"no structure file: ghost (.cif, .vasp, .json …) is not in {tmp_path}"
    ]


def test_id_prop_with_a_header_is_an_ordinary_table(tmp_path: Path) -> None:
    is_rock_salt(read_table(write_csv(tmp_path / "id_prop.csv", ROWS), BULK).records)


def _monty(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """As matminer's store_dataframe_as_json and matbench write it."""
    frame = pd.DataFrame(rows).set_index("material_id")
    return {
        "index": list(frame.index),
        "columns": list(frame.columns),
        "data": frame.values.tolist(),  # noqa: PD011
    }


def _frame_of_monty(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """As a newer monty writes a data frame."""
    frame = pd.DataFrame([{**row, "structure": json.dumps(row["structure"])} for row in rows])
    return {"@module": "pandas", "@class": "DataFrame", "data": frame.to_json()}


JSON_SHAPES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "records": lambda rows: rows,
    "split": lambda rows: json.loads(pd.DataFrame(rows).to_json(orient="split")),
    "table": lambda rows: json.loads(
        pd.DataFrame(rows).astype({"structure": object}).to_json(orient="table", index=False)
    ),
    "columns": lambda rows: json.loads(pd.DataFrame(rows).to_json(orient="columns")),
    "lists": lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
    "labelled-columns": lambda rows: json.loads(pd.DataFrame(rows).set_index("material_id").to_json()),
    "matbench": _monty,
    "monty": _frame_of_monty,
}


@pytest.mark.parametrize("shape", JSON_SHAPES)
def test_json_shapes(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(JSON_SHAPES[shape](NESTED)))
    is_rock_salt(read_table(path, BULK).records)


def _writers() -> dict[str, Callable[[Path], object]]:
    return {
        "data.csv": lambda path: FRAME.to_csv(path, index=False),
        "data.CSV": lambda path: FRAME.to_csv(path),
        "comments.csv": lambda path: path.write_text("# a\n\n# b\n" + FRAME.to_csv(index=False)),
        "semicolons.csv": lambda path: FRAME.to_csv(path, sep=";", index=False),
        "excel.csv": lambda path: FRAME.to_csv(path, encoding="utf-16", sep="\t", index=False),
        "bom.csv": lambda path: FRAME.to_csv(path, encoding="utf-8-sig", index=False),
        "labelled.csv": lambda path: path.write_text(FRAME.to_csv().removeprefix(",")),
        "commas.csv": lambda path: FRAME.assign(empty="").rename(columns={"empty": ""}).to_csv(path, index=False),
        "data.tsv": lambda path: FRAME.to_csv(path, sep="\t", index=False),
        "data.csv.gz": lambda path: FRAME.to_csv(path, index=False),
        "data.json.gz": lambda path: path.write_bytes(gzip.compress(json.dumps(NESTED).encode())),
        "data.jsonl": lambda path: path.write_text("\n".join(map(json.dumps, NESTED)) + "\n\n"),
        "data.parquet": lambda path: FRAME.to_parquet(path),
        "labelled.parquet": lambda path: FRAME.set_index("material_id").to_parquet(path),
    }


@pytest.mark.parametrize("name", _writers())
def test_formats(tmp_path: Path, name: str) -> None:
    _writers()[name](tmp_path / name)
    table = read_table(tmp_path / name, BULK)
    is_rock_salt(table.records)
    assert table.target_column == "K_VRH"
    assert table.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


# -- where crystals, identifiers and targets come from --------------------------------------------------------


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
    is_rock_salt(table.records)
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
    assert asked.structure_source == f"files of {folder} named by id (also there: column structure)"


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


def test_only_some_rows(tmp_path: Path) -> None:
    """Rows that are not asked for are not even reported; the others keep their numbers."""
    rows = [*ROWS, {"material_id": "broken", "structure": "broken", "K_VRH": None}]
    pd.DataFrame(rows).to_parquet(tmp_path / "data.parquet")
    write_csv(tmp_path / "data.csv", rows)
    for name in ("data.parquet", "data.csv"):
        table = read_table(tmp_path / name, BULK, only={"MgO", "KCl"}, max_rejected=0.0)
        assert [(record.id, record.row) for record in table.records] == [("KCl", 2), ("MgO", 3)]
        assert table.rejected == []
        assert message(tmp_path / name, only={"LiH"}) == "there is no row of those wanted"


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


# -- rows that cannot be used ---------------------------------------------------------------------------------

ALLOY = str(CifWriter(Structure(Lattice.cubic(3.75), [{"Cu": 0.75, "Au": 0.25}], [[0, 0, 0]])))
SALT = CIFS["NaCl"]
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
    is_rock_salt(table.records)
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


# -- tables that cannot be used -------------------------------------------------------------------------------

CONTENTS: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.csv", b"", "the file is empty"),
    "blank": ("a.csv", b"\n  \n", "the file is empty"),
    "comments": ("a.csv", b"# nothing\n# more\n", "there is nothing but comments"),
    "header": ("a.csv", b"structure,K_VRH\n", "there is no row"),
    "binary": (
        "a.csv",
        b"\x89PNG\0\0\1",
        "a binary file, not a table; zoo reads .csv, .tsv, .json, .jsonl and .parquet",
    ),
    "latin1": (
        "a.csv",
        "structure,K_VRH,author\n,1,Müller\n".encode("latin-1"),
        "not UTF-8 text (byte 0xfc); save it in UTF-8 encoding",
    ),
    "twice": ("a.csv", b"structure,K_VRH,K_VRH\n,1,2\n", "two columns are called 'K_VRH'; rename one"),
    "quotes": ("a.csv", b'"structure\n', "the header cannot be read: broken quoting: unexpected end of data"),
    "no crystal": (
        "a.csv",
        b"id,K_VRH\nx,1\n",
        "there are no crystals: no column structure, cif, poscar or file, nor the columns atomic_numbers, lattice, "
        "frac_coords; add one, or name a folder of structure files with --structures (columns: id, K_VRH)",
    ),
    "no target": (
        "a.csv",
        b"id,structure,B0\nx,,1\n",
        "no column for the task bulk-modulus: it takes K_VRH or bulk_modulus, or name the column with --target, in a "
        "recipe with column "
        "(columns: id, structure, B0)",
    ),
    "gzip": ("a.csv.gz", b"id,structure", "broken gzip file"),
    "half gzip": ("a.csv.gz", gzip.compress(b"id,structure,K_VRH\n" * 99)[:-20], "broken gzip file"),
    "excel": (
        "a.xlsx",
        b"PK\3\4",
        "not a table by its name; zoo reads .csv, .tsv, .json, .jsonl and .parquet, the text ones also as .gz",
    ),
    "no parquet": ("a.parquet", b"PAR1 but no more", "not a Parquet file, or a damaged one"),
    "empty parquet": ("a.parquet", b"", "the file is empty"),
    "broken json": ("a.json", b'[{"a": 1},\n]', "broken JSON at line 2: Expecting value"),
    "deep json": ("a.json", b"[" * 100_000, "broken JSON: nested too deeply"),
    "lines": (
        "a.json",
        b'{"a": 1}\n{"a": 2}',
        "broken JSON at line 2: Extra data; if each line is an object of its own, name it .jsonl",
    ),
    "number": (
        "a.json",
        b"3",
        "no table in a known shape; zoo reads a list of objects, pandas' orient='split', and an object of columns",
    ),
    "numbers": ("a.json", b"[1, 2]", "a list, but not of objects"),
    "structure": ("a.json", json.dumps(DICTS["NaCl"]).encode(), "one crystal structure, not a table"),
    "no jsonl": ("a.jsonl", b"hello\n", "none of the first lines is a JSON object"),
    "one column": ("id_prop.csv", b"a\nb\n", "there is no second column with the targets"),
}


@pytest.mark.parametrize("what", CONTENTS)
def test_bad_table(tmp_path: Path, what: str) -> None:
    name, content, reason = CONTENTS[what]
    (tmp_path / name).write_bytes(content)
    assert message(tmp_path / name) == reason


def test_missing_tables(tmp_path: Path) -> None:
    assert message(tmp_path / "none.csv") == "there is no such file"
    assert message(tmp_path).startswith("a folder without id_prop.csv is no table")
    path = write_csv(tmp_path / "data.csv", ROWS)
    assert message(path, target="K") == "there is no column 'K' (columns: material_id, structure, K_VRH)"
    assert message(path, structures=tmp_path / "no") == f"--structures {tmp_path / 'no'}: there is no such folder"
    write_csv(path, [{"K_VRH": 1}])
    assert message(path, structures=tmp_path).startswith("--structures needs a column of identifiers (id, material_id")


def test_many_columns_are_listed_in_part(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [{f"c{i}": i for i in range(50)}])
    assert message(path).endswith("c18, c19 and 30 more)")


def test_damaged_parquet_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pd.DataFrame(ROWS * 50).to_parquet(path, compression=None)
    data = bytearray(path.read_bytes())
    data[4:200] = b"\xff" * 196
    path.write_bytes(data)
    assert message(path).endswith("the file is damaged; 200 rows cannot be read")


# -- too many rejected rows -----------------------------------------------------------------------------------


def test_too_many_rejected(tmp_path: Path) -> None:
    bad = [{"material_id": f"b{i}", "structure": SALT, "K_VRH": [-1, None, 1e5][i % 3]} for i in range(4)]
    path, out = write_csv(tmp_path / "data.csv", [*ROWS, *bad]), tmp_path / "run.rejected.csv"
    assert len(read_table(path, BULK, max_rejected=0.5, rejected_out=out).rejected) == 4
    assert not out.exists()
    assert message(path, rejected_out=out) == (
        "4 of 8 rows cannot be used, more than the 0.1 of --max-rejected (2 × below the physical range of "
        f"bulk-modulus, 1 × no value); every row with its reason: {out}"
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
    with pytest.raises(InputError, match="--max-rejected 10 is no fraction"):
        read_table(path, BULK, max_rejected=10)


def test_reasons_are_counted_by_kind(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data.csv", [*ROWS, *ROWS, ROWS[0]])
    assert "(5 × duplicate id)" in message(path)


def test_check_rejected_again(tmp_path: Path) -> None:
    """Later stages add rejections of their own."""
    table = read_table(write_csv(tmp_path / "data.csv", ROWS), BULK)
    check_rejected(table.source, len(table.records), table.rejected, 0.0)
    last = table.records[-1]
    late = Rejection(last.file, last.row, last.id, "structure", "", "too few neighbours")
    table = replace(table, records=table.records[:-1], rejected=[late])
    assert str(late) == f"{tmp_path / 'data.csv'} row 4 (LiF), column structure: too few neighbours"
    with pytest.raises(InputError, match=r"1 of 4 rows cannot be used, .* \(1 × too few neighbours\)"):
        check_rejected(table.source, len(table.records), table.rejected, 0.1)


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


# -- inputs of a prediction -----------------------------------------------------------------------------------


def test_inputs_of_all_kinds(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.cif").write_text(CIFS["KCl"])
    (folder / "a.vasp").write_text(POSCARS["MgO"])
    (folder / "c.json").write_text(json.dumps(DICTS["LiF"]))
    (folder / "d.cif").write_text("broken")
    table = write_csv(tmp_path / "data.csv", [{"id": "t1", "structure": SALT}, {"id": "t2", "structure": "?"}])
    (tmp_path / "one.json").write_text(json.dumps(DICTS["NaCl"]))
    shutil.copy(DATA / "POSCAR_si", tmp_path / "CONTCAR")
    shutil.copy(DATA / "POSCAR_si", tmp_path / "silicon.txt")
    paths = [folder, table, tmp_path / "one.json", tmp_path / "CONTCAR", tmp_path / "silicon.txt", tmp_path / "x.y.cif"]
    (tmp_path / "x.y.cif").write_text(SALT)
    results = list(iter_inputs(paths))
    assert [r.id for r in results] == ["a", "b", "c", "d", "t1", "t2", "one", "CONTCAR", "silicon.txt", "x.y"]
    assert [r.crystal.chemsys for r in results if isinstance(r, Record)] == [
        *("Mg-O", "Cl-K", "F-Li", "Cl-Na", "Cl-Na", "Si", "Si", "Cl-Na")
    ]
    assert all(r.target is None for r in results if isinstance(r, Record))
    assert [str(r) for r in results if isinstance(r, Rejection)] == [
        f"{folder / 'd.cif'}: broken CIF: no line begins with data_",
        f"{table} row 2 (t2), column structure = '?': neither CIF nor POSCAR text, nor pymatgen's dictionary",
    ]
    assert count_inputs([path for path in paths if path.suffix != ".json"]) == 9
    assert count_inputs(paths) is None


def test_inputs_of_ids_with_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cifs").mkdir()
    (tmp_path / "cifs" / "s.cif").write_text(SALT)
    path = write_csv(tmp_path / "data.csv", [{"id": "s"}, {"id": "s"}, {"id": "lost"}])
    results = list(iter_inputs([path], structures=tmp_path / "cifs"))
    assert [type(result) for result in results] == [Record, Record, Rejection]


def test_lists_of_structures(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(list(DICTS.values())))
    results = list(iter_inputs([path]))
    assert [r.crystal.formula for r in results if isinstance(r, Record)] == ["Cl1 Na1", "Cl1 K1", "Mg1 O1", "F1 Li1"]


def test_unusable_inputs_raise_before_the_first_is_read(tmp_path: Path) -> None:
    good = write_csv(tmp_path / "data.csv", ROWS)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "folder").mkdir()
    write_csv(tmp_path / "ids.csv", [{"id": "x"}])
    for name, reason in {
        "none.cif": "there is no such file or folder",
        "folder": "no structure file in this folder (.cif, .vasp, POSCAR, .json …)",
        "notes.txt": "neither a table nor a structure file by its name (broken structure file: Unrecognized extension",
        "picture.png": "neither a table nor a structure file by its name (a binary file, not a structure)",
        "empty.csv": "the file is empty",
        "ids.csv": "there are no crystals: ",
    }.items():
        with pytest.raises(InputError) as error:
            iter_inputs([good, tmp_path / name])
        assert str(error.value).startswith(f"{tmp_path / name}: {reason}")
        assert "\n" not in str(error.value)


def test_inputs_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    """A table far longer than what is read: taking two rows leaves the rest unread."""
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "structure"])
        writer.writerows([i, SALT] for i in range(20_000))
    stream = iter_inputs([path])
    assert [next(stream).id, next(stream).id] == ["0", "1"]
    path.write_text("")  # nobody looks at it any more than buffers did
    assert sum(1 for _ in stream) < 200


def test_counts(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "data.parquet")
    paths = [EXAMPLES / "dielectric.csv", tmp_path / "data.parquet", DATA / "nacl.cif", DATA]
    assert count_inputs(paths) == 1056 + 4 + 1 + 2
    assert count_inputs([tmp_path / "none.csv"]) is None
