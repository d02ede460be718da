"""Compositions: what is known of a crystal if only its formula is given."""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from zoo.data.crystal import MAX_ATOMS, SYMBOLS, Crystal
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pymatgen.core import Composition as PymatgenComposition

    from zoo.registry.contracts import Featurizer

MAX_DENOMINATOR = 1000
"""Amounts such as 0.33 are taken as fractions with at most this denominator."""

_LONGEST = 200
_FORMULA = re.compile(r"(?:[A-Z][a-z]?|[\d.()\[\]·*\s])+")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)?\s*(.+)")


class Composition(Crystal):
    """A composition in place of a crystal: it has elements and a formula, and no lattice or coordinates.

    Whatever needs these raises an :class:`InputError`.

    Parameters
    ----------
    amounts : mapping of str to float
        Amount of each element, by its symbol.

    Raises
    ------
    InputError
        If there is no element, or the amounts are no simple ratios.

    Examples
    --------
    >>> from zoo.data.composition import Composition
    >>> Composition.parse("Ca(OH)2").formula, len(Composition.parse("Li0.5CoO2"))
    ('Ca1 H2 O2', 7)
    """

    has_structure = False

    def __init__(self, amounts: Mapping[str, float]) -> None:
        parts = {
            SYMBOLS.index(symbol): Fraction(str(amount)).limit_denominator(MAX_DENOMINATOR)
            for symbol, amount in amounts.items()
        }
        if not parts or min(parts.values()) <= 0:
            raise InputError("a composition needs an amount above zero of each element")
        common = lcm(*(each.denominator for each in parts.values()))
        counts = {number: int(each * common) for number, each in sorted(parts.items())}
        divisor = gcd(*counts.values())
        if sum(counts.values()) // divisor > MAX_ATOMS:
            raise InputError(f"its amounts are no ratios of whole numbers with a sum below {MAX_ATOMS:,}")
        repeats = [count // divisor for count in counts.values()]
        object.__setattr__(self, "numbers", np.repeat(np.array(list(counts), dtype=np.uint8), repeats))

    @classmethod
    def parse(cls, formula: object) -> Composition:
        """Read a formula, such as ``Ca(OH)2``, ``Li0.5CoO2``, ``SiO₂`` or ``CuSO4·5H2O``.

        Raises
        ------
        InputError
            If it is none.
        """
        from pymatgen.core import Composition as Parsed

        if not is_formula(formula):
            raise InputError(f"{str(formula)[:60]!r} is not a chemical formula")
        if dotted := re.search(r"\d\.\d+\s*H2O\s*$", str(formula).translate(_SUBSCRIPTS)):
            water = dotted.group().partition(".")[2].strip()
            raise InputError(f"{str(formula)[:60]!r} may be a hydrate or a decimal; for a hydrate, write ·{water}")
        found: dict[str, float] = {}
        try:
            for part in re.split(r"[·*]", str(formula).strip().translate(_SUBSCRIPTS)):
                times, rest = _PART.fullmatch(part).groups()  # type: ignore[union-attr]
                for symbol, amount in Parsed(rest, strict=True).get_el_amt_dict().items():
                    found[symbol] = found.get(symbol, 0.0) + amount * float(times or 1)
        except Exception as error:  # pymatgen raises several kinds
            raise InputError(f"{str(formula)[:60]!r} is not a chemical formula") from error
        return cls(found)

    @classmethod
    def of(cls, crystal: Crystal) -> Composition:
        """Return the composition of a crystal."""
        if isinstance(crystal, Composition):
            return crystal
        numbers, counts = np.unique(crystal.numbers, return_counts=True)
        return cls({SYMBOLS[number]: int(count) for number, count in zip(numbers, counts, strict=True)})

    @classmethod
    def from_pymatgen(cls, composition: PymatgenComposition) -> Composition:
        """Convert a composition of pymatgen; oxidation states are dropped.

        Raises
        ------
        InputError
            If it holds something other than elements.
        """
        amounts = dict(composition.get_el_amt_dict())
        if unknown := [symbol for symbol in amounts if symbol not in SYMBOLS[1:]]:
            raise InputError(f"{unknown[0]!r} is not a chemical element")
        return cls(amounts)

    def to_pymatgen(self) -> PymatgenComposition:
        """Return the composition as pymatgen's."""
        from pymatgen.core import Composition as Parsed

        numbers, counts = np.unique(self.numbers, return_counts=True)
        return Parsed({SYMBOLS[number]: int(count) for number, count in zip(numbers, counts, strict=True)})

    def __repr__(self) -> str:
        return f"<Composition {self.formula}>"

    def __reduce__(self) -> tuple[Any, ...]:
        numbers, counts = np.unique(self.numbers, return_counts=True)
        amounts = {SYMBOLS[number]: int(count) for number, count in zip(numbers, counts, strict=True)}
        return type(self), (amounts,)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the formula."""
        return hashlib.sha256(f"formula {self.formula}".encode()).hexdigest()

    @property
    def lattice(self) -> NoReturn:
        """There is none."""
        raise InputError(f"only the formula {self.formula.replace(' ', '')} is known, and no structure")

    @property
    def frac(self) -> NoReturn:
        """There are none."""
        raise InputError(f"only the formula {self.formula.replace(' ', '')} is known, and no structure")


def is_formula(value: object) -> bool:
    """Return whether a value is the text of a chemical formula, such as ``Ca(OH)2``."""
    if not (isinstance(value, str) and len(value) <= _LONGEST):
        return False
    text = value.strip().translate(_SUBSCRIPTS)
    if not _FORMULA.fullmatch(text):
        return False
    elements = re.findall(r"[A-Z][a-z]?", text)
    return bool(elements) and all(element in SYMBOLS[1:] for element in elements)


def is_composition(value: object) -> bool:
    """Return whether a value is a composition of pymatgen."""
    return type(value).__module__.startswith("pymatgen.") and type(value).__name__ == "Composition"


def composition_vectors(name: str, featurizer: Featurizer, crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    """Return the vectors of compositions by a featurizer that reads these.

    Raises
    ------
    InputError
        If it reads structures.
    """
    read = getattr(featurizer, "featurize_compositions", None)
    if read is None:
        raise InputError(f"the featurizer {name} reads structures, and only formulas are known")
    vectors: NDArray[np.float64] = read([Composition.of(crystal).to_pymatgen() for crystal in crystals])
    return vectors
