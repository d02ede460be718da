"""Columns by their names."""

import pandas as pd
import pytest
from support.rocksalt import BULK, FRAME

from zoo.data.tables.columns.names import ID_COLUMNS, find, listed
from zoo.data.tables.table import Table, read_table
from zoo.errors import InputError
from zoo.registry.contracts import Task


def test_names_are_matched_exactly_first() -> None:
    assert find(["ID", "id"], ID_COLUMNS) == "id"
    assert find(["Material_ID"], ID_COLUMNS) == "Material_ID"
    assert find(["K"], ID_COLUMNS) == ""


def test_of_many_columns_the_first_are_listed() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([f"c{i}" for i in range(50)]).endswith("c18, c19 and 30 more")


@pytest.mark.parametrize("name", ["K_VRH (kbar)", "K [MPa]", "K_kbar", "bulk modulus kbar", "K(eV / atom)"])
def test_a_column_in_another_unit_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"judging by its name, and .* in GPa: convert the values"):
        read_table(_called(name), BULK, target=name)
    in_memory = Table.of(read_table(FRAME, BULK).records, name)
    with pytest.raises(InputError, match=r"judging by its name, and .* in GPa: convert the values"):
        read_table(in_memory, BULK)


@pytest.mark.parametrize("name", ["K_VRH (GPa)", "K [ GPa ]", "K (Hill)", "K_bar", "K (300 K)", "K_VRH"])
def test_a_column_in_the_unit_of_the_task(name: str) -> None:
    assert len(read_table(_called(name), BULK, target=name).records) == len(FRAME)


def test_units_of_energies() -> None:
    task = Task("e_form", "e_form", "eV/atom")
    assert read_table(_called("E (eV per atom)"), task, target="E (eV per atom)").records
    with pytest.raises(InputError, match=r"'E \(eV/f.u.\)' is in eV/f.u., judging by its name, and e_form in eV/atom"):
        read_table(_called("E (eV/f.u.)"), task, target="E (eV/f.u.)")


def _called(name: str) -> pd.DataFrame:
    return FRAME.rename(columns={"K_VRH": name})
