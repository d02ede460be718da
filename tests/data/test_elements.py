"""The atom table."""

from __future__ import annotations

import numpy as np
from pymatgen.core import Element

from zoo.data.crystal import SYMBOLS
from zoo.data.elements import atom_table, properties, table_digest


def test_properties_are_those_of_the_periodic_table() -> None:
    for row in properties():
        element = Element(row["symbol"])
        assert int(row["number"]) == element.Z
        assert int(row["group"]) == element.group
        assert int(row["period"]) == element.row
        assert SYMBOLS[element.Z] == row["symbol"]
    fluorine = properties()[8]
    assert float(fluorine["electronegativity"]) == 3.98  # Pauling's scale has it as the largest
    assert float(fluorine["ionization_energy"]) == 17.423  # NIST: 17.42282 eV


def test_every_element_has_its_own_vector() -> None:
    table = atom_table()
    assert table.shape == (119, 111)
    assert table[0].sum() == 0
    assert len(np.unique(table[1:], axis=0)) == 118
    assert set(np.unique(table)) == {0, 1}


def test_one_bin_a_property() -> None:
    iron = atom_table()[26]
    parts = np.split(iron, [18, 25, 29, 61, 71, 81, 91, 101])
    assert [part.sum() for part in parts] == [1] * 9
    assert parts[0].argmax() == 8 - 1  # group 8
    assert parts[1].argmax() == 4 - 1  # period 4
    assert parts[3].argmax() == 8 - 1  # 3d6 4s2 outside the argon core


def test_digest_ignores_the_number_type_and_sees_the_values() -> None:
    table = atom_table()
    changed = table.copy()
    changed[26, 0] = 1
    assert table_digest(table) == table_digest(table.astype(np.float32))
    assert table_digest(table) != table_digest(changed)
    assert table_digest(table) != table_digest(table.reshape(111, 119))
