"""pymatgen's dictionary as text in every form that numpy and pandas write, and with statements that disagree."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from zoo.data.structures.dictionary import parse_dictionary, read_literal
from zoo.errors import InputError

DICT: dict[str, Any] = Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]).as_dict()


@pytest.mark.parametrize(
    "written",
    ["np.float64(0.5)", "nan", "-inf", "array([0.5, 1.0])", "np.True_", "numpy.int64(3)", "None", "(1, 2)", "-0.5"],
)
def test_properties_in_numpys_forms(written: str) -> None:
    text = repr(DICT).replace("'properties': {}, 'label': 'Mg'", f"'properties': {{'m': {written}}}, 'label': 'Mg'")
    assert written in text
    assert parse_dictionary(read_literal(text)).formula == "Mg1 O1"
    assert parse_dictionary(read_literal(json.dumps(DICT).replace("{}", "NaN", 1))).formula == "Mg1 O1"


@pytest.mark.parametrize("text", ["__import__('os').getcwd()", "[x for x in (1,)]", "open('x')", "lambda: 1", "1 +"])
def test_nothing_is_evaluated(text: str) -> None:
    with pytest.raises(InputError, match="broken JSON"):
        read_literal(text)


def changed(**changes: Any) -> dict[str, Any]:
    other = copy.deepcopy(DICT)
    for path, value in changes.items():
        *keys, last = path.split("__")
        at: Any = other
        for key in keys:
            at = at[int(key) if key.isdigit() else key]
        at[int(last) if last.isdigit() else last] = value
    return other


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (changed(lattice__a=5.2), "a = 5.2"),
        (changed(lattice__volume=100.0), "100 Å³"),
        (changed(sites__1__xyz=[1.0, 2.1, 2.1]), "site 2 has fractional and Cartesian"),
        (changed(lattice__pbc=[True, True, False]), "not periodic"),
        (changed(sites__0__species=[{"element": "Mg", "occu": 0.5}, {"element": "Ca", "occu": 0.5}]), "partial occ"),
        (changed(sites__0__abc=[0, 0]), "abc has 2 numbers"),
        (changed(sites__0__abc=[0, 0, float("nan")]), "not a finite number"),
        (changed(sites__0=3), "a site is not a dictionary"),
    ],
)
def test_refusals(value: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_dictionary(value)
