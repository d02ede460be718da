"""Crystals → space groups, point groups and orbits of atoms, as spglib finds them.

spglib (A. Togo et al., Sci. Technol. Adv. Mater. Methods 4, 2384822 (2024)) takes milliseconds for a cell of ten atoms,
most of them to refine the cell, which nobody here needs. Where no tolerance has to decide, the operations are found by
:mod:`zoo.data.kernels.symmetry`, and spglib only names their space group. All other crystals, and all where zoo was
built without a compiler, go through spglib's whole analysis. Tests hold the two equal on real crystals.
"""

from __future__ import annotations

import os
import warnings
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zoo._utils import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from zoo.data.crystal import Crystal

TOLERANCE = 0.01
"""Distance (Å) within which atoms count as symmetric, the default of pymatgen and matminer."""

ANGLE_TOLERANCE = 5.0
"""Degrees by which angles of the lattice may be distorted, the default of pymatgen."""

# An operation that misses by less than the first is beyond doubt; one that misses by more than the second is none.
_CLEAR_DISTANCES = (0.2 * TOLERANCE, 5 * TOLERANCE)
_CLEAR_ANGLES = (0.2 * ANGLE_TOLERANCE, 1.2 * ANGLE_TOLERANCE)
_OPERATIONS = 48
_CRYSTALS_PER_CHUNK = 256

# The 32 crystal classes in the order of the space groups: last space group, order, whether they contain the inversion
# (International Tables for Crystallography, vol. A).
_CLASSES = (
    (1, 1, False), (2, 2, True), (5, 2, False), (9, 2, False), (15, 4, True), (24, 4, False), (46, 4, False),
    (74, 8, True), (80, 4, False), (82, 4, False), (88, 8, True), (98, 8, False), (110, 8, False), (122, 8, False),
    (142, 16, True), (146, 3, False), (148, 6, True), (155, 6, False), (161, 6, False), (167, 12, True),
    (173, 6, False), (174, 6, False), (176, 12, True), (182, 12, False), (186, 12, False), (190, 12, False),
    (194, 24, True), (199, 12, False), (206, 24, True), (214, 24, False), (220, 24, False), (230, 48, True),
)  # fmt: skip


class Symmetry(NamedTuple):
    """The symmetry of a crystal.

    Parameters
    ----------
    number : int
        Of the space group, 1 to 230.
    orbit_sizes : array of shape (orbits,), int
        Atoms of each orbit of the space group, in the given cell or in a primitive one. Shares of atoms are the same
        in every cell, unlike those of the atoms that are equivalent under the operations of a given cell.
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
    """Find the symmetries of crystals, in order; None where spglib finds none."""
    stream = iter(crystals)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spglib's, about its own way of reporting errors
        while chunk := list(islice(stream, _CRYSTALS_PER_CHUNK)):
            clear = _find_clear(chunk) if compiled.symmetry is not None else [None] * len(chunk)
            yield from [
                _analyse(crystal) if found is None else found for crystal, found in zip(chunk, clear, strict=True)
            ]


def _analyse(crystal: Crystal) -> Symmetry | None:
    """Return what spglib's whole analysis finds."""
    import spglib

    os.environ.setdefault("SPGLIB_WARNING", "OFF")  # spglib's lines about its own attempts, on standard error

    # Elements are numbered as they appear, as pymatgen numbers them.
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
    """Return the symmetries of those crystals about which there is no doubt, and None for the others."""
    import spglib

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
    results: list[Symmetry | None] = []
    for i, count in enumerate(counts.tolist()):
        symmetry = None
        if count:
            try:
                named = spglib.get_spacegroup_type_from_symmetry(
                    rotations[i, :count], translations[i, :count], bases[i], symprec=TOLERANCE
                )
            except spglib.SpglibError:
                named = None
            if named is not None:
                own = orbits[offsets[i] : offsets[i + 1]]
                symmetry = Symmetry(int(named.number), np.unique(own[own >= 0], return_counts=True)[1])
        # A group has as many operations as its class; a set that has not is none.
        results.append(symmetry if symmetry is not None and symmetry.point_group_order == count else None)
    return results
