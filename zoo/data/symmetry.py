"""Space groups, point groups and orbits of atoms, determined with spglib.

spglib (A. Togo et al., Sci. Technol. Adv. Mater. Methods 4, 2384822 (2024)) takes milliseconds for a cell of ten atoms,
mostly to refine the cell, which is not needed here. If the result does not depend on the tolerance, the operations are
found by :mod:`zoo.data.kernels.symmetry`, and spglib only identifies their space group. All other crystals, or all if
the kernel is not compiled, are passed to spglib's full analysis. Tests confirm on real crystals that both agree.
"""

from __future__ import annotations

import os
import warnings
from bisect import bisect_left
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zoo._utils import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from zoo.data.crystal import Crystal

TOLERANCE = 0.01
"""Distance tolerance in Å for symmetric atoms, the default of pymatgen and matminer."""

ANGLE_TOLERANCE = 5.0
"""Tolerance of lattice angles in degrees, the default of pymatgen."""

# Operations that deviate by less than the first value are symmetries, and those that deviate by more than the second
# are not; in between, the result depends on the tolerance.
_CLEAR_DISTANCES = (0.2 * TOLERANCE, 5 * TOLERANCE)
_CLEAR_ANGLES = (0.2 * ANGLE_TOLERANCE, 1.2 * ANGLE_TOLERANCE)
_OPERATIONS = 48
_STEPS = 2520  # translations are rounded to multiples of 1/2520, which contain the half, third, quarter and sixth
_SHIFT_TOLERANCE = 0.01  # of translations, in a lattice whose vectors have a length of about 1
_CRYSTALS_PER_CHUNK = 256

# The 32 crystal classes in the order of the space groups: last space group, order of the point group, and whether it
# contains the inversion (International Tables for Crystallography, vol. A).
_CLASSES = (
    (1, 1, False), (2, 2, True), (5, 2, False), (9, 2, False), (15, 4, True), (24, 4, False), (46, 4, False),
    (74, 8, True), (80, 4, False), (82, 4, False), (88, 8, True), (98, 8, False), (110, 8, False), (122, 8, False),
    (142, 16, True), (146, 3, False), (148, 6, True), (155, 6, False), (161, 6, False), (167, 12, True),
    (173, 6, False), (174, 6, False), (176, 12, True), (182, 12, False), (186, 12, False), (190, 12, False),
    (194, 24, True), (199, 12, False), (206, 24, True), (214, 24, False), (220, 24, False), (230, 48, True),
)  # fmt: skip


class Symmetry(NamedTuple):
    """Symmetry of a crystal.

    Parameters
    ----------
    number : int
        Number of the space group, 1 to 230.
    orbit_sizes : array of shape (orbits,), int
        Number of atoms in each orbit of the space group, in the given cell or a primitive one. The fraction of atoms
        in an orbit is independent of the cell, unlike that of atoms equivalent under the operations of a given cell.
    """

    number: int
    orbit_sizes: NDArray[np.int64]

    @property
    def point_group_order(self) -> int:
        """Number of operations of the point group, 1 to 48."""
        return _CLASSES[bisect_left(_CLASSES, (self.number,))][1]

    @property
    def is_centrosymmetric(self) -> bool:
        """Whether the point group contains the inversion."""
        return _CLASSES[bisect_left(_CLASSES, (self.number,))][2]


def find_symmetries(crystals: Iterable[Crystal]) -> Iterator[Symmetry | None]:
    """Yield the symmetry of each crystal, in order; None if spglib fails."""
    stream = iter(crystals)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spglib warns about changes in its error handling
        while chunk := list(islice(stream, _CRYSTALS_PER_CHUNK)):
            clear = _find_clear(chunk) if compiled.symmetry is not None else [None] * len(chunk)
            yield from [
                _analyse(crystal) if found is None else found for crystal, found in zip(chunk, clear, strict=True)
            ]


def _analyse(crystal: Crystal) -> Symmetry | None:
    """Return the symmetry from spglib's full analysis."""
    import spglib

    os.environ.setdefault("SPGLIB_WARNING", "OFF")  # suppresses spglib's messages on standard error

    # Elements are numbered in order of appearance, as in pymatgen.
    species, first, inverse = np.unique(crystal.numbers, return_index=True, return_inverse=True)
    ranks = np.empty(len(species), dtype=np.intc)
    ranks[np.argsort(first)] = np.arange(1, len(species) + 1)
    try:
        found = spglib.get_symmetry_dataset(
            (crystal.lattice, crystal.frac, ranks[inverse]), symprec=TOLERANCE, angle_tolerance=ANGLE_TOLERANCE
        )
    except spglib.SpglibError:
        return None
    if found is None:
        return None
    return Symmetry(int(found.number), np.unique(found.crystallographic_orbits, return_counts=True)[1])


def _find_clear(crystals: Sequence[Crystal]) -> list[Symmetry | None]:
    """Return the symmetries of crystals that are independent of the tolerance, and None for the others."""
    assert compiled.symmetry is not None
    offsets = np.cumsum([0, *map(len, crystals)], dtype=np.int64)
    n = len(crystals)
    rotations = np.empty((n, _OPERATIONS, 3, 3), dtype=np.intc)
    translations, bases = np.empty((n, _OPERATIONS, 3)), np.empty((n, 3, 3))
    orbits, counts = np.empty(offsets[-1], dtype=np.intc), np.empty(n, dtype=np.intc)
    compiled.symmetry.operations(
        np.concatenate([crystal.numbers for crystal in crystals]),
        np.concatenate([crystal.frac for crystal in crystals]),
        np.concatenate([crystal.lattice for crystal in crystals]).reshape(-1, 3, 3),
        offsets,
        *_CLEAR_DISTANCES,
        *np.radians(_CLEAR_ANGLES),
        rotations,
        translations,
        bases,
        orbits,
        counts,
    )
    found = np.arange(_OPERATIONS) < counts[:, None]
    turns = rotations.astype(np.int8)
    shifts = (np.rint(np.where(found[:, :, None], translations, 0) * _STEPS) % _STEPS).astype(np.int16)
    results: list[Symmetry | None] = []
    for i, count in enumerate(counts.tolist()):
        number = _space_group(turns[i, :count].tobytes(), shifts[i, :count].tobytes()) if count else 0
        symmetry = None
        if number:
            sizes = np.bincount(orbits[offsets[i] : offsets[i + 1]] + 1)[1:]  # -1 marks atoms that are left out
            symmetry = Symmetry(number, sizes[sizes > 0])
        # The number of operations must equal the order of the crystal class; otherwise they do not form a group.
        results.append(symmetry if symmetry is not None and symmetry.point_group_order == count else None)
    return results


@lru_cache(maxsize=4096)
def _space_group(rotations: bytes, translations: bytes) -> int:
    """Return the number of the space group with the given operations, one for each rotation; 0 if spglib fails.

    It is independent of the lattice, as long as the basis is right-handed; so crystals share a result, and spglib is
    given a lattice that has the symmetry of the rotations.

    Parameters
    ----------
    rotations : bytes
        Array of shape (operations, 3, 3), int8.
    translations : bytes
        Array of shape (operations, 3), int16, in units of 1/`_STEPS`.
    """
    import spglib

    turns = np.frombuffer(rotations, dtype=np.int8).reshape(-1, 3, 3).astype(np.intc)
    shifts = np.frombuffer(translations, dtype=np.int16).reshape(-1, 3) / _STEPS
    metric = np.einsum("nji,njk->ik", turns, turns) / len(turns)
    try:
        named = spglib.get_spacegroup_type_from_symmetry(
            turns, shifts, np.linalg.cholesky(metric), symprec=_SHIFT_TOLERANCE
        )
    except spglib.SpglibError:
        return 0
    return 0 if named is None else int(named.number)
