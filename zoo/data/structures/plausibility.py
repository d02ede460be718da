"""Checks for impossible distances and volumes, as caused by a wrong unit, a lost digit or disorder."""

from __future__ import annotations

from functools import lru_cache
from math import hypot
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.crystal import MAX_ATOMIC_NUMBER, SYMBOLS
from zoo.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.data.crystal import Crystal

MIN_VOLUME = 1.0
"""Smallest volume per atom in Å³: even hydrogen at the pressure of Jupiter's core has more."""

MAX_VOLUME = 20_000.0
"""Largest volume per atom in Å³: a single atom in a box of 27 Å."""

_FACTOR = 0.4  # of the sum of covalent radii; the shortest known bonds, at any pressure, are at 0.6
_MIN_DISTANCE = 0.5  # Å, whatever the elements
_CHUNK = 1_000_000  # pairs at a time
_MIN_SWEPT = 24  # atoms; smaller cells are checked pair by pair
_NEAREST = np.zeros((1, 3))


def check_plausible(crystal: Crystal) -> None:
    """Refuse a crystal with atoms impossibly close together, or with a cell far too small or too large.

    Raises
    ------
    InputError
        With the atoms, the distance, and the unit that may have been used by mistake.
    """
    volume = crystal.volume / len(crystal)
    if volume < MIN_VOLUME:
        unit = _unit(volume)
        raise InputError(f"{volume:.2g} Å³ for an atom is less than any crystal has; lengths must be in Å{unit}")
    if volume > MAX_VOLUME:
        unit = _unit(volume)
        raise InputError(f"{volume:.2g} Å³ for an atom is more than any crystal has; lengths must be in Å{unit}")
    found = nearest_pair(crystal)
    if found is not None:
        i, j, distance = found
        pair = f"{SYMBOLS[crystal.numbers[i]]} and {SYMBOLS[crystal.numbers[j]]}"
        if distance < 1e-3:
            raise InputError(f"two atoms occupy the same site ({pair}, atoms {i + 1} and {j + 1})")
        raise InputError(
            f"atoms {distance:.2f} Å apart ({pair}, atoms {i + 1} and {j + 1}), closer than in any crystal; "
            "are they alternative positions of a disordered site, or is the cell wrong?"
        )


def nearest_pair(crystal: Crystal) -> tuple[int, int, float] | None:
    """Return the closest of the pairs that are too close, and its distance in Å; None if there is none.

    An atom and its own image in a neighbouring cell are a pair too.
    """
    radii = _radii()[crystal.numbers]
    reach = max(_MIN_DISTANCE, 2 * _FACTOR * float(radii.max()))
    lattice, frac = crystal.lattice, crystal.frac
    heights = _heights(lattice)
    if heights.min() < 2 * reach:
        lattice = _reduced(lattice)
        frac = frac @ crystal.lattice @ np.linalg.inv(lattice)
        images = _grid(np.array([1, 1, 1]))
        nearest = float(np.linalg.norm(images[(images != 0).any(axis=1)] @ lattice, axis=1).min())
        if nearest < reach:
            atom = int(radii.argmax())
            return atom, atom, nearest
        heights = _heights(lattice)
    shifts = _NEAREST
    if heights.min() < 2 * reach:
        shifts = _grid(np.where(heights > 2 * reach, 0, np.minimum(np.ceil(reach / heights + 0.5), 6)).astype(int))
    frac = frac - np.floor(frac)
    if len(frac) < _MIN_SWEPT:
        return _search(lattice, frac, *_all_pairs(len(frac)), shifts, radii)
    order, ends = _sweep(frac, heights, reach)
    found: list[tuple[float, int, int]] = []
    for rows in np.split(np.arange(len(frac)), np.nonzero(np.diff(np.cumsum(ends) // _CHUNK))[0] + 1):
        starts = np.repeat(rows, ends[rows])
        offsets = np.arange(len(starts)) - np.repeat(np.cumsum(ends[rows]) - ends[rows], ends[rows])
        pair = _search(lattice, frac, order[starts], order[(starts + 1 + offsets) % len(frac)], shifts, radii)
        found += [(pair[2], pair[0], pair[1])] if pair else []
    return (min(found)[1], min(found)[2], min(found)[0]) if found else None


@lru_cache(maxsize=32)
def _all_pairs(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.triu_indices(count, 1)


def _heights(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances between opposite faces of a cell, volume / area; NumPy's inverse takes ten times as long."""
    (a, b, c), (d, e, f), (g, h, i) = lattice.tolist()
    first, second, third = (
        (e * i - f * h, f * g - d * i, d * h - e * g),
        (h * c - i * b, i * a - g * c, g * b - h * a),
        (b * f - c * e, c * d - a * f, a * e - b * d),
    )
    volume = abs(a * first[0] + b * first[1] + c * first[2])
    return np.array([volume / hypot(*area) for area in (first, second, third)])


def _reduced(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a pairwise reduced basis: no vector gets shorter by adding a multiple of another."""
    lattice = lattice.copy()
    for _ in range(100):
        before = lattice.copy()
        for i in range(3):
            for j in range(3):
                if i != j:
                    lattice[i] -= np.round(lattice[i] @ lattice[j] / (lattice[j] @ lattice[j])) * lattice[j]
        if (np.abs(lattice - before) < 1e-12).all():
            break
    return lattice


def _grid(most: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the cells within `most` along each axis, shape (n, 3)."""
    grid = np.meshgrid(*(np.arange(-m, m + 1) for m in most), indexing="ij")
    return np.stack([each.ravel() for each in grid], axis=1).astype(float)


def _sweep(
    frac: NDArray[np.float64], heights: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort the atoms along the axis with the fewest candidate pairs, and count the candidates after each atom."""
    count = len(frac)
    order, ends = np.arange(count), np.arange(count)[::-1]  # all pairs
    for axis in range(3):
        if heights[axis] < 2.5 * reach:
            continue
        along_axis = np.argsort(frac[:, axis], kind="stable")
        along = frac[along_axis, axis]
        within = np.searchsorted(np.append(along, along + 1), along + reach / heights[axis], side="right")
        following = within - np.arange(count) - 1
        if following.sum() < ends.sum():
            order, ends = along_axis, following
    return order, ends


def _search(
    lattice: NDArray[np.float64],
    frac: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    shifts: NDArray[np.float64],
    radii: NDArray[np.float64],
) -> tuple[int, int, float] | None:
    step = max(1, _CHUNK // len(shifts))
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(first), step):
        i, j = first[start : start + step], second[start : start + step]
        apart = frac[j] - frac[i]
        apart -= np.round(apart)
        vectors = (apart[:, None] + shifts if len(shifts) > 1 else apart[:, None]) @ lattice
        distances = np.sqrt(np.einsum("ijk,ijk->ij", vectors, vectors).min(axis=1))
        near = np.nonzero(distances < np.maximum(_MIN_DISTANCE, _FACTOR * (radii[i] + radii[j])))[0]
        if len(near):
            worst = int(near[distances[near].argmin()])
            found.append((float(distances[worst]), int(i[worst]), int(j[worst])))
    if not found:
        return None
    distance, a, b = min(found)
    return min(a, b), max(a, b), distance


@lru_cache(maxsize=1)
def _radii() -> NDArray[np.float64]:
    """Covalent radii in Å by atomic number (Cordero et al. 2008, as tabulated by gemmi)."""
    import gemmi

    return np.array([0.0] + [gemmi.Element(SYMBOLS[z]).covalent_r for z in range(1, MAX_ATOMIC_NUMBER + 1)])


def _unit(volume: float) -> str:
    """Suggest the unit in which the volume per atom (Å³) would be sensible."""
    for name, size in (("nm", 1e3), ("pm", 1e-6), ("bohr", 0.148), ("m", 1e30)):
        if 4 < volume * size < 200:
            return f" (is the cell in {name}?)"
    return " (check the unit of the cell)"
