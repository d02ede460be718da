"""Text, dictionaries, arrays and files → :class:`zoo.data.crystal.Crystal`: the entry point for structures.

Every function raises :class:`zoo.errors.InputError` with the bare reason ("partial occupancy (…)"); callers add the
file, row and column. zoo never guesses: ambiguous input is refused. Whatever the format, the crystal
must agree with what its file states and have physically possible distances.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.crystal import MAX_ATOMIC_NUMBER, MAX_ATOMS, Crystal
from zoo.data.structures.cif import parse_cif
from zoo.data.structures.dictionary import parse_dictionary, read_literal
from zoo.data.structures.files import MAX_CHARACTERS, decode, format_of, read_text, uncompressed, unix_newlines
from zoo.data.structures.plausibility import check_plausible
from zoo.data.structures.poscar import parse_poscar
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MISSING = ("", "nan", "none", "null", "na", "n/a")
"""Spellings of a missing value, in lower case."""

_PARSERS: dict[str, Callable[[str], Crystal]] = {"cif": parse_cif, "poscar": parse_poscar}


def parse(value: object) -> Crystal:
    """Read one crystal from a table cell or a Python object.

    Parameters
    ----------
    value : str, bytes, mapping, pymatgen Structure or Crystal
        CIF text, POSCAR text, a pymatgen dictionary, or such a dictionary as JSON or a Python literal. Text may be
        enclosed in an extra pair of quotes, as in matminer's tables.

    Raises
    ------
    InputError
        With the bare reason.
    """
    if isinstance(value, Crystal):
        return value
    if isinstance(value, bytes):
        value = decode(value)
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, Mapping):
        return _checked(parse_dictionary, value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise InputError("no structure is given")
    if type(value).__module__.startswith("pymatgen."):
        return _checked(_from_pymatgen, value)
    raise InputError(f"not a structure: {type(value).__name__}")


def from_arrays(numbers: object, lattice: object, frac: object) -> Crystal:
    """Build a crystal from three arrays.

    Parameters
    ----------
    numbers : array-like of n integers
        Atomic numbers.
    lattice : array-like of 9 or 3 × 3 numbers
        Lattice vectors as rows, in Å.
    frac : array-like of 3n or n × 3 numbers
        Fractional coordinates. Each argument may also be JSON text or an array serialised by monty.

    Raises
    ------
    InputError
        With the bare reason.
    """
    z = _array(numbers, "atomic_numbers").ravel()
    cell, coordinates = _array(lattice, "lattice"), _array(frac, "frac_coords")
    if z.size > MAX_ATOMS:
        raise InputError(f"{z.size} atoms; at most {MAX_ATOMS} are allowed")
    unknown = z[~((z >= 1) & (z <= MAX_ATOMIC_NUMBER) & (z == np.round(z)))]
    if unknown.size:
        raise InputError(f"unknown element: atomic number {unknown[0]:g}")
    if cell.size != 9:
        raise InputError(f"the lattice has {cell.size} numbers, not 9")
    if coordinates.size != 3 * z.size:
        raise InputError(f"{coordinates.size} coordinates do not fit {z.size} atoms")
    return _checked(lambda _: Crystal(z.astype(np.uint8), cell.reshape(3, 3), coordinates.reshape(-1, 3)), None)


def read_file(path: Path) -> Crystal:
    """Read a structure file: CIF, a VASP file, pymatgen's JSON, or another format that pymatgen knows by file name.

    Parameters
    ----------
    path : Path
        The file; it may be compressed (``.gz``, ``.bz2``, ``.xz``).

    Raises
    ------
    InputError
        With the bare reason.
    """
    kind = format_of(path.name)
    text = read_text(path)
    if kind in _PARSERS:
        return _checked(_PARSERS[kind], text)
    if kind == "other" and _recognise(text) is None:
        suffix = uncompressed(path.name).rpartition(".")[2].lower()
        return _checked(lambda content: _from_other(content, suffix), text)
    return _from_text(text)


def _checked(read: Callable[[Any], Crystal], value: object) -> Crystal:
    """Read a crystal and check that it is plausible."""
    try:
        crystal = read(value)
        if read is not parse_cif:  # parse_cif checks each candidate setting itself
            check_plausible(crystal)
    except MemoryError:
        raise InputError("the structure does not fit into memory") from None
    return crystal


def _recognise(text: str) -> str | None:
    """Return the format of a text, judged by its content."""
    if text.lstrip().startswith("{"):
        return "mapping"
    if re.search(r"^\s*(data_|_cell[_.]length_|_atom_site[_.])", text, re.MULTILINE | re.IGNORECASE):
        return "cif"
    lines = [line.split() for line in text.split("\n", 6)[1:5]]
    if len(lines) == 4 and len(lines[0]) in (1, 3) and all(len(line) >= 3 for line in lines[1:]):
        words = [*lines[0], *(word for line in lines[1:] for word in line[:3])]
        return "poscar" if all(map(is_number, words)) else None
    return None


def _from_text(text: str, quoted: bool = False) -> Crystal:
    stripped = text.strip()
    if stripped.lower() in MISSING:
        raise InputError("no structure is given")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"a text of {len(text)} characters is not a single crystal structure")
    text = unix_newlines(text)
    kind = _recognise(text)
    if kind == "mapping":
        return _checked(parse_dictionary, read_literal(stripped))
    if kind is not None:
        return _checked(_PARSERS[kind], text)
    if not quoted and re.match(r"[ub]?[\"']", stripped):
        value = read_literal(stripped)
        return _from_text(value if isinstance(value, str) else str(value), quoted=True)
    if not quoted and "\n" not in stripped and "\\n" in stripped:
        return _from_text(stripped.replace("\\n", "\n"), quoted=True)
    raise InputError("neither CIF nor POSCAR text, nor a pymatgen dictionary")


def _from_other(text: str, suffix: str) -> Crystal:
    from pymatgen.core import Structure

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            structure = Structure.from_str(text, fmt=suffix)
    except Exception as error:
        # pymatgen's parsers raise all kinds of exceptions; one bad file must not end a run.
        words = " ".join(str(error).split()) or error.__class__.__name__
        raise InputError(f"broken {suffix} file: {words[:77]}") from None
    return _from_pymatgen(structure)


def _from_pymatgen(structure: object) -> Crystal:
    """Convert a pymatgen structure."""
    from pymatgen.core import DummySpecies, IStructure

    if not isinstance(structure, IStructure):
        raise InputError(f"not a crystal structure: {type(structure).__name__}")
    if len(structure) > MAX_ATOMS:
        raise InputError(f"{len(structure)} atoms; at most {MAX_ATOMS} are allowed")
    for element in structure.composition.elements:
        if isinstance(element, DummySpecies):
            raise InputError(f"unknown element {element.symbol!r}")
    return Crystal.from_structure(structure)


def _array(value: object, what: str) -> NDArray[np.float64]:
    if isinstance(value, str):
        if value.strip().lower() in MISSING:
            value = None
        elif len(value) > MAX_CHARACTERS:
            raise InputError(f"{what} is too long for a crystal")
        else:
            value = read_literal(value.strip())
    if isinstance(value, Mapping):
        value = value.get("data")
    if value is None:
        raise InputError(f"no {what} given")
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{what} is not a list of numbers") from None
    if not np.isfinite(array).all():
        raise InputError(f"{what} holds a value that is not a finite number")
    return array


def is_number(word: str) -> bool:
    """Return whether a word can be read as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True
