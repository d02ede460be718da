"""The tables and folders of ``tests/data/cases``."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zoo.data.tables.inputs import iter_records, skipped_files
from zoo.data.tables.records import Record, Rejection
from zoo.data.tables.table import read_table
from zoo.errors import InputError
from zoo.registry.plugins import task
from zoo.testing import crystals

CASES = Path(__file__).parents[1] / "cases"
TASK = task("bulk-modulus")


def test_dictionary_written_under_numpy_2() -> None:
    records = list(iter_records([CASES / "asdict-numpy" / "np_float64.csv"]))
    assert len(records) > 0
    assert all(isinstance(each, Record) for each in records)


def test_identifiers_tell_inputs_apart() -> None:
    folder = CASES / "ids-repeat"
    named = [each.id for each in iter_records([folder / "mp-1" / "POSCAR", folder / "mp-2" / "POSCAR"])]
    assert named == ["mp-1/POSCAR", "mp-2/POSCAR"]
    assert [each.id for each in iter_records([folder / "dup"])] == ["x.cif", "x.mcif", "x.vasp"]


def test_id_prop_with_a_header_is_read() -> None:
    table = read_table(CASES / "id-prop-header" / "idp_header", TASK)
    assert table.target_column == "K_VRH"
    assert len(table.records) == len(list((CASES / "id-prop-header" / "idp_header").glob("*.cif")))


@pytest.mark.parametrize("name", ["idp_unit", "idp_multispace"])
def test_id_prop_with_more_than_a_number_says_so(name: str) -> None:
    with pytest.raises(InputError, match="not a number"):
        read_table(CASES / "id-prop-header" / name, TASK)


def test_logarithms_are_noticed_by_their_name() -> None:
    with pytest.raises(InputError, match=r"'log10\(K_VRH\)' holds logarithms, judging by its name.*GPa"):
        read_table(CASES / "log10-column" / "log10.csv", TASK, target="log10(K_VRH)")


def test_logarithms_are_noticed_by_their_range(tmp_path: Path) -> None:
    text = (CASES / "log10-column" / "log10.csv").read_text().replace("log10(K_VRH)", "K_VRH", 1)
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(InputError, match="holds logarithms, judging by its range"):
        read_table(tmp_path / "table.csv", TASK)


def test_skipped_files_are_named(tmp_path: Path) -> None:
    for name in ("a.cif", "notes.md", "run.log", ".hidden"):
        (tmp_path / name).write_text("")
    assert skipped_files([tmp_path, tmp_path / "a.cif"]) == {tmp_path: ["notes.md", "run.log"]}


def test_parquet_text_that_is_not_utf8_rejects_its_row(tmp_path: Path) -> None:
    good = next(iter(crystals().values())).to(fmt="cif").encode()
    binary = pa.array([good, b"data_\xff\xfe", good], pa.binary())
    text = pa.StringArray.from_buffers(3, binary.buffers()[1], binary.buffers()[2])
    pq.write_table(pa.table({"id": ["a", "b", "c"], "structure": text}), tmp_path / "t.parquet")
    first, second, third = iter_records([tmp_path / "t.parquet"])
    assert isinstance(first, Record)
    assert isinstance(third, Record)
    assert isinstance(second, Rejection)
    assert "not UTF-8" in second.reason
