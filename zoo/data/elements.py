"""Element properties → table of atom features.

Atoms enter the network as one-hot vectors of discretised element properties (Lee & Asahi, Comput. Mater. Sci. 190,
110314 (2021), after Xie & Grossman, PRL 120, 145301 (2018)). Every checkpoint stores its own table, so it does not
depend on a library's release; new models use the one computed here from ``elements.csv``. The values are those
tabulated by pymatgen 2026.10: Pauling electronegativity, calculated atomic radius in Å, first ionisation energy and
electron affinity in eV, molar volume in cm³/mol, and the number of electrons outside the noble-gas core.
"""

from __future__ import annotations

import csv
import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.crystal import MAX_ATOMIC_NUMBER

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCKS = "spdf"
_BINS = 10
# (column, low, high, logarithmic): ten equal bins from low to high; values beyond fall into the end bins.
_BINNED = (
    ("electronegativity", 0.7, 4.0, False),
    ("radius", 0.3, 3.0, False),
    ("ionization_energy", 3.8, 25.0, True),
    ("electron_affinity", -2.4, 3.7, False),
    ("molar_volume", 4.3, 71.0, True),
)


@lru_cache(maxsize=1)
def properties() -> list[dict[str, str]]:
    """Return the rows of ``elements.csv``, by atomic number."""
    with files("zoo.data").joinpath("elements.csv").open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@lru_cache(maxsize=1)
def atom_table() -> NDArray[np.uint8]:
    """Return the one-hot features of all elements, as a read-only array.

    Returns
    -------
    array of shape (119, 111), uint8
        Row z belongs to atomic number z; row 0 is empty. Group (18), period (7), block (4), electrons outside
        the noble-gas core (32), then ten bins each of electronegativity, radius, ionisation energy, electron
        affinity and molar volume. If a property is unknown, all its bins are 0.
    """
    table = np.zeros((MAX_ATOMIC_NUMBER + 1, 18 + 7 + 4 + 32 + _BINS * len(_BINNED)), dtype=np.uint8)
    for element in properties():
        row = table[int(element["number"])]
        row[int(element["group"]) - 1] = 1
        row[18 + int(element["period"]) - 1] = 1
        row[25 + _BLOCKS.index(element["block"])] = 1
        row[29 + int(element["valence_electrons"]) - 1] = 1
        for position, (column, low, high, logarithmic) in enumerate(_BINNED):
            if element[column]:
                points = np.array([float(element[column]), low, high])
                value, start, end = np.log(points) if logarithmic else points
                fraction = (value - start) / (end - start)
                row[61 + _BINS * position + int(np.clip(fraction * _BINS, 0, _BINS - 1))] = 1
    table.setflags(write=False)
    return table


def table_digest(table: NDArray[np.generic]) -> str:
    """Return the SHA-256 of an atom table of shape (elements, features), whatever its dtype.

    Two tables with equal shape and values have equal digests.
    """
    canonical = np.ascontiguousarray(table, dtype="<f8")
    return hashlib.sha256(str(canonical.shape).encode() + canonical.tobytes()).hexdigest()


def known_elements(table: NDArray[np.generic]) -> frozenset[int]:
    """Return the atomic numbers with features in an atom table of shape (elements, features).

    >>> known_elements(atom_table()) == frozenset(range(1, 119))
    True
    """
    return frozenset(np.flatnonzero(np.abs(table).sum(axis=1)).tolist())
