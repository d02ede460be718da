"""Space groups and orbits of the compiled search against spglib's own analysis, on real and distorted crystals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo._utils import compiled
from zoo.data.crystal import Crystal
from zoo.data.symmetry import find_symmetries
from zoo.data.tables.table import read_table
from zoo.registry import plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.skipif(compiled.symmetry is None, reason="zoo was installed without a C compiler")


@pytest.fixture(scope="module")
def relaxed() -> list[Crystal]:
    table = read_table(EXAMPLES / "bulk_modulus.csv", plugins.task("bulk-modulus"))
    return [record.crystal for record in table.records[::8]]


def described(crystals: Sequence[Crystal]) -> list[tuple[object, ...]]:
    """Return the number of each space group, and the shares of its orbits."""
    return [
        (found.number, *(np.sort(found.orbit_sizes) / found.orbit_sizes.sum()).round(12)) if found else ()
        for found in find_symmetries(crystals)
    ]


def distorted(crystal: Crystal, scale: float, rng: np.random.Generator) -> Crystal:
    """Move all atoms, and strain the cell, by about `scale` (Å)."""
    moved = crystal.frac + rng.normal(scale=scale, size=crystal.frac.shape) @ np.linalg.inv(crystal.lattice)
    return Crystal(crystal.numbers, crystal.lattice + rng.normal(scale=scale, size=(3, 3)), moved)


@pytest.mark.parametrize("scale", [0.0, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1])
def test_it_finds_what_spglib_finds(relaxed: list[Crystal], scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Around the tolerance, most crystals are left to spglib; none is decided otherwise."""
    rng = np.random.default_rng(7)
    crystals = [distorted(crystal, scale, rng) for crystal in (relaxed if scale == 0 else relaxed[::3])]
    fast = described(crystals)
    monkeypatch.setattr(compiled, "symmetry", None)
    assert fast == described(crystals)


def test_arrays_that_do_not_fit_are_refused() -> None:
    """Compiled loops trust their indices, so those are checked before."""
    assert compiled.symmetry is not None
    right = [np.ones(2, dtype=np.uint8), np.array([[0.0] * 3, [0.5] * 3]), 4 * np.eye(3)[None], np.array([0, 2])]
    right += [0.002, 0.05, 0.02, 0.1, np.empty((1, 48, 3, 3), dtype=np.intc), np.empty((1, 48, 3)), np.empty((1, 3, 3))]
    right += [np.empty(2, dtype=np.intc), np.empty(1, dtype=np.intc)]
    compiled.symmetry.operations(*right)
    assert right[-1] == [48]
    for place, wrong in (
        (1, np.array([[0.0] * 3, [np.nan] * 3])),
        (2, np.full((1, 3, 3), np.inf)),
        (3, np.array([0, 3])),
        (3, np.array([0])),
        (8, np.empty((1, 47, 3, 3), dtype=np.intc)),
        (11, np.empty(1, dtype=np.intc)),
        (12, np.empty(2, dtype=np.intc)),
    ):
        arguments = [*right]
        arguments[place] = wrong
        with pytest.raises(ValueError, match="do not fit"):
            compiled.symmetry.operations(*arguments)
