"""Five real crystals, for tests and examples."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymatgen.core import Structure


def crystals() -> dict[str, Structure]:
    """Return five real crystals with small cells.

    Returns
    -------
    dict of str to Structure
        Conventional cells with lattice constants at room temperature (R. W. G. Wyckoff, Crystal Structures):
        NaCl 5.6402 Å, Si 5.4310 Å, CsCl 4.123 Å, SrTiO3 3.905 Å, and wurtzite ZnO with a = 3.2495 Å,
        c = 5.2069 Å, u = 0.345.
    """
    return {name: structure.copy() for name, structure in _made().items()}


@lru_cache(maxsize=1)
def _made() -> dict[str, Structure]:
    from pymatgen.core import Lattice, Structure

    cubic, make = Lattice.cubic, Structure.from_spacegroup
    corner, edge, center = [0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0.5]
    return {
        "NaCl": make("Fm-3m", cubic(5.6402), ["Na", "Cl"], [corner, center]),
        "Si": make("Fd-3m", cubic(5.4310), ["Si"], [corner]),
        "CsCl": make("Pm-3m", cubic(4.123), ["Cs", "Cl"], [corner, center]),
        "SrTiO3": make("Pm-3m", cubic(3.905), ["Ti", "Sr", "O"], [corner, center, edge]),
        "ZnO": make(
            "P6_3mc",
            Lattice.hexagonal(3.2495, 5.2069),
            ["Zn", "O"],
            [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.345]],
        ),
    }
