"""Formula, Z, volume and density stated in a file, and the check that the atoms agree with them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zoo.data.crystal import SYMBOLS
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.data.crystal import Crystal

_VOLUME_TOLERANCE = 0.02  # relative; volumes have fewer digits than cells, and cells are copied by hand
_DENSITY_TOLERANCE = 0.15  # relative; densities are measured, or calculated with a different hydrogen content
_AVOGADRO = 0.602214076  # 1 u/Å³ is 1 / this in g/cm³


@dataclass(frozen=True)
class Statements:
    """Content and size of the cell as stated in a file.

    Parameters
    ----------
    formula : mapping, optional
        Each element's amount and half a unit of its last digit, up to a common factor; see
        :func:`zoo.data.structures.species.parse_formula`.
    formula_text : str
        The formula as written in the file.
    units : float, optional
        Formula units in the cell, Z.
    volume : float, optional
        Of the cell, in Å³.
    density : float, optional
        In g/cm³.
    """

    formula: Mapping[str, tuple[float, float]] | None = None
    formula_text: str = ""
    units: float | None = None
    volume: float | None = None
    density: float | None = None

    @cached_property
    def determine_content(self) -> bool:
        """Whether they determine the number of atoms of each element in the cell."""
        return self.formula is not None and (self.units is not None or self.density is not None)

    def check(self, crystal: Crystal) -> None:
        """Refuse a crystal that disagrees.

        Raises
        ------
        InputError
            With both values.
        """
        if self.volume is not None and abs(crystal.volume - self.volume) > _VOLUME_TOLERANCE * crystal.volume + 0.1:
            raise InputError(
                f"the file says {self.volume:g} Å³ for the cell; its lengths and angles give {crystal.volume:.6g} Å³"
            )
        if self.formula is not None:
            counts = Counter("H" if z == 1 else SYMBOLS[z] for z in crystal.numbers.tolist())
            low, high = self._check_elements(counts, self.formula)
            if self.units is not None:
                self._check_units(counts, low, high, self.units)
        if self.density is not None:
            density = mass(crystal) / crystal.volume / _AVOGADRO
            if abs(density - self.density) > _DENSITY_TOLERANCE * max(density, self.density):
                raise InputError(f"the file says {self.density:g} g/cm³; its atoms give {density:.3g} g/cm³")

    def _check_elements(
        self, counts: Mapping[str, int], formula: Mapping[str, tuple[float, float]]
    ) -> tuple[float, float]:
        """Compare elements and their ratios; return the smallest and largest possible number of formula units."""
        text = self.formula_text
        missing = sorted(set(formula) - set(counts))
        if missing == ["H"]:
            raise InputError(f"hydrogen atoms are missing: the formula is {text}, but no site holds H")
        if missing:
            raise InputError(f"the formula in the file has {', '.join(missing)}, but no site holds it")
        if extra := sorted(set(counts) - set(formula)):
            raise InputError(f"the sites hold {', '.join(extra)}, which the formula in the file ({text}) lacks")
        ranges = {
            symbol: (counts[symbol] / (amount + half), counts[symbol] / max(amount - half, 1e-9))
            for symbol, (amount, half) in formula.items()
        }
        low, high = max(low for low, _ in ranges.values()), min(high for _, high in ranges.values())
        if low <= high * (1 + 1e-6):
            return low, high
        heavy = [span for symbol, span in ranges.items() if symbol != "H"]
        if heavy and "H" in ranges:
            least, most = max(low for low, _ in heavy), min(high for _, high in heavy)
            if least <= most * (1 + 1e-6) and ranges["H"][1] < least:
                raise InputError(
                    f"hydrogen atoms are missing: the formula is {text}, the sites give {_written(counts)}"
                )
        raise InputError(f"the formula in the file is {text}, but the sites give {_written(counts)}")

    def _check_units(self, counts: Mapping[str, int], low: float, high: float, units: float) -> None:
        assert self.formula is not None
        amounts = [amount for amount, _ in self.formula.values()]
        divisor = math.gcd(*map(round, amounts)) if all(amount == round(amount) for amount in amounts) else 1
        # Some programs write the cell content as the formula but Z for the reduced formula.
        fits = any(low * f * (1 - 1e-6) <= units <= high * f * (1 + 1e-6) for f in {1, divisor})
        if len(counts) == 1:  # N2 or N, S8 or S
            fits = fits or (units > 0 and sum(counts.values()) / units == round(sum(counts.values()) / units))
        if not fits:
            raise InputError(
                f"the file says Z = {units:g} with the formula {self.formula_text}, but the sites give "
                f"{_written(counts)} in the cell"
            )


def mass(crystal: Crystal) -> float:
    """Return the mass of a crystal's cell in atomic mass units."""
    import gemmi

    counts = Counter(crystal.numbers.tolist())
    return sum(count * gemmi.Element(SYMBOLS[number]).weight for number, count in counts.items())


def _written(counts: Mapping[str, int]) -> str:
    return " ".join(f"{symbol}{counts[symbol]}" for symbol in sorted(counts))
