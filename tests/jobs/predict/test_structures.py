"""Structures given in Python become crystals; what cannot is named by its position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.data.crystal import Crystal
from zoo.errors import InputError
from zoo.jobs.predict.structures import as_crystals, require_all
from zoo.testing import sample_crystals as samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymatgen.core import Structure

SILICON = samples.crystals()["Si"]


@pytest.mark.parametrize("given", [lambda one: one, lambda one: [one], lambda one: (one,), lambda one: iter([one])])
def test_one_structure_or_any_iterable_of_them(given: Callable[[Structure], object]) -> None:
    (crystal,) = as_crystals(given(SILICON))
    assert crystal.formula == "Si1"
    np.testing.assert_allclose(crystal.lattice, SILICON.lattice.matrix)


def test_crystals_pass_through_in_their_order() -> None:
    salt = Crystal.from_structure(samples.crystals()["NaCl"])
    mixed = as_crystals([salt, SILICON])
    assert mixed[0] is salt
    assert [each.formula for each in mixed] == ["Cl1 Na1", "Si1"]
    assert as_crystals(salt) == [salt]
    assert as_crystals([]) == []


@pytest.mark.parametrize(("given", "kind"), [("Si.cif", "str"), (b"Si", "bytes"), (7, "int"), (None, "NoneType")])
def test_what_is_no_structure_is_refused_by_its_type(given: object, kind: str) -> None:
    with pytest.raises(InputError, match=f"^a {kind} is not a crystal; give pymatgen Structures"):
        as_crystals(given)
    if given is not None:
        with pytest.raises(InputError, match=f"^structure 1 is a {kind}; give pymatgen Structures"):
            as_crystals([SILICON, given])


def test_a_disordered_structure_is_named_by_its_position() -> None:
    alloy = SILICON.copy()
    alloy[0] = {"Si": 0.5, "Ge": 0.5}
    with pytest.raises(InputError, match=r"^structure 1: partial occupancy"):
        as_crystals([SILICON, alloy])


def test_the_first_reason_is_raised() -> None:
    assert require_all([3, 4]) == [3, 4]
    with pytest.raises(InputError, match=r"^structure 1: no features$"):
        require_all([3, InputError("no features"), InputError("too small")])
