"""``zoo.read``: crystals of anything that ``zoo predict`` takes, as a DataFrame that everything else takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rocksalt import CIFS, MODULI, NESTED, ROWS, write_csv

import zoo
from zoo.data.tables.crystal_frame import read
from zoo.errors import InputError

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_a_table_keeps_its_columns_as_numbers(tmp_path: Path) -> None:
    rows = [{**row, "note": "", "spin": i if i else ""} for i, row in enumerate(ROWS)]
    frame = read(write_csv(tmp_path / "k.csv", rows))
    assert frame.index.tolist() == list(MODULI)
    assert frame.columns.tolist() == ["structure", "K_VRH", "note", "spin", "formula", "atoms"]
    assert frame.K_VRH.tolist() == list(MODULI.values())
    assert frame.spin.isna().tolist() == [True, False, False, False]
    assert isinstance(frame.structure["MgO"], zoo.Crystal)
    assert frame.loc["MgO", ["formula", "atoms"]].tolist() == ["Mg1 O1", 8]
    assert frame.attrs == {"skipped": []}


def test_own_columns_with_the_names_of_structures_are_kept(tmp_path: Path) -> None:
    rows = [{**row, "cif": "see the paper", "atoms": 2, "poscar": row["structure"]} for row in ROWS]
    frame = read(write_csv(tmp_path / "k.csv", rows))
    assert frame.columns.tolist() == ["structure", "K_VRH", "cif", "atoms", "formula"]
    assert frame.atoms.tolist() == [2] * 4
    renamed = [{**row, "structure": "rock salt", "crystal": row["structure"]} for row in ROWS]
    frame = read(write_csv(tmp_path / "s.csv", renamed), structure="crystal")
    assert frame.columns.tolist() == ["structure", "input_structure", "K_VRH", "formula", "atoms"]
    assert set(frame.input_structure) == {"rock salt"}
    assert isinstance(frame.structure["MgO"], zoo.Crystal)


def test_a_folder_and_a_file(tmp_path: Path) -> None:
    for name, text in CIFS.items():
        (tmp_path / f"{name}.cif").write_text(text)
    assert sorted(read(tmp_path).index) == sorted(CIFS)
    both = read([tmp_path / "NaCl.cif", str(tmp_path / "KCl.cif")])
    assert both.index.tolist() == ["NaCl", "KCl"]
    with pytest.raises(InputError, match="a DataFrame is not a path"):
        read(both)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="give the text of a structure to"):
        read(CIFS["NaCl"])
    with pytest.raises(InputError, match="there is no such file or folder"):
        read("x" * 300)
    with pytest.raises(InputError, match=r"path=\[None\]: must be text or a path or several of them"):
        read([None])  # type: ignore[list-item]
    assert read(str(tmp_path / "NaCl.cif")).formula.to_dict() == {"NaCl": "Cl1 Na1"}
    ids = write_csv(tmp_path / "ids.csv", [{"id": name, "y": 1} for name in CIFS])
    assert read(ids, structures=str(tmp_path)).structure["KCl"].chemsys == "Cl-K"


def test_crystals_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "k.csv", [*ROWS, {"material_id": "x", "structure": "?"}, {"material_id": "y"}])
    with pytest.raises(InputError, match=r"row 5 \(x\), .*\(2 of 6 crystals .*; on_error='skip' leaves"):
        read(path)
    with pytest.warns(UserWarning, match=r"^2 of 6 crystals skipped: .*row 5 \(x\).*row 6 \(y\)"):
        frame = read(path, on_error="skip")
    assert len(frame) == 4
    assert len(frame.attrs["skipped"]) == 2
    none = write_csv(tmp_path / "none.csv", [{"material_id": "x", "structure": "?"}])
    with (
        pytest.warns(UserWarning, match="1 of 1 crystal skipped"),
        pytest.raises(InputError, match="there is no crystal that can be used; "),
    ):
        read(none, on_error="skip")
    with pytest.raises(InputError, match="on_error='maybe'"):
        read(path, on_error="maybe")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"gone\.csv: there is no such file or folder"):
        read(tmp_path / "gone.csv")


def test_texts_of_digits_that_are_no_numbers_stay_texts(tmp_path: Path) -> None:
    cells = {"lab": ["001", "002", "010", "100"], "code": ["1", "2", "9007199254740993", "4"]}
    cells |= {"gap": ["1.50", "0.5", "", "-0.25"], "n": ["1", "2", "0", "4"]}
    rows = [{**row, **{name: each[k] for name, each in cells.items()}} for k, row in enumerate(ROWS)]
    frame = read(write_csv(tmp_path / "k.csv", rows))
    assert frame.lab.tolist() == cells["lab"]
    assert frame.code.tolist() == cells["code"]
    assert frame.gap.dropna().tolist() == [1.5, 0.5, -0.25]
    assert frame.n.tolist() == [1, 2, 0, 4]


def test_the_frame_is_a_table_again(tmp_path: Path) -> None:
    """What is read goes back in: to prediction with its identifiers, and to a table for fine-tuning."""
    import json

    from zoo.data.tables.table import read_table
    from zoo.registry.plugins import task

    (tmp_path / "docs.json").write_text(json.dumps(NESTED))
    frame = read(tmp_path / "docs.json")
    predicted = zoo.load("dEf-10k").predict(frame.structure)
    assert predicted.id.tolist() == list(MODULI)
    table = read_table(frame, task("bulk-modulus"))
    assert [record.id for record in table.records] == list(MODULI)
    assert [record.target for record in table.records] == list(MODULI.values())


def test_the_bundled_example() -> None:
    frame = read(EXAMPLES / "bulk_modulus.csv")
    assert len(frame) > 1000
    assert frame.index.is_unique
    assert frame.K_VRH.between(0.1, 1000).all()
