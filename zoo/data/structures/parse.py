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
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import numpy as np

from zoo.data.composition import Composition, is_composition
from zoo.data.crystal import MAX_ATOMIC_NUMBER, MAX_ATOMS, Crystal
from zoo.data.structures.atoms import (
    ASE_KEYS,
    JARVIS_KEYS,
    check_periodic,
    from_ase,
    from_jarvis,
    parse_ase,
    parse_jarvis,
)
from zoo.data.structures.cif.reader import parse_cif
from zoo.data.structures.containers.ase_database import is_ase_json, json_systems
from zoo.data.structures.containers.extxyz import parse_xyz
from zoo.data.structures.dictionary import parse_dictionary, read_literal
from zoo.data.structures.files import MAX_CHARACTERS, decode, format_of, read_text, uncompressed, unix_newlines
from zoo.data.structures.plausibility import check_plausible
from zoo.data.structures.poscar import parse_poscar
from zoo.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = ("", "nan", "none", "null", "na", "n/a")
"""Spellings of a missing value, in lower case."""

ARRAYS = ("atomic_numbers", "lattice", "frac_coords")
"""zoo's columns of a crystal: n atomic numbers, 9 numbers (lattice vectors as rows, Å), 3n fractional coordinates."""

_NESTED = ("structure", "atoms")  # keys of documents (of the Materials Project, of JARVIS) that hold the structure

DICTIONARY_KEYS = frozenset({"sites", *ARRAYS, *ASE_KEYS, *JARVIS_KEYS, *_NESTED})
"""Keys by which a dictionary is known to be a structure, or a document with one."""

_PARSERS: dict[str, Callable[[str], Crystal]] = {"cif": parse_cif, "poscar": parse_poscar, "xyz": parse_xyz}


def parse(value: object) -> Crystal:
    """Read one crystal from a table cell or a Python object.

    Parameters
    ----------
    value : object
        CIF text, POSCAR text, or a dictionary of pymatgen, ASE, JARVIS or zoo's own columns, also as JSON or a Python
        literal; a pymatgen Structure, ASE Atoms, Crystal or Path; a document with one of these as its ``structure``.
        Text may be enclosed in an extra pair of quotes, as in matminer's tables.

    Raises
    ------
    InputError
        With the bare reason.
    """
    if isinstance(value, Crystal):
        return value
    if is_composition(value):
        return Composition.from_pymatgen(cast("Any", value))
    if isinstance(value, bytes):
        value = decode(value)
    if isinstance(value, str):
        return _from_text(value)
    if is_dictionary(value):
        return _from_mapping(value)
    if isinstance(value, Path):
        return read_file(value)
    if (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or type(value).__name__ in ("NAType", "NaTType")
    ):
        raise InputError("no structure is given")
    return _from_object(value)


def is_dictionary(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Return whether a value is a plain mapping, not a mapping of pymatgen's such as a Composition."""
    return isinstance(value, Mapping) and not type(value).__module__.startswith("pymatgen.")


def is_structure(value: object) -> bool:
    """Return whether a dictionary, such as one of a JSON file, is a single structure rather than columns of a table."""
    if not is_dictionary(value):
        return False
    if "sites" in value:
        return "lattice" in value
    for keys in (JARVIS_KEYS, ASE_KEYS, ARRAYS):
        if all(key in value for key in keys):
            atoms = value[keys[0]]  # one number or symbol for each; in a table, a list of them for each row
            if is_dictionary(atoms):
                return "__ndarray__" in atoms
            return isinstance(atoms, list | tuple) and all(isinstance(each, int | str) for each in atoms)
    return False


def may_be_structure(value: object) -> bool:
    """Return whether a table's cell looks like a structure that :func:`parse` reads; nothing is parsed."""
    if isinstance(value, str):
        kind = _recognise(unix_newlines(value))
        words = value.replace("'", '"') if kind == "mapping" else ""
        return kind in _PARSERS or any(f'"{key}"' in words for key in ("sites", "lattice_mat", "positions"))
    if is_dictionary(value):
        return not DICTIONARY_KEYS.isdisjoint(value)
    attributes = ("sites", "get_atomic_numbers", "lattice_mat")  # of pymatgen, ASE and JARVIS
    return isinstance(value, Crystal) or any(hasattr(value, name) for name in attributes)


def kind_of(value: object) -> str:
    """Return the type of a value with its article, for a message."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _from_object(value: Any) -> Crystal:
    """Convert an object of another package; packages that are not imported are not needed."""
    homes = {cls.__module__.partition(".")[0] for cls in type(value).__mro__}
    if "pymatgen" in homes and hasattr(value, "sites"):
        return _checked(_from_pymatgen, value)
    if "ase" in homes and hasattr(value, "toatoms"):  # a row of a database
        value = value.toatoms()
    if "ase" in homes and hasattr(value, "get_atomic_numbers"):
        return _checked(from_ase, value)
    if "jarvis" in homes and hasattr(value, "lattice_mat"):
        return _checked(from_jarvis, value)
    if not hasattr(value, "structure"):
        raise InputError(f"{kind_of(value)} is not a structure")
    if value.structure is None:  # of a document of the Materials Project, a computed entry, or a row of a DataFrame
        raise InputError(f"no structure is given in {kind_of(value)}")
    if hasattr(value.structure, "structure"):
        raise InputError(f"{kind_of(value)} is not a structure")
    return parse(value.structure)


def _from_mapping(value: Mapping[Any, Any]) -> Crystal:
    """Read a dictionary by its keys."""
    if "sites" not in value:
        if is_ase_json(value):
            return _from_mapping(_only_system(value))
        for keys, read in ((JARVIS_KEYS, parse_jarvis), (ASE_KEYS, parse_ase)):
            if all(key in value for key in keys):
                return _checked(read, value)
        if all(key in value for key in ARRAYS):
            return from_arrays(*(value[key] for key in ARRAYS))
        for key in _NESTED:
            inner = value.get(key)
            if isinstance(inner, Mapping) and not any(name in inner for name in _NESTED):
                return _from_mapping(inner)
            if inner is not None and not isinstance(inner, Mapping):
                return parse(inner)
    return _checked(parse_dictionary, value)


def _only_system(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arrays of the only crystal in a JSON database of ASE."""
    found = [arrays for _, _, arrays in json_systems(value)]
    if len(found) != 1:
        raise InputError(f"a database of {len(found)} crystals; zoo predict and zoo.read take all if given this file")
    if found[0] is None:
        raise InputError("the database of ASE is broken")
    return found[0]


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
    return parse_named(read_text(path), path.name)


def parse_named(text: str, name: str) -> Crystal:
    """Read the text of a structure file called `name`; see :func:`read_file`."""
    kind = format_of(name)
    if kind in _PARSERS:
        return _checked(_PARSERS[kind], text)
    if kind == "other" and _recognise(text) is None:
        suffix = uncompressed(name).rpartition(".")[2].lower()
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
    if re.match(r"\s*\d+[ \t]*\n[^\n]*\blattice[ \t]*=", text, re.IGNORECASE):
        return "xyz"
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
        return _from_mapping(read_literal(stripped))
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
    _check_other(text, suffix, len(structure))
    return _from_pymatgen(structure)


def _check_other(text: str, suffix: str, count: int) -> None:
    """Refuse what pymatgen reads in part: an XSF of a slab, missing atoms, a CSSR whose atoms need symmetry."""
    if suffix == "xsf":
        if kind := re.search(r"^\s*(MOLECULE|POLYMER|SLAB)\b", text, re.MULTILINE | re.IGNORECASE):
            raise InputError(f"not a crystal: the file describes a {kind[1].upper()}")
        declared = re.search(r"^\s*PRIMCOORD[^\n]*\n\s*(\d+)", text, re.MULTILINE | re.IGNORECASE)
    else:
        group = re.search(r"SPGR\s*=?\s*(\d+)", text, re.IGNORECASE)
        if group and int(group[1]) != 1:
            raise InputError(f"a .cssr file in space group {group[1]}; zoo reads those that list all atoms, in P 1")
        declared = re.match(r"[^\n]*\n[^\n]*\n\s*(\d+)(?:[ \t]+(\d))?", text)
        if declared and declared[2] not in (None, "0"):
            raise InputError("a .cssr file with orthogonal coordinates; zoo reads fractional ones")
    if declared and int(declared[1]) != count:
        raise InputError(f"broken {suffix} file: {declared[1]} atoms are declared, and there are {count}")


def _from_pymatgen(structure: object) -> Crystal:
    """Convert a pymatgen structure."""
    from pymatgen.core import DummySpecies, IStructure

    if not isinstance(structure, IStructure):
        raise InputError(f"{kind_of(structure)} is not a crystal structure: it has no cell")
    check_periodic(structure.lattice.pbc)
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
