"""`Crystal`: an ordered crystal structure as arrays, zoo's internal representation."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zoo._utils.wording import counted
from zoo.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pymatgen.core import Structure

SYMBOLS: tuple[str, ...] = tuple(
    """
    X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
    Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu
    Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr
    Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
    """.split()  # noqa: SIM905 - a periodic table reads better without 119 pairs of quotes
)
"""Chemical symbols by atomic number; index 0 is a dummy."""

MAX_ATOMIC_NUMBER = 118

MAX_ATOMS = 10_000
"""Largest number of atoms in a cell: far beyond any training set, and still read within seconds."""

MAX_LENGTH = 1e6
"""Largest component of a cell vector (Å) and largest fractional coordinate. Far larger values overflow when squared,
and lose the digits that distinguish neighbours."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """An ordered crystal: atomic numbers, lattice and fractional coordinates.

    Parameters
    ----------
    numbers : array of shape (n,), uint8
        Atomic numbers, 1 to 118.
    lattice : array of shape (3, 3), float64
        Lattice vectors as rows, in Å.
    frac : array of shape (n, 3), float64
        Fractional coordinates.

    Raises
    ------
    InputError
        If there is no atom, an element is unknown, a number is not finite or absurdly large, or the cell has no volume.
        The message is the bare reason; callers add the location.
    """

    numbers: NDArray[np.uint8]
    lattice: NDArray[np.float64]
    frac: NDArray[np.float64]

    has_structure: ClassVar[bool] = True
    """Whether there are a lattice and coordinates; a :class:`zoo.data.composition.Composition` has none."""

    def __post_init__(self) -> None:
        raw = np.asarray(self.numbers)
        lattice = np.ascontiguousarray(self.lattice, dtype=np.float64)
        frac = np.ascontiguousarray(self.frac, dtype=np.float64)
        if raw.ndim != 1 or lattice.shape != (3, 3) or frac.shape != (len(raw), 3):
            shapes = f"{raw.shape} atomic numbers, {lattice.shape} lattice, {frac.shape} coordinates"
            raise InputError(f"shapes do not fit together: {shapes}")
        if len(raw) == 0:
            raise InputError("the structure has no atoms")
        if not (np.isfinite(lattice).all() and np.isfinite(frac).all()):
            raise InputError("the lattice or a coordinate is not a finite number")
        if ((raw < 1) | (raw > MAX_ATOMIC_NUMBER)).any():
            raise InputError(f"unknown element: atomic number {raw[(raw < 1) | (raw > MAX_ATOMIC_NUMBER)][0]}")
        longest, farthest = np.abs(lattice).max(), np.abs(frac).max()
        if longest > MAX_LENGTH:
            raise InputError(f"a cell vector of {longest:.3g} Å; at most {MAX_LENGTH:.0e} Å is allowed")
        if farthest > MAX_LENGTH:
            raise InputError(f"a fractional coordinate of {farthest:.3g}; at most {MAX_LENGTH:.0e} is allowed")
        volume = float(abs(np.linalg.det(lattice)))
        if volume < 1e-3:
            raise InputError("the cell has no volume")
        object.__setattr__(self, "numbers", np.ascontiguousarray(raw, dtype=np.uint8))
        object.__setattr__(self, "lattice", lattice)
        object.__setattr__(self, "frac", frac)
        object.__setattr__(self, "volume", volume)  # known by now

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        return f"<Crystal {self.formula}, {counted(len(self), 'atom')}>"

    @classmethod
    def from_structure(cls, structure: Structure) -> Crystal:
        """Convert an ordered pymatgen structure.

        Raises
        ------
        InputError
            If a site is partially occupied, or does not hold an element.
        """
        if not structure.is_ordered:
            site = next(site for site in structure if not site.is_ordered)
            raise InputError(f"partial occupancy ({site.species_string}); zoo needs ordered structures")
        try:
            numbers = [site.specie.Z for site in structure]
        except (AttributeError, ValueError):
            numbers = [0]
        if min(numbers, default=1) < 1:
            dummy = next(site for site in structure if getattr(site.specie, "Z", 0) < 1)
            raise InputError(f"{dummy.species_string!r} is not a chemical element")
        return cls(np.array(numbers), structure.lattice.matrix, structure.frac_coords.reshape(-1, 3))

    def to_structure(self) -> Structure:
        """Return the crystal as a pymatgen structure."""
        from pymatgen.core import Structure

        return Structure(self.lattice, [SYMBOLS[z] for z in self.numbers], self.frac)

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Symbols of the elements present, by atomic number."""
        return tuple(SYMBOLS[z] for z in np.unique(self.numbers))

    @property
    def chemsys(self) -> str:
        """Chemical system, for example ``"O-Si"``."""
        return "-".join(sorted(self.elements))

    @cached_property
    def formula(self) -> str:
        """Reduced formula with elements in alphabetical order, for example ``"O2 Si1"``."""
        counts = Counter(SYMBOLS[z] for z in self.numbers)
        divisor = gcd(*counts.values())
        return " ".join(f"{symbol}{counts[symbol] // divisor}" for symbol in sorted(counts))

    @cached_property
    def volume(self) -> float:
        """Volume of the cell in Å³."""
        return float(abs(np.linalg.det(self.lattice)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the arrays; it identifies the crystal exactly as given."""
        sha = hashlib.sha256()
        for array in (self.numbers, self.lattice, self.frac):
            sha.update(array.tobytes())
        return sha.hexdigest()
