"""Plainly written CIFs → crystals, without pymatgen; anything else is left to it.

Nearly all CIFs of ordered crystals look alike: one data block, the six cell parameters, a loop of symmetry operations
and a loop of fully occupied sites. Such a text is read here line by line, as pymatgen reads it and in its order of
sites. At the first thing that is not plain (quotes around a number, partial occupancy, a label that is no element, a
space group without its operations, sites that coincide …) reading stops, and :func:`zoo.data.structures.cif.parse_cif`
decides. So
nothing is guessed here, and every refusal is worded there.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.crystal import SYMBOLS, Crystal
from zoo.data.elements import properties
from zoo.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_SITES = 1000
"""Most atoms of a cell that is read here; to compare all pairs of more takes too long."""

_TOLERANCE = 1e-4  # pymatgen's, of fractional coordinates: nearer sites are one, and this near a third is a third
_CELL = tuple(
    f"_cell_{name}" for name in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
)
_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
_SYMBOL, _LABEL, _OCCUPANCY = "_atom_site_type_symbol", "_atom_site_label", "_atom_site_occupancy"
_FRACTIONS = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
_FORMULA = "_chemical_formula_sum"
_GROUPS = ("space_group_name", "int_tables_number", "it_number")
# Magnetic and modulated structures, hydrogen without coordinates, texts over several lines.
_UNUSUAL = ("magn", "moment", "modulation", "wave_vector", "attached_hydrogens", "save_", "\n;")
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)(?:\(\d+\))?")
_PLAIN_NUMBER = frozenset("0123456789.-")
_SPECIES = re.compile(r"([A-Z][a-z]?)(?:\d*[-+])?")
_NAME = re.compile(r"([A-Z][a-z]?)\d*")
_TOKENS = re.compile(r"""'([^']*)'(?!\S)|"([^"]*)"(?!\S)|([^'"\s]\S*)""")
_TERM = re.compile(r"([+-]?)(?:(\d+(?:\.\d+)?)(?:/(\d+))?\*?)?([xyz]?)")

_Loop = dict[str, list[str]]


class _UnusualError(Exception):
    """Something that this module does not read."""


def read_plain_cif(text: str) -> Crystal | None:
    """Read a plainly written CIF.

    Parameters
    ----------
    text : str
        With Unix line ends.

    Returns
    -------
    Crystal or None
        As pymatgen would read it, or None if the text is not plain.
    """
    try:
        items, loops = _split(text)
        return _crystal(items, loops)
    except (_UnusualError, InputError, KeyError, ValueError, ZeroDivisionError, OverflowError):
        return None


def _split(text: str) -> tuple[dict[str, str], list[_Loop]]:
    """Return single values and loops."""
    lower = text.lower()
    if not text.isascii() or any(word in lower for word in _UNUSUAL):
        raise _UnusualError
    lines = [line for raw in text.split("\n") if (line := raw.strip()) and line[0] != "#"]
    items: dict[str, str] = {}
    loops: list[_Loop] = []
    blocks, position = 0, 0
    while position < len(lines):
        line = lines[position]
        position += 1
        if line[:5].lower() == "data_":
            blocks += 1
        elif line.lower() == "loop_":
            names: list[str] = []
            while position < len(lines) and lines[position][0] == "_":
                names.append(lines[position])
                position += 1
            rows: list[list[str]] = []
            while position < len(lines) and not lines[position].lower().startswith(("_", "loop_", "data_")):
                rows.append(_words(lines[position]))
                position += 1
            if not rows or any(len(row) != len(names) for row in rows) or any(" " in name for name in names):
                raise _UnusualError
            loops.append(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
        elif line[0] == "_":
            words = _words(line)
            if len(words) != 2 or words[0] in items:
                raise _UnusualError
            items[words[0]] = words[1]
        else:
            raise _UnusualError
    if blocks != 1:
        raise _UnusualError
    return items, loops


def _words(line: str) -> list[str]:
    if "#" in line:
        raise _UnusualError
    if "'" not in line and '"' not in line:
        return line.split()
    # Nearly always one text in quotes at the end of the line.
    before, _, rest = line.partition("'")
    if rest[-1:] == "'" and rest.count("'") == 1 and '"' not in line and before[-1:] in ("", " ", "\t"):
        return [*before.split(), rest[:-1]]
    return [a or b or c for a, b, c in _TOKENS.findall(line)]


def _crystal(items: dict[str, str], loops: list[_Loop]) -> Crystal:
    (sites,) = [loop for loop in loops if any("fract" in name for name in loop)]
    numbers, keys = _species(sites)
    coordinates = np.array([_numbers(sites[name]) for name in _FRACTIONS]).T
    for third in (1 / 3, 2 / 3):
        coordinates[np.abs(coordinates / third - 1) <= _TOLERANCE] = third
    if any(value not in ("1", "1.0", "1.00", "1.000", "1.0000") for value in sites.get(_OCCUPANCY, ())):
        raise _UnusualError
    rotations, translations = _symmetry(items, loops)
    _check_formula(items, numbers)
    # One matrix for all operations, in homogeneous coordinates as pymatgen has them: the last bits agree.
    affine = np.zeros((len(rotations), 3, 4))
    affine[:, :, :3], affine[:, :, 3] = rotations, translations
    homogeneous = np.append(coordinates, np.ones((len(coordinates), 1)), axis=1)
    images = np.array([affine.reshape(-1, 4) @ site for site in homogeneous]).reshape(len(numbers), -1, 3)
    images -= np.floor(images)
    # An image is kept unless an earlier one of the same site stands there.
    kept = np.ones(images.shape[:2], dtype=bool)
    if len(rotations) > 1:
        kept = np.array([~np.tril(_coincide(points), -1).any(axis=1) for points in images])
    frac, atoms = images[kept], np.nonzero(kept)[0]
    if len(frac) > MAX_SITES or np.triu(_coincide(frac), 1).any():
        raise _UnusualError
    order = sorted(range(len(atoms)), key=lambda atom: keys[atoms[atom]])
    return Crystal(numbers[atoms[order]].astype(np.uint8), _lattice(items), frac[order])


def _coincide(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which points stand on which, shape (n, n), for fractional coordinates in the cell."""
    together = np.ones((len(points), len(points)), dtype=bool)
    for axis in points.T:
        apart = np.abs(axis[:, None] - axis[None, :])
        together &= np.minimum(apart, 1 - apart) < _TOLERANCE
    return together


def _species(sites: _Loop) -> tuple[NDArray[np.int64], list[tuple[float, str]]]:
    """Return atomic numbers, and what pymatgen sorts sites by: electronegativity, then symbol."""
    names, pattern = (sites[_SYMBOL], _SPECIES) if _SYMBOL in sites else (sites[_LABEL], _NAME)
    if _LABEL not in sites or len(names) > MAX_SITES:
        raise _UnusualError
    known = _elements()
    found = []
    for name in names:
        match = pattern.fullmatch(name)
        if match is None or match[1] not in known:
            raise _UnusualError
        found.append(match[1])
    # Where an element has no electronegativity, pymatgen's order of sites follows no rule, unless it is the only one.
    if len(set(found)) > 1 and any(np.isnan(known[symbol][1]) for symbol in set(found)):
        raise _UnusualError
    return np.array([known[symbol][0] for symbol in found]), [(known[symbol][1], symbol) for symbol in found]


@lru_cache(maxsize=1)
def _elements() -> dict[str, tuple[int, float]]:
    """Return atomic number and electronegativity by symbol; NaN, where there is none."""
    return {
        SYMBOLS[int(row["number"])]: (int(row["number"]), float(row["electronegativity"] or "nan"))
        for row in properties()
    }


def _numbers(words: list[str]) -> list[float]:
    if _PLAIN_NUMBER.issuperset("".join(words)):
        return list(map(float, words))
    values = []
    for word in words:
        match = _NUMBER.fullmatch(word)
        if match is None:
            raise _UnusualError
        values.append(float(match[1]))
    return values


def _lattice(items: dict[str, str]) -> NDArray[np.float64]:
    """Return the cell's vectors as pymatgen places them: c along z, a in the plane of x and z."""
    *lengths, alpha, beta, gamma = _numbers([items[name] for name in _CELL])
    a, b, c = lengths
    if min(lengths) < 0.5 or min(alpha, beta, gamma) < 5 or max(alpha, beta, gamma) > 175:
        raise _UnusualError
    angles = np.radians([alpha, beta, gamma])
    cos, sin = np.cos(angles), np.sin(angles)
    gamma_star = np.arccos(np.clip((cos[0] * cos[1] - cos[2]) / (sin[0] * sin[1]), -1, 1))
    lattice = np.array(
        [
            [a * sin[1], 0.0, a * cos[1]],
            [-b * sin[0] * np.cos(gamma_star), b * sin[0] * np.sin(gamma_star), b * cos[0]],
            [0.0, 0.0, c],
        ]
    )
    if abs(np.linalg.det(lattice)) < 0.1:
        raise _UnusualError
    return lattice


def _symmetry(items: dict[str, str], loops: list[_Loop]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the operations: rotations of shape (n, 3, 3) and translations of shape (n, 3)."""
    stated = [(name, values) for loop in loops for name, values in loop.items() if "xyz" in name.lower()]
    if any("xyz" in name.lower() for name in items) or len(stated) > 1:
        raise _UnusualError
    if stated:
        name, texts = stated[0]
        if name not in _OPERATIONS:
            raise _UnusualError
        operations = [_operation(text) for text in texts]
        return np.array([rotation for rotation, _ in operations]), np.array([shift for _, shift in operations])
    groups = [value for name, value in items.items() if any(part in name.lower() for part in _GROUPS)]
    if any(value.replace(" ", "").upper() not in ("P1", "1") for value in groups):
        raise _UnusualError
    return np.eye(3)[None], np.zeros((1, 3))


@lru_cache(maxsize=4096)
def _operation(text: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    parts = text.replace(" ", "").lower().split(",")
    rotation, translation = np.zeros((3, 3)), np.zeros(3)
    if len(parts) != 3:
        raise _UnusualError
    for row, part in enumerate(parts):
        position = 0
        while position < len(part):
            match = _TERM.match(part, position)
            if match is None or match.end() == position or not (match[2] or match[4]):
                raise _UnusualError
            position = match.end()
            value = float(match[2] or 1) / float(match[3] or 1) * (-1 if match[1] == "-" else 1)
            if match[4]:
                rotation[row, "xyz".index(match[4])] += value
            else:
                translation[row] += value
    if abs(abs(np.linalg.det(rotation)) - 1) > 1e-6:
        raise _UnusualError
    return rotation, translation


def _check_formula(items: dict[str, str], numbers: NDArray[np.int64]) -> None:
    """Leave a text whose formula names an element that no site holds to the reader that says so."""
    words = items.get(_FORMULA, "").split()
    named = [re.fullmatch(r"([A-Z][a-z]?)[\d.]*", word) for word in words]
    if not all(match and match[1] in _elements() for match in named):
        raise _UnusualError
    if {match[1] for match in named if match} - {SYMBOLS[number] for number in numbers}:
        raise _UnusualError
