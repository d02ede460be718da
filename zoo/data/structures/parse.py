"""Text, dictionaries, arrays and files → :class:`zoo.data.crystal.Crystal`: the one door for structures.

Every function raises :class:`zoo.errors.InputError` with the bare reason ("partial occupancy (…)"); callers add the
file, row and column. Where a reader would have to guess, zoo refuses; and whatever the format, the crystal must be
what its file states, and have distances that a crystal can have.
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
from zoo.data.structures.files import MAX_CHARACTERS, decode, format_of, read_text, uncompressed, unix
from zoo.data.structures.plausibility import check_plausible
from zoo.data.structures.poscar import parse_poscar
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MISSING = ("", "nan", "none", "null", "na", "n/a")
"""Texts, in lower case, that stand for no value."""

_PARSERS: dict[str, Callable[[str], Crystal]] = {"cif": parse_cif, "poscar": parse_poscar}


def parse(value: object) -> Crystal:
    """Read one crystal from whatever a table's cell or a Python caller may hold.

    Parameters
    ----------
    value : str, bytes, mapping, pymatgen Structure or Crystal
        CIF text, POSCAR text, pymatgen's dictionary, its JSON text or its Python literal; any text may stand
        in one more pair of quotes, as in matminer's tables.

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
    """Make a crystal of three arrays.

    Parameters
    ----------
    numbers : array-like of n integers
        Atomic numbers.
    lattice : array-like of 9 or 3 × 3 numbers
        Lattice vectors as rows, in Å.
    frac : array-like of 3n or n × 3 numbers
        Fractional coordinates. Any of the three may be JSON text or numpy's form in monty's JSON.

    Raises
    ------
    InputError
        With the bare reason.
    """
    z = _array(numbers, "atomic_numbers").ravel()
    cell, coordinates = _array(lattice, "lattice"), _array(frac, "frac_coords")
    if z.size > MAX_ATOMS:
        raise InputError(f"{z.size} atoms; at most {MAX_ATOMS} are taken")
    unknown = z[~((z >= 1) & (z <= MAX_ATOMIC_NUMBER) & (z == np.round(z)))]
    if unknown.size:
        raise InputError(f"unknown element: atomic number {unknown[0]:g}")
    if cell.size != 9:
        raise InputError(f"the lattice has {cell.size} numbers, not 9")
    if coordinates.size != 3 * z.size:
        raise InputError(f"{coordinates.size} coordinates do not fit {z.size} atoms")
    return _checked(lambda _: Crystal(z.astype(np.uint8), cell.reshape(3, 3), coordinates.reshape(-1, 3)), None)


def read_file(path: Path) -> Crystal:
    """Read a structure file: CIF, one of VASP's, pymatgen's JSON, or another that pymatgen knows by its name.

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
    """Read a crystal, and see that it is one that may exist."""
    try:
        crystal = read(value)
        if read is not parse_cif:  # which does so for each setting that a file may mean
            check_plausible(crystal)
    except MemoryError:
        raise InputError("the structure does not fit into memory") from None
    return crystal


def _recognise(text: str) -> str | None:
    """Name the format of a text by its content."""
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
        raise InputError(f"a text of {len(text)} characters is no single crystal structure")
    text = unix(text)
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
    raise InputError("neither CIF nor POSCAR text, nor pymatgen's dictionary")


def _from_other(text: str, suffix: str) -> Crystal:
    from pymatgen.core import Structure

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            structure = Structure.from_str(text, fmt=suffix)
    except Exception as error:
        # pymatgen's parsers raise whatever they stumble on; one bad file may not end a run.
        words = " ".join(str(error).split()) or error.__class__.__name__
        raise InputError(f"broken {suffix} file: {words[:77]}") from None
    return _from_pymatgen(structure)


def _from_pymatgen(structure: object) -> Crystal:
    """Take over a structure that the caller has in pymatgen's form."""
    from pymatgen.core import DummySpecies, IStructure

    if not isinstance(structure, IStructure):
        raise InputError(f"not a crystal structure: {type(structure).__name__}")
    if len(structure) > MAX_ATOMS:
        raise InputError(f"{len(structure)} atoms; at most {MAX_ATOMS} are taken")
    for element in structure.composition.elements:
        if isinstance(element, DummySpecies):
            raise InputError(f"unknown element {element.symbol!r}")
    return Crystal.from_structure(structure)


def _array(value: object, what: str) -> NDArray[np.float64]:
    if isinstance(value, str):
        if value.strip().lower() in MISSING:
            value = None
        elif len(value) > MAX_CHARACTERS:
            raise InputError(f"{what} is longer than any crystal")
        else:
            value = read_literal(value.strip())
    if isinstance(value, Mapping):
        value = value.get("data")
    if value is None:
        raise InputError(f"no {what} given")
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{what} is no list of numbers") from None
    if not np.isfinite(array).all():
        raise InputError(f"{what} holds a value that is not a finite number")
    return array


def is_number(word: str) -> bool:
    """Tell whether a word reads as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True
