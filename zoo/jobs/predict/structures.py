"""Conversion of structures passed in Python to crystals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.data.crystal import Crystal
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def as_crystals(structures: Any) -> list[Crystal]:
    """Convert pymatgen Structures or Crystals, a single one or a sequence, to a list of crystals.

    Raises
    ------
    InputError
        If an item has another type or cannot be used; the message gives its position.
    """
    one = isinstance(structures, Crystal) or hasattr(structures, "lattice")
    if not one and (isinstance(structures, str | bytes) or not isinstance(structures, Iterable)):
        kind = type(structures).__name__
        raise InputError(f"a {kind} is not a crystal; give pymatgen Structures, or use zoo predict for files")
    crystals = []
    for position, item in enumerate([structures] if one else structures):
        if isinstance(item, Crystal):
            crystals.append(item)
            continue
        if not (hasattr(item, "lattice") and hasattr(item, "frac_coords")):
            kind = type(item).__name__
            raise InputError(
                f"structure {position} is a {kind}; give pymatgen Structures, or use zoo predict for files"
            )
        try:
            crystals.append(Crystal.from_structure(item))
        except InputError as error:
            raise InputError(f"structure {position}: {error}") from None
    return crystals


def require_all(items: Sequence[T | InputError]) -> list[T]:
    """Return the items, provided that none of them is an error.

    Raises
    ------
    InputError
        For the first structure that could not be used; the message gives its position and the reason.
    """
    found = []
    for position, item in enumerate(items):
        if isinstance(item, InputError):
            raise InputError(f"structure {position}: {item}")
        found.append(item)
    return found
