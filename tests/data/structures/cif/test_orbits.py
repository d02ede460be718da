"""The atoms of a cell from its asymmetric unit: multiplicities and coordinates of the International Tables."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from zoo.data.structures.cif.orbits import MAX_IMAGES, expand
from zoo.data.structures.cif.symmetry import Operations, identity, operations_of
from zoo.errors import InputError


def operations(name: str) -> Operations:
    group = gemmi.find_spacegroup_by_name(name)
    assert group is not None
    return operations_of(group)


def cell(a: float, b: float, c: float, gamma: float = 90.0) -> np.ndarray:
    return np.array([[a, 0, 0], [b * np.cos(np.radians(gamma)), b * np.sin(np.radians(gamma)), 0], [0, 0, c]])


TOLERANCE = 0.01  # in Å

KNOWN = {  # Wyckoff positions of crystals: group, cell, site → atoms in the cell
    "silicon, 8a": ("F d -3 m :2", cell(5.431, 5.431, 5.431), (0.125, 0.125, 0.125), 8),
    "rock salt, 4b": ("F m -3 m", cell(5.64, 5.64, 5.64), (0.5, 0.5, 0.5), 4),
    "rutile, 2a": ("P 42/m n m", cell(4.594, 4.594, 2.959), (0, 0, 0), 2),
    "rutile, 4f": ("P 42/m n m", cell(4.594, 4.594, 2.959), (0.305, 0.305, 0), 4),
    "corundum, 12c": ("R -3 c :H", cell(4.759, 4.759, 12.991, 120), (0, 0, 0.3522), 12),
    "corundum, 18e": ("R -3 c :H", cell(4.759, 4.759, 12.991, 120), (0.3064, 0, 0.25), 18),
    "general": ("P -1", cell(5, 6, 7), (0.11, 0.23, 0.37), 2),
}


@pytest.mark.parametrize(("group", "lattice", "site", "count"), KNOWN.values(), ids=KNOWN)
def test_multiplicities(group: str, lattice: np.ndarray, site: tuple[float, ...], count: int) -> None:
    frac, owners = expand(np.array([site]), np.array([TOLERANCE]), operations(group), lattice)
    assert frac.shape == (count, 3)
    assert owners.tolist() == [0] * count
    assert ((frac >= 0) & (frac < 1)).all()


def test_the_atoms_of_silicon() -> None:
    frac, _ = expand(
        np.full((1, 3), 0.125), np.array([TOLERANCE]), operations("F d -3 m :2"), cell(5.431, 5.431, 5.431)
    )
    centring = np.array([[0, 0, 0], [0, 4, 4], [4, 0, 4], [4, 4, 0]])
    diamond = np.concatenate([centring + np.array([1, 1, 1]), centring + np.array([7, 3, 3])]) % 8
    assert sorted(np.rint(frac * 8).astype(int).tolist()) == sorted(diamond.tolist())


def test_rounded_thirds_are_moved_to_the_special_position() -> None:
    magnesium = cell(3.209, 3.209, 5.211, 120)
    frac, owners = expand(np.array([[0.333, 0.667, 0.25]]), np.array([0.01]), operations("P 63/m m c"), magnesium)
    np.testing.assert_allclose(frac[np.argsort(frac[:, 2])], [[1 / 3, 2 / 3, 1 / 4], [2 / 3, 1 / 3, 3 / 4]], atol=1e-12)
    assert owners.tolist() == [0, 0]


def test_without_symmetry_coordinates_are_wrapped_into_the_cell() -> None:
    frac, owners = expand(np.array([[-0.25, 1.5, -1e-17], [0, 0, 1]]), np.full(2, 0.01), identity(), np.eye(3) * 4)
    assert frac.tolist() == [[0.75, 0.5, 0.0], [0.0, 0.0, 0.0]]
    assert owners.tolist() == [0, 1]


def test_atoms_belong_to_their_sites() -> None:
    sites = np.array([[0, 0, 0], [0.305, 0.305, 0]])
    _, owners = expand(sites, np.full(2, 0.01), operations("P 42/m n m"), cell(4.594, 4.594, 2.959))
    assert owners.tolist() == [0] * 2 + [1] * 4


def test_what_cannot_be_decided_or_held_is_refused() -> None:
    cubic = operations("F m -3 m")
    too_many = MAX_IMAGES // len(cubic) + 1
    with pytest.raises(InputError, match="under 192 symmetry operations generate too many atoms"):
        expand(np.zeros((too_many, 3)), np.full(too_many, 0.01), cubic, np.eye(3) * 4)
    with pytest.raises(InputError, match="too close to its symmetry images"):
        # near two mirrors, within the tolerance of either image but not of the one by both
        expand(np.array([[0.3, 0.002, 0.002]]), np.array([0.018]), operations("P m m m"), np.eye(3) * 4)
