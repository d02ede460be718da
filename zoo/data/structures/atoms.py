"""Atoms of ASE and JARVIS, as objects and as dictionaries → crystal; no package of either is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.crystal import MAX_ATOMS, Crystal
from zoo.data.structures.species import ATOMIC_NUMBERS
from zoo.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ASE_KEYS = ("numbers", "positions", "cell")
"""What a dictionary of ASE's holds: atomic numbers, Cartesian coordinates and cell vectors, both in Å."""

JARVIS_KEYS = ("elements", "coords", "lattice_mat")
"""What a dictionary of JARVIS holds: symbols, coordinates and lattice vectors in Å."""

_FULL = 1e-3  # tolerance on full occupancy
_OCCUPANCIES = ("occupancy", "occupancies")


def from_ase(atoms: Any) -> Crystal:
    """Convert an ASE ``Atoms`` object.

    Raises
    ------
    InputError
        With the bare reason: no cell, not periodic in three directions, partial occupancies.
    """
    fields = {"numbers": atoms.get_atomic_numbers(), "positions": atoms.get_positions(), "cell": atoms.cell[:]}
    extras = {name: atoms.arrays[name] for name in _OCCUPANCIES if name in atoms.arrays}
    return parse_ase({**fields, **extras, "pbc": atoms.pbc, "info": atoms.info})


def parse_ase(value: Mapping[str, Any]) -> Crystal:
    """Read a dictionary of ASE's (``Atoms.todict()``, or an entry of a JSON database).

    Raises
    ------
    InputError
        With the bare reason: no cell, not periodic in three directions, partial occupancies.
    """
    numbers = _array(value["numbers"], "numbers").ravel()
    cell = _array(value["cell"], "cell")
    cell = np.diag(cell) if cell.size == 3 else cell
    if cell.size != 9:
        raise InputError(f"the cell has {cell.size} numbers, not 9")
    if not cell.any():
        raise InputError("an Atoms without a cell; give it its cell, and pbc=True")
    check_periodic(value.get("pbc", False))
    check_occupancy(value)
    positions = _array(value["positions"], "positions")
    return from_cartesian(numbers, cell.reshape(3, 3), _rows(positions, len(numbers)))


def from_jarvis(atoms: Any) -> Crystal:
    """Convert an ``Atoms`` object of jarvis-tools; raises as :func:`parse_jarvis` does."""
    return parse_jarvis(atoms.to_dict())


def parse_jarvis(value: Mapping[str, Any]) -> Crystal:
    """Read JARVIS's dictionary of atoms.

    Raises
    ------
    InputError
        With the bare reason, such as an unknown element, or coordinates that may be of either kind.
    """
    elements = value["elements"]
    if not isinstance(elements, list | tuple | np.ndarray):
        raise InputError("broken JARVIS dictionary: 'elements' is not a list")
    unknown = [symbol for symbol in elements if str(symbol).strip() not in ATOMIC_NUMBERS]
    if unknown:
        raise InputError(f"unknown element {str(unknown[0])!r}")
    numbers = np.array([ATOMIC_NUMBERS[str(symbol).strip()] for symbol in elements])
    lattice = _array(value["lattice_mat"], "lattice_mat")
    if lattice.size != 9:
        raise InputError(f"the lattice has {lattice.size} numbers, not 9")
    lattice = lattice.reshape(3, 3)
    if value.get("abc") is not None:
        stated = _array(value["abc"], "abc").ravel()
        lengths = np.linalg.norm(lattice, axis=1)
        if stated.size != 3 or (np.abs(stated - lengths) > 0.01 * np.maximum(lengths, 1)).any():
            raise InputError(f"the dictionary says abc = {stated.tolist()} Å; its matrix gives {lengths.tolist()} Å")
    coordinates = _rows(_array(value["coords"], "coords"), len(numbers))
    cartesian = value.get("cartesian")
    if not isinstance(cartesian, bool | np.bool_):
        raise InputError("JARVIS's dictionary does not say whether its coordinates are Cartesian ('cartesian')")
    if cartesian:
        return from_cartesian(numbers, lattice, coordinates)
    return Crystal(numbers, lattice, coordinates)


def from_cartesian(numbers: NDArray[Any], lattice: NDArray[np.float64], positions: NDArray[np.float64]) -> Crystal:
    """Build a crystal from Cartesian coordinates in Å.

    Raises
    ------
    InputError
        As :class:`Crystal` does.
    """
    if len(numbers) > MAX_ATOMS:
        raise InputError(f"{len(numbers)} atoms; at most {MAX_ATOMS} are allowed")
    if (numbers != np.round(numbers)).any():
        raise InputError("an atomic number that is not a whole number")
    try:
        frac: NDArray[np.float64] = np.linalg.solve(lattice.T, positions.T).T.astype(np.float64)
    except np.linalg.LinAlgError:
        raise InputError("the cell has no volume") from None
    return Crystal(numbers, lattice, frac)


def check_periodic(pbc: object) -> None:
    """Refuse atoms that are not periodic in all three directions; `pbc` is one truth value or three.

    Raises
    ------
    InputError
        With the directions and what to do.
    """
    flags = np.broadcast_to(_array(pbc, "pbc").astype(bool).ravel(), 3)
    if not flags.all():
        words = " ".join("T" if each else "F" for each in flags)
        raise InputError(f"an Atoms that is not periodic (pbc = {words}); if it is a crystal, set pbc=True")


def check_occupancy(value: Mapping[str, Any]) -> None:
    """Refuse partial occupancies, which ASE keeps beside the atoms: per atom, or per kind of site in ``info``.

    Raises
    ------
    InputError
        With the elements of the first such site.
    """
    info = value.get("info")
    for home in (value, info if isinstance(info, Mapping) else {}):
        for name in _OCCUPANCIES:
            found = home.get(name)
            if isinstance(found, Mapping):
                _check_kinds(found)
            elif found is not None:
                shares = _array(found, name).ravel()
                if (np.abs(shares - 1) > _FULL).any():
                    share = shares[np.abs(shares - 1) > _FULL][0]
                    raise InputError(f"partial occupancy ({share:.3g}); zoo needs ordered structures")


def _check_kinds(kinds: Mapping[Any, Any]) -> None:
    for shares in kinds.values():
        if isinstance(shares, Mapping):
            parts = [(str(symbol), float(share)) for symbol, share in shares.items()]
            if len(parts) != 1 or abs(parts[0][1] - 1) > _FULL:
                words = ", ".join(f"{symbol}:{share:.3g}" for symbol, share in parts)
                raise InputError(f"partial occupancy ({words}); zoo needs ordered structures")


def _array(value: object, what: str) -> NDArray[np.float64]:
    """Return an array given as numbers or in the form of ASE's JSON."""
    if isinstance(value, Mapping) and "array" in value:  # a cell
        value = value["array"]
    if isinstance(value, Mapping) and "__ndarray__" in value:
        parts = value["__ndarray__"]
        value = parts[2] if isinstance(parts, list | tuple) and len(parts) == 3 else None
    try:
        array = np.asarray("" if value is None else value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{what} is not a list of numbers") from None
    if not np.isfinite(array).all():
        raise InputError(f"{what} holds a value that is not a finite number")
    return array


def _rows(coordinates: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    if coordinates.size != 3 * count:
        raise InputError(f"{coordinates.size} coordinates do not fit {count} atoms")
    return coordinates.reshape(-1, 3)
