"""Tables in every format give the same records: where crystals, identifiers and targets come from."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from support.rocksalt import (
    BULK,
    CIFS,
    FRAME,
    MODULI,
    NESTED,
    POSCARS,
    ROWS,
    STRUCTURES,
    assert_rock_salt,
    message,
    reasons,
    write_csv,
)

from zoo.data.tables.table import read_table
from zoo.registry.contracts import Requirement, Task

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[3] / "examples"
DIELECTRIC = Task("dielectric", "eps_total", "", transform="log10", valid=(1, 1000), aliases=("poly_total",))
GAP = Task("gap", "gap", "eV", valid=(0, 20), requires=Requirement("band_gap", 0, "a metal (band_gap = 0)"))


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
    assert_rock_salt(table.records)
    assert table.structure_source == "column structure (also there: column poscar)"


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


def test_id_prop_with_a_header_is_an_ordinary_table(tmp_path: Path) -> None:
    assert_rock_salt(read_table(write_csv(tmp_path / "id_prop.csv", ROWS), BULK).records)


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
    assert_rock_salt(read_table(path, BULK).records)


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
    assert_rock_salt(table.records)
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


def test_some_rows_by_identifiers_with_blanks_and_by_number(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "material_id": " padded "}, {**ROWS[1], "material_id": None}, ROWS[2]]
    pd.DataFrame(rows).to_parquet(tmp_path / "data.parquet")
    write_csv(tmp_path / "data.csv", rows)
    for name in ("data.parquet", "data.csv"):
        table = read_table(tmp_path / name, BULK, only={"padded", "2"}, max_rejected=0.0)
        assert [(record.id, record.row) for record in table.records] == [("padded", 1), ("2", 2)]


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
