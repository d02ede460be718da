"""What a file states is compared with what was read."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.crystal import Crystal
from zoo.data.structures.species import parse_formula
from zoo.data.structures.statements import Statements
from zoo.errors import InputError

WATER = Crystal(np.array([8, 1, 1]), np.eye(3) * 3.1, np.array([[0, 0, 0], [0.3, 0, 0], [0, 0.3, 0]]))


@pytest.mark.parametrize(("formula", "units"), [("H2 O", 1), ("H4 O2", 0.5), ("H4 O2", 1), ("D2 O", None)])
def test_agreement(formula: str, units: float | None) -> None:
    Statements(parse_formula(formula), formula, units, volume=29.8, density=1.0).check(WATER)


@pytest.mark.parametrize(
    ("formula", "units", "volume", "density", "words"),
    [
        ("H4 O", None, None, None, "hydrogen atoms are missing"),
        ("H O", None, None, None, "the formula in the file is H O, but the sites give H2 O1"),
        ("H2 O S", None, None, None, "has S, but no site holds it"),
        ("O", None, None, None, "the sites hold H"),
        ("H2 O", 4, None, None, "Z = 4"),
        (None, None, 60.0, None, "60 Å³"),
        (None, None, None, 5.0, "5 g/cm³"),
    ],
)
def test_disagreement(
    formula: str | None, units: float | None, volume: float | None, density: float | None, words: str
) -> None:
    stated = Statements(parse_formula(formula) if formula else None, formula or "", units, volume, density)
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        stated.check(WATER)
