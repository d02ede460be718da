"""Distances and volumes that no crystal has, against all images one by one."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from zoo.data.crystal import SYMBOLS, Crystal
from zoo.data.structures.plausibility import check_plausible, nearest_pair
from zoo.errors import InputError
from zoo.testing import crystals

RADII = {"H": 0.31, "C": 0.73, "Na": 1.66, "Cs": 2.44}


def least(crystal: Crystal) -> float | None:
    """The shortest distance that is too short, by brute force over 7 × 7 × 7 cells."""
    cells = np.array(list(itertools.product(range(-3, 4), repeat=3)))
    found = []
    for i, j in itertools.combinations_with_replacement(range(len(crystal)), 2):
        distances = np.linalg.norm((crystal.frac[j] - crystal.frac[i] + cells) @ crystal.lattice, axis=1)
        if i == j:
            distances = distances[(cells != 0).any(axis=1)]
        radii = [RADII[SYMBOLS[crystal.numbers[k]]] for k in (i, j)]
        if distances.min() < max(0.5, 0.4 * sum(radii)):
            found.append(float(distances.min()))
    return min(found, default=None)


def test_pairs_are_those_of_all_images() -> None:
    random = np.random.default_rng(5)
    numbers = [SYMBOLS.index(symbol) for symbol in RADII]
    outcomes = set()
    for trial in range(300):
        count = int(random.integers(1, 60 if trial % 10 == 0 else 12))
        lattice = np.diag(random.uniform(2.0, 12.0, 3)) + random.uniform(-1, 1, (3, 3))
        crystal = Crystal(random.choice(numbers, count), lattice, random.uniform(-1, 2, (count, 3)))
        pair, expected = nearest_pair(crystal), least(crystal)
        outcomes.add(pair is None)
        if expected is None:
            assert pair is None
        else:
            assert pair is not None
            if pair[0] != pair[1]:
                assert pair[2] == pytest.approx(expected)
    assert outcomes == {True, False}


def test_real_crystals_are_plausible() -> None:
    for structure in crystals().values():
        if structure.is_ordered:
            check_plausible(Crystal.from_structure(structure))


@pytest.mark.parametrize(
    ("edge", "words"), [(0.564, "is the cell in nm"), (564.0, "is the cell in pm"), (1.0, "less than any crystal")]
)
def test_units_are_guessed(edge: float, words: str) -> None:
    salt = Crystal(np.array([11, 17]), np.eye(3) * edge, np.array([[0, 0, 0], [0.5, 0.5, 0.5]]))
    with pytest.raises(InputError, match=words):
        check_plausible(salt)


def test_a_sheared_cell_is_judged_by_its_lattice() -> None:
    """A cell with vectors a thousand times longer than need be is the same crystal."""
    lattice = np.eye(3) * 5.64
    sheared = np.array([[1, 0, 0], [1000, 1, 0], [77, -400, 1]]) @ lattice
    cartesian = np.array([[0, 0, 0], [0.5, 0.5, 0.5]]) @ lattice
    assert nearest_pair(Crystal(np.array([11, 17]), sheared, cartesian @ np.linalg.inv(sheared))) is None


def test_atoms_in_a_heap_take_little_memory() -> None:
    code = """
import numpy as np, resource
from zoo.data.crystal import Crystal
from zoo.data.structures.plausibility import nearest_pair
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
frac = 0.5 + np.random.default_rng(0).uniform(-1e-3, 1e-3, (3000, 3))
assert nearest_pair(Crystal(np.full(3000, 6), np.eye(3) * 60.0, frac)) is not None
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 500
