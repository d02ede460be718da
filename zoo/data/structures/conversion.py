"""Whatever a user passes as crystals in Python → :class:`zoo.data.crystal.Crystal` objects.

Everything that takes crystals calls :func:`convert`, :func:`as_crystals` or :func:`as_crystal`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from zoo._utils.wording import counted, listed
from zoo.data.composition import Composition, is_composition, is_formula
from zoo.data.crystal import Crystal
from zoo.data.structures.files import is_structure_file
from zoo.data.structures.parse import DICTIONARY_KEYS, MISSING, is_dictionary, kind_of, parse, read_file
from zoo.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

T = TypeVar("T")

OnError = Literal["raise", "skip"]
"""What to do with a structure that cannot be used."""

_SHOWN = 6
_IDS = ("material_id", "jid")
_ONE = ("sites", "get_atomic_numbers", "toatoms", "lattice_mat", "structure")  # attributes of single structures
_KINDS = "pymatgen Structures, ASE Atoms, dictionaries, CIF or POSCAR text, or paths"


@dataclass(frozen=True)
class Converted:
    """Crystals made of what a user passed.

    Parameters
    ----------
    crystals : list of n Crystal
    positions : list of n int
        Their positions in the input, from 0; all of them unless some were skipped.
    ids : list of n str
        Keys of a dictionary, labels of a pandas Series, the ``material_id`` or ``jid`` of documents; otherwise the
        positions.
    skipped : dict of int to str
        Positions of the structures that cannot be used, with the reasons.
    index : pandas Index or None
        Row labels of a Series or a data frame, with those that were skipped; None for anything else.
    """

    crystals: list[Crystal]
    positions: list[int]
    ids: list[str]
    skipped: dict[int, str] = field(default_factory=dict)
    index: pd.Index | None = None

    def labels(self, places: Iterable[int]) -> pd.Index | None:
        """Return the row labels of some of the crystals, by their places, for a table of results; None for numbers."""
        return None if self.index is None else self.index[[self.positions[place] for place in places]]


def convert(structures: Any, *, ids: Sequence[str] | None = None, on_error: OnError = "raise") -> Converted:
    """Convert one structure or any collection of structures.

    Parameters
    ----------
    structures : object
        pymatgen Structures, ASE Atoms, Crystals, dictionaries (of pymatgen, ASE or JARVIS, or with zoo's columns
        ``atomic_numbers``, ``lattice`` and ``frac_coords``), text of a CIF or POSCAR, paths of structure files, or
        documents with a ``structure``; or formulas (texts and pymatgen Compositions), for models that read compositions
        alone: one of them, or several in a list, tuple, generator, NumPy array of objects,
        pandas Series, data frame of one column, or dictionary of identifiers to structures.
    ids : sequence of str, optional
        Identifiers of all structures, in place of their own.
    on_error : {"raise", "skip"}
        Whether a structure that cannot be used ends in an error, or is left out with a warning that names it.

    Raises
    ------
    InputError
        If the input holds no structures, there are more or fewer `ids`, or a structure cannot be used; the message
        names its position, counted from 0.

    Examples
    --------
    >>> from zoo.testing import sample_crystals
    >>> from zoo.data.structures.conversion import convert
    >>> salt = sample_crystals.crystals()["NaCl"]
    >>> found = convert({"ours": salt, "theirs": salt.to(fmt="cif")})
    >>> found.ids, [crystal.formula for crystal in found.crystals]
    (['ours', 'theirs'], ['Cl1 Na1', 'Cl1 Na1'])
    """
    if on_error not in ("raise", "skip"):
        raise InputError(f"on_error={on_error!r}: use 'raise' or 'skip'")
    crystals: dict[int, Crystal] = {}
    names: list[str] = []
    skipped: dict[int, str] = {}
    if _is_one(structures):
        crystals[0], names = _crystal(structures), [_own_id(structures) or "0"]
    else:
        items, labels = _items(structures)
        for position, item in enumerate(items):
            names.append(labels[position] if labels else _own_id(item) or str(position))
            try:
                crystals[position] = _crystal(item)
            except InputError as error:
                skipped[position] = str(error)
    given = names if ids is None else [str(name) for name in ids]
    if len(given) != len(names):
        raise InputError(f"{len(given)} ids were given for {counted(len(names), 'structure')}")
    _report(skipped, dict(enumerate(given)), on_error)
    index = structures.index if _pandas(structures) else None
    return Converted(
        list(crystals.values()), list(crystals), [given[position] for position in crystals], skipped, index
    )


def as_crystals(structures: object) -> list[Crystal]:
    """Return the crystals of one structure or of several; see :func:`convert`."""
    return convert(structures).crystals


def as_crystal(structure: object) -> Crystal:
    """Return the crystal of one structure, which may be the only one of a list; see :func:`convert`."""
    crystals = as_crystals(structure)
    if len(crystals) != 1:
        raise InputError(f"one structure is needed, not {len(crystals)}")
    return crystals[0]


def usable_items(items: Sequence[T | InputError], found: Converted, *, on_error: OnError = "raise") -> dict[int, T]:
    """Return what has been made of converted crystals by their places, without what could not be made.

    Parameters
    ----------
    items : sequence of n results, or errors
    found : Converted
        The n crystals, for messages.
    on_error : {"raise", "skip"}
        As in :func:`convert`.

    Raises
    ------
    InputError
        If an item is an error; the message gives the structure's position in the input, and the reason.
    """
    places = {found.positions[place]: place for place in range(len(items))}
    errors = {position: items[place] for position, place in places.items() if isinstance(items[place], InputError)}
    _report(
        {position: str(error) for position, error in errors.items()},
        {position: found.ids[place] for position, place in places.items()},
        on_error,
    )
    return {place: item for place, item in enumerate(items) if not isinstance(item, InputError)}


def _report(reasons: Mapping[int, str], names: Mapping[int, str], on_error: OnError) -> None:
    """Raise an error, or warn, that the structures at some positions cannot be used."""
    if not reasons:
        return
    bad = [str(at) if names[at] == str(at) else f"{at} ({names[at][:60]})" for at in reasons]
    more = [f"{len(bad) - _SHOWN} more"] if len(bad) > _SHOWN else []
    shown = list(zip(bad, reasons.values(), strict=True))[:_SHOWN]
    if on_error == "raise":
        others = [name for name, _ in shown[1:]] + more
        also = f"; structure{'s' if others[1:] else ''} {listed(others)} cannot be used either" if others else ""
        raise InputError(f"structure {shown[0][0]}: {shown[0][1]}{also}")
    said = [f"structure {name}: {reason}" for name, reason in shown] + more
    total = counted(len(names), "structure")
    warnings.warn(f"{len(bad)} of {total} skipped: {'; '.join(said)}", stacklevel=5)


def _own_id(item: object) -> str:
    """Return the identifier of a document of the Materials Project or of JARVIS; empty if it has none."""
    if is_dictionary(item):
        return str(next((item[name] for name in _IDS if isinstance(item.get(name), str)), ""))
    if hasattr(item, "structure"):
        return str(next((getattr(item, name) for name in _IDS if getattr(item, name, None)), ""))
    return ""


def _is_one(value: object) -> bool:
    """Return whether a value stands for a single structure rather than a collection."""
    if isinstance(value, Crystal | str | bytes | PathLike) or is_composition(value):
        return True
    if is_dictionary(value):
        return any(key in value for key in DICTIONARY_KEYS)
    return _pandas(value) is None and any(hasattr(value, name) for name in _ONE)


def _crystal(item: object) -> Crystal:
    if isinstance(item, PathLike):
        return _read(Path(fspath(item)))
    if isinstance(item, str) and is_formula(item) and item != "NaN" and not _exists(Path(item)):
        return Composition.parse(item)
    if isinstance(item, str) and not _is_text(item):
        return _read(Path(item))
    if isinstance(item, list | tuple | set) and not hasattr(item, "structure"):  # a row of a DataFrame has one
        raise InputError(f"{kind_of(item)}; give the structures in one flat list")
    return parse(item)


def _is_text(value: str) -> bool:
    """Return whether a string is the text of a structure rather than a path."""
    stripped = value.strip()
    if "\n" in stripped or "\r" in stripped or stripped.lower() in MISSING or stripped[0] in "{\"'":
        return True
    return "\\n" in stripped and not _exists(Path(value))  # a line end as in JSON, or the path of a Windows file


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # not a possible file name
        return False


def _read(path: Path) -> Crystal:
    if not _exists(path):
        shown = str(path) if len(str(path)) <= 60 else f"{str(path)[:59]}…"
        raise InputError(f"{shown!r} is neither an existing file nor the text of a structure (CIF, POSCAR, JSON)")
    if path.is_dir():
        raise InputError(f"{path}: a folder; zoo.read returns the crystals in it")
    try:
        return read_file(path)
    except InputError as error:
        hint = "" if is_structure_file(path) else "; zoo.read returns the crystals of tables, databases and archives"
        raise InputError(f"{path}: {error}{hint}") from None


def _items(structures: Any) -> tuple[Iterable[object], list[str] | None]:
    """Return the items of a collection, and their labels if it has any."""
    if is_dictionary(structures):
        return list(structures.values()), [str(key) for key in structures]
    pandas = _pandas(structures)
    if pandas == "DataFrame":
        structures, pandas = _only_column(structures), "Series"
    if pandas == "Series":
        return structures.to_list(), [str(label) for label in structures.index]
    if isinstance(structures, np.ndarray):
        return _flat(structures), None
    if hasattr(structures, "read"):
        raise InputError(f"an open file ({kind_of(structures)}); give its path")
    if isinstance(structures, set | frozenset):
        raise InputError(f"{kind_of(structures)} has no order by which results could be told apart; give a list")
    if not isinstance(structures, Iterable):
        raise InputError(f"{kind_of(structures)} is not a crystal; give {_KINDS}")
    return structures, None


def _pandas(value: object) -> str | None:
    """Return whether a value is a pandas ``Series`` or ``DataFrame``, without importing pandas."""
    names = (cls.__name__ for cls in type(value).__mro__ if cls.__module__.startswith("pandas."))
    return next((name for name in names if name in ("Series", "DataFrame")), None)


def _only_column(frame: Any) -> Any:
    if frame.shape[1] == 1:
        return frame.iloc[:, 0]
    held = [name for name in frame.columns if len(frame) and not _is_number(frame[name].iloc[0])]
    name = next((each for each in held if each in ("structure", "cif", "poscar", "atoms")), held[0] if held else "…")
    raise InputError(f"a DataFrame; give its column of structures, such as frame[{name!r}]")


def _is_number(value: object) -> bool:
    """Return whether a cell holds a number or a truth value."""
    return isinstance(value, int | float | np.generic)


def _flat(array: NDArray[Any]) -> list[object]:
    """Return the items of an array of objects, which may be a column."""
    if array.dtype.kind not in "OUST":
        raise InputError(f"an array of numbers of shape {array.shape}; give {_KINDS}")
    if array.ndim > 1 and any(hasattr(array.flat[0], name) for name in ("specie", "symbol")) and array.size:
        raise InputError(
            f"an array of single atoms of shape {array.shape}: NumPy takes structures apart; give the list of them, "
            "or fill an array made with np.empty(n, dtype=object)"
        )
    if array.ndim > 1 and array.size != array.shape[0]:
        raise InputError(f"an array of shape {array.shape}; give one structure a row")
    return list(array.ravel())
