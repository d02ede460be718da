"""A crystal as arrays: known volumes and formulas, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from zoo.data.crystal import MAX_ATOMIC_NUMBER, SYMBOLS, Crystal
from zoo.errors import InputError

RUTILE = Structure.from_spacegroup(
    "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.3053, 0.3053, 0]]
)


def crystal(**changes: object) -> Crystal:
    arrays = {"numbers": [11, 17], "lattice": np.eye(3) * 4, "frac": [[0, 0, 0], [0.5, 0.5, 0.5]], **changes}
    return Crystal(**{name: np.asarray(array) for name, array in arrays.items()})


def test_symbols_agree_with_pymatgen() -> None:
    from pymatgen.core import Element

    assert len(SYMBOLS) == MAX_ATOMIC_NUMBER + 1
    assert [Element.from_Z(z).symbol for z in range(1, MAX_ATOMIC_NUMBER + 1)] == list(SYMBOLS[1:])


def test_rutile() -> None:
    rutile = Crystal.from_structure(RUTILE)
    assert len(rutile) == 6
    assert rutile.formula == "O2 Ti1"
    assert repr(rutile) == "<Crystal O2 Ti1, 6 atoms>"
    assert rutile.elements == ("O", "Ti")
    assert rutile.chemsys == "O-Ti"
    assert rutile.volume == pytest.approx(4.594**2 * 2.959, rel=1e-12)
    assert rutile.numbers.dtype == np.uint8
    assert rutile.lattice.dtype == rutile.frac.dtype == np.float64


def test_chemsys_is_alphabetical() -> None:
    assert crystal(numbers=[56, 8]).chemsys == "Ba-O"
    assert crystal(numbers=[30, 16]).chemsys == "S-Zn"


def test_formula_is_reduced_by_the_greatest_divisor() -> None:
    frac = np.linspace(0, 0.9, 30).reshape(10, 3)
    assert crystal(numbers=[13] * 4 + [8] * 6, frac=frac).formula == "Al2 O3"


def test_round_trip_through_pymatgen() -> None:
    back = Crystal.from_structure(Crystal.from_structure(RUTILE).to_structure())
    np.testing.assert_array_equal(back.numbers, [site.specie.Z for site in RUTILE])
    np.testing.assert_allclose(back.lattice, RUTILE.lattice.matrix, rtol=0, atol=0)
    np.testing.assert_allclose(back.frac, RUTILE.frac_coords, rtol=0, atol=0)


def test_digest_tells_crystals_apart() -> None:
    same = {crystal().digest, crystal().digest}
    others = {
        crystal(numbers=[11, 35]).digest,
        crystal(lattice=np.eye(3) * 4.0001).digest,
        crystal(frac=[[0, 0, 0], [0.5, 0.5, 0.5001]]).digest,
    }
    assert len(same) == 1
    assert len(others | same) == 4


def test_oxidation_states_do_not_matter() -> None:
    decorated = RUTILE.copy()
    decorated.add_oxidation_state_by_element({"Ti": 4, "O": -2})
    assert Crystal.from_structure(decorated).digest == Crystal.from_structure(RUTILE).digest


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"numbers": [], "frac": np.empty((0, 3))}, "the structure has no atoms"),
        ({"numbers": [0, 17]}, "unknown element: atomic number 0"),
        ({"numbers": [11, 119]}, "unknown element: atomic number 119"),
        ({"frac": [[0, 0, 0], [np.nan, 0, 0]]}, "the lattice or a coordinate is not a finite number"),
        ({"lattice": np.diag([4, 4, np.inf])}, "the lattice or a coordinate is not a finite number"),
        ({"lattice": np.diag([4, 4, 0])}, "the cell has no volume"),
        ({"lattice": np.diag([4, 4, 1e200])}, r"a cell vector of 1e\+200 Å; at most 1e\+06 Å"),
        ({"lattice": np.diag([-2e6, 4, 4])}, r"a cell vector of 2e\+06 Å"),
        ({"frac": [[0, 0, 0], [-1e30, 0, 0]]}, r"a fractional coordinate of 1e\+30; at most 1e\+06"),
        ({"lattice": np.eye(3) * 1e-3}, "the cell has no volume"),
        ({"frac": [[0, 0, 0]]}, "shapes do not fit together"),
        ({"lattice": np.eye(2)}, "shapes do not fit together"),
    ],
)
def test_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        crystal(**changes)


def test_partial_occupancy_is_refused() -> None:
    alloy = Structure(Lattice.cubic(3.75), [{"Cu": 0.75, "Au": 0.25}], [[0, 0, 0]])
    with pytest.raises(InputError, match=r"partial occupancy \(Cu:0.75, Au:0.25\)"):
        Crystal.from_structure(alloy)
