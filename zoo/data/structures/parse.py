"""Text, dictionaries, arrays and files -> :class:`zoo.data.crystal.Crystal`.

Every function raises :class:`zoo.errors.InputError` with the bare reason ("partial occupancy (…)"); callers
add the file, row and column. pymatgen does the parsing; where it would guess, zoo refuses.
"""

from __future__ import annotations

import ast
import gzip
import json
import math
import re
import warnings
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.crystal import MAX_ATOMIC_NUMBER, Crystal
from zoo.data.structures.plain_cif import read_plain_cif
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pymatgen.core import Structure

MAX_ATOMS = 10_000
"""Most atoms of a cell: far beyond any training set, and within seconds to read."""

MAX_CHARACTERS = 8_000_000
"""Longest text that is looked at as one structure."""

_PIECE = 1 << 16

_SUFFIXES = (".cif", ".mcif", ".vasp", ".poscar", ".contcar", ".json", ".xsf", ".cssr")
_POSCAR_SUFFIXES = (".vasp", ".poscar", ".contcar")
_NOT_STRUCTURES = ("atom_init.json",)  # CGCNN's element table lies beside its CIFs
MISSING = ("", "nan", "none", "null", "na", "n/a")
"""Texts, in lower case, that stand for no value."""


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
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, Mapping):
        return _from_mapping(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise InputError("no structure is given")
    if type(value).__module__.startswith("pymatgen."):
        return _from_pymatgen(lambda: value, "structure")
    raise InputError(f"not a structure: {type(value).__name__}")


def from_arrays(numbers: object, lattice: object, frac: object) -> Crystal:
    """Make a crystal of three arrays, without a detour through pymatgen.

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
    return Crystal(z.astype(np.uint8), cell.reshape(3, 3), coordinates.reshape(-1, 3))


def read_file(path: Path) -> Crystal:
    """Read a structure file: CIF, POSCAR, pymatgen's JSON, or another format that pymatgen knows by its name.

    Parameters
    ----------
    path : Path
        The file; it may be compressed with gzip (``.gz``).

    Raises
    ------
    InputError
        With the bare reason.
    """
    name = path.name.removesuffix(".gz")
    kind = _kind(name)
    text = _read_text(path)
    if kind == "cif":
        return _from_cif(text)
    if kind == "poscar":
        return _from_poscar(text)
    if kind == "json" or _recognise(text) is not None:
        return _from_text(text)
    from pymatgen.core import Structure

    return _from_pymatgen(lambda: Structure.from_file(path), "structure file")


def structure_files(folder: Path) -> list[Path]:
    """Return the structure files in a folder, sorted by name; sub-folders are not entered."""
    return sorted(path for path in folder.iterdir() if is_structure_file(path) and path.is_file())


def is_structure_file(path: Path) -> bool:
    """Tell by its name whether `path` is a structure file (``.json`` may also be a table)."""
    name = path.name.removesuffix(".gz")
    return not name.startswith(".") and name not in _NOT_STRUCTURES and _kind(name) is not None


def has_structure_suffix(name: str) -> bool:
    """Tell whether a file's name ends in one of the extensions, as POSCAR itself does not."""
    return name.lower().endswith(_SUFFIXES)


def find_file(folder: Path, name: str) -> Path:
    """Return the structure file called `name`, with or without its extension, in `folder`.

    Raises
    ------
    InputError
        If there is none; the message says what was looked for.
    """
    for suffix in ("", *_SUFFIXES, ".POSCAR", ".CONTCAR", *(f"{suffix}.gz" for suffix in _SUFFIXES)):
        path = folder / f"{name}{suffix}"
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):  # a name that no file can have
            break
    raise InputError(f"no structure file: {name} (.cif, .vasp, .json …) is not in {folder}")


def _kind(name: str) -> str | None:
    lower = name.lower()
    if lower.endswith((".cif", ".mcif")):
        return "cif"
    if lower.endswith(_POSCAR_SUFFIXES) or re.match(r"(POSCAR|CONTCAR)(?![a-z])", name):
        return "poscar"
    if lower.endswith(".json"):
        return "json"
    return "other" if lower.endswith(_SUFFIXES) else None


def _read_text(path: Path) -> str:
    try:
        with gzip.open(path, "rb") if path.name.endswith(".gz") else open(path, "rb") as file:  # noqa: PTH123 - faster
            data = file.read(_PIECE)
            if len(data) == _PIECE:  # room for the largest file is not made for each
                data += file.read(MAX_CHARACTERS + 1 - _PIECE)
    except FileNotFoundError:
        raise InputError("there is no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        if path.is_dir():
            raise InputError("a folder, not a structure file") from None
        raise InputError(f"the file cannot be read ({error.__class__.__name__})") from None
    if not data.strip():
        raise InputError("the file is empty")
    if b"\0" in data[:8192] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("a binary file, not a structure")
    if len(data) > MAX_CHARACTERS:
        raise InputError(f"larger than {MAX_CHARACTERS // 1_000_000} MB; that is no single crystal structure")
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return _unix(data.decode(encoding, errors="replace"))


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _recognise(text: str) -> str | None:
    """Name the format of a text by its content."""
    if text.lstrip().startswith("{"):
        return "mapping"
    if re.search(r"^\s*(data_|_cell_length_|_atom_site_)", text, re.MULTILINE | re.IGNORECASE):
        return "cif"
    lines = [line.split() for line in text.split("\n", 6)[1:5]]
    if [len(line) for line in lines] == [1, 3, 3, 3] and all(is_number(word) for line in lines for word in line):
        return "poscar"
    return None


def _from_text(text: str, quoted: bool = False) -> Crystal:
    stripped = text.strip()
    if stripped.lower() in MISSING:
        raise InputError("no structure is given")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"a text of {len(text)} characters is no single crystal structure")
    text = _unix(text)
    kind = _recognise(text)
    if kind == "mapping":
        return _from_mapping(_literal(stripped))
    if kind == "cif":
        return _from_cif(text)
    if kind == "poscar":
        return _from_poscar(text)
    if not quoted and re.match(r"[ub]?[\"']", stripped):
        value = _literal(stripped)
        return _from_text(value if isinstance(value, str) else str(value), quoted=True)
    if not quoted and "\n" not in stripped and "\\n" in stripped:
        return _from_text(stripped.replace("\\n", "\n"), quoted=True)
    raise InputError("neither CIF nor POSCAR text, nor pymatgen's dictionary")


def _literal(text: str) -> Any:
    """Read JSON, or a Python literal such as matminer's first tables hold; nothing is evaluated."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    raise InputError("broken JSON")


def _from_mapping(value: object) -> Crystal:
    if not isinstance(value, Mapping) or "sites" not in value:
        raise InputError("not pymatgen's dictionary of a structure: it has no 'sites'")
    if "lattice" not in value:
        raise InputError("not a crystal: pymatgen's dictionary has no 'lattice'")
    sites = value["sites"]
    if not isinstance(sites, list | tuple):
        raise InputError("broken pymatgen dictionary: 'sites' is no list")
    if not sites:
        raise InputError("the structure has no atoms")
    if len(sites) > MAX_ATOMS:
        raise InputError(f"{len(sites)} sites; at most {MAX_ATOMS} atoms are taken")
    from pymatgen.core import Structure

    return _from_pymatgen(lambda: Structure.from_dict(dict(value)), "pymatgen dictionary")


def _from_cif(text: str) -> Crystal:
    plain = read_plain_cif(text)
    if plain is not None:
        return plain
    from zoo.data.structures.cif import parse_cif

    return _from_pymatgen(lambda: parse_cif(text, MAX_ATOMS), "CIF")


def _from_poscar(text: str) -> Crystal:
    from pymatgen.io.vasp.inputs import Poscar

    lines = text.split("\n")
    # A wrong count of atoms must not make pymatgen build a list of that length.
    counts = [sum(map(int, line.split())) for line in lines[5:26] if re.fullmatch(r"[\s\d]*\d[\s\d]*", line)]
    if counts and max(counts) > len(lines):
        raise InputError(f"broken POSCAR: {max(counts)} atoms are announced in {len(lines)} lines")

    def build() -> Structure:
        poscar = Poscar.from_str(text, read_velocities=False)
        if not poscar.true_names:
            raise InputError("the POSCAR names no elements (VASP 4); put their symbols above the counts")
        structure: Structure = poscar.structure
        return structure

    return _from_pymatgen(build, "POSCAR")


def _from_pymatgen(build: Callable[[], Any], what: str) -> Crystal:
    """Call `build` for a pymatgen structure, quietly, and turn it into a crystal."""
    from pymatgen.core import DummySpecies, IStructure

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            structure = build()
    except InputError:
        raise
    except Exception as error:
        # pymatgen's parsers raise whatever they stumble on, warnings among it; one bad row may not end a run.
        raise InputError(f"broken {what}: {_cause(error)}") from None
    if not isinstance(structure, IStructure):
        raise InputError(f"not a crystal structure: {type(structure).__name__}")
    if len(structure) > MAX_ATOMS:
        raise InputError(f"{len(structure)} atoms; at most {MAX_ATOMS} are taken")
    for element in structure.composition.elements:
        if isinstance(element, DummySpecies):
            raise InputError(f"unknown element {element.symbol!r}")
    return Crystal.from_structure(structure)


def _cause(error: Exception) -> str:
    """Say in a few words of ours what a parser stumbled on, with its own where they help."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing" if error.args else "something is missing"
    if isinstance(error, IndexError):
        return "it ends too early"
    words = " ".join(str(error).split()).removeprefix("No structure parsed for section 1 in CIF. ")
    if "Singular matrix" in words:
        return "the cell has no volume"
    return (words[:77] + "…" if len(words) > 78 else words) or error.__class__.__name__


def _array(value: object, what: str) -> NDArray[np.float64]:
    if isinstance(value, str):
        if value.strip().lower() in MISSING:
            value = None
        elif len(value) > MAX_CHARACTERS:
            raise InputError(f"{what} is longer than any crystal")
        else:
            value = _literal(value.strip())
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
