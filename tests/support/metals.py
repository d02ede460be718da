"""Crystals that are metals or not beyond doubt: elements in their closest packings, and ionic or covalent compounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

if TYPE_CHECKING:
    from pathlib import Path

FCC = {"Cu": 3.61, "Ag": 4.09, "Au": 4.08, "Al": 4.05, "Ni": 3.52, "Pd": 3.89, "Pt": 3.92, "Pb": 4.95, "Ca": 5.58}
FCC |= {"Sr": 6.08, "Rh": 3.80, "Ir": 3.84, "Yb": 5.49}
BCC = {"Li": 3.51, "Na": 4.29, "K": 5.33, "Rb": 5.59, "Cs": 6.14, "Ba": 5.02, "V": 3.03, "Nb": 3.30, "Ta": 3.30}
BCC |= {"Cr": 2.88, "Mo": 3.15, "W": 3.16, "Fe": 2.87}
SALTS = {"LiF": 4.03, "LiCl": 5.14, "NaF": 4.63, "NaCl": 5.64, "NaBr": 5.97, "KF": 5.34, "KCl": 6.29, "KBr": 6.60}
SALTS |= {"RbCl": 6.59, "MgO": 4.21, "CaO": 4.81, "SrO": 5.16, "BaO": 5.54}
BLENDES = {"ZnS": 5.41, "ZnSe": 5.67, "ZnTe": 6.10, "CdS": 5.83, "CdTe": 6.48, "GaP": 5.45, "GaAs": 5.65, "InP": 5.87}
BLENDES |= {"AlP": 5.46, "AlAs": 5.66, "AlSb": 6.14, "BN": 3.62, "BP": 4.54}
"""Lattice constants in Å at room temperature, as textbooks give them."""


def structures() -> dict[str, tuple[Structure, bool]]:
    """Return each crystal by its formula, and whether it is a metal."""
    found = {}
    for group, constants in (("Fm-3m", FCC), ("Im-3m", BCC)):
        for element, a in constants.items():
            found[element] = Structure.from_spacegroup(group, Lattice.cubic(a), [element], [[0, 0, 0]]), True
    for group, constants, site in (("Fm-3m", SALTS, 0.5), ("F-43m", BLENDES, 0.25)):
        for formula, a in constants.items():
            sites = [[0, 0, 0], [site] * 3]
            first = formula[:2] if formula[1].islower() else formula[0]
            species = [first, formula.removeprefix(first)]
            found[formula] = Structure.from_spacegroup(group, Lattice.cubic(a), species, sites), False
    return found


def write_table(path: Path, labels: tuple[str, str] = ("non-metal", "metal"), column: str = "is_metal") -> Path:
    """Write the crystals as a table with the labels of both classes."""
    import pandas as pd

    rows = [
        {"id": f"bulk {name}", "structure": str(CifWriter(structure)), column: labels[metal]}
        for name, (structure, metal) in structures().items()
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path
