"""Site loop of a CIF data block → elements and coordinates."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.crystal import MAX_ATOMS
from zoo.data.structures.cif.blocks import ABSENT, CARTESIAN, FRACTIONS, NUMBER, Block, number, unquoted
from zoo.data.structures.species import ATOMIC_NUMBERS, element_of_label, element_of_type
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zoo.data.structures.statements import Statements

_MULTIPLICITIES = ("_atom_site_symmetry_multiplicity", "_atom_site_site_symmetry_multiplicity")
_IN_ONE_LOOP = ("_atom_site_type_symbol", "_atom_site_occupancy", "_atom_site_disorder_group")
_PLAIN = frozenset("0123456789.-")
_DIGITS = re.compile(r"^[^.]*\.?|\D.*$")  # everything but the digits after the decimal point
_FULL = 0.005  # tolerance on full occupancy, for the rounding of refined values
_THIRD = 1e-4  # relative; coordinates this close to 1/3 or 2/3 are set to it


def read_sites(
    block: Block, lattice: NDArray[np.float64], statements: Statements, letters: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Read the sites that hold an atom.

    Parameters
    ----------
    block : Block
    lattice : array of shape (3, 3)
        Vectors as rows, in Å.
    statements : Statements
        The formula is used to read labels.
    letters : int
        How to read ambiguous labels; see :func:`zoo.data.structures.species.element_of_label`.

    Returns
    -------
    array of shape (n,)
        Atomic numbers.
    array of shape (n, 3)
        Fractional coordinates.
    array of shape (n, 3)
        Half a unit of each coordinate's last digit.

    Raises
    ------
    InputError
        If a site does not hold exactly one element, is disordered or partially occupied, or has no coordinates.
    """
    sites = block.sites
    fractional = any(name in sites for name in FRACTIONS)
    names = FRACTIONS if fractional else CARTESIAN
    if any(name not in sites for name in names):
        raise InputError("broken CIF: the sites need three coordinates each")
    for apart in (name for loop in block.loops if loop is not sites for name in _IN_ONE_LOOP if name in loop):
        raise InputError(f"broken CIF: {apart} is not in the loop of the coordinates")
    kept = _kept(sites)
    if not kept:
        raise InputError("the structure has no atoms")
    if len(kept) > MAX_ATOMS:
        raise InputError(f"{len(kept)} sites; at most {MAX_ATOMS} atoms are allowed")
    _check_disorder(sites, kept)
    symbols = _elements(sites, kept, statements, letters)
    _check_occupancies(sites, kept, symbols)
    _check_hydrogens(sites, kept, symbols, statements)
    values, units = _coordinates([[sites[name][row] for name in names] for row in kept])
    if not fractional:
        values, units = _fractional(block, values, lattice), np.full(values.shape, 1e-4)
    for third in (1 / 3, 2 / 3):
        values[np.abs(values / third - 1) <= _THIRD] = third
    return np.array([ATOMIC_NUMBERS[symbol] for symbol in symbols]), values, units


def multiplicities(block: Block) -> list[float | None]:
    """Return the stated multiplicity of each site that holds an atom; None where there is none."""
    sites = block.sites
    column = next((sites[name] for name in _MULTIPLICITIES if name in sites), None)
    return [number(unquoted(column[row])) for row in _kept(sites)] if column else []


def _kept(sites: dict[str, list[str]]) -> list[int]:
    count = len(next(sites[name] for name in (*FRACTIONS, *CARTESIAN) if name in sites))
    return [row for row in range(count) if not _is_dummy(sites, row)]


def _is_dummy(sites: dict[str, list[str]], row: int) -> bool:
    flag = sites.get("_atom_site_calc_flag")
    occupancy = sites.get("_atom_site_occupancy")
    dummy = flag is not None and unquoted(flag[row]).lower() == "dum"
    return dummy or (occupancy is not None and number(unquoted(occupancy[row])) == 0)


def _elements(sites: dict[str, list[str]], kept: Sequence[int], statements: Statements, letters: int) -> list[str]:
    types = sites.get("_atom_site_type_symbol", [])
    labels = sites.get("_atom_site_label") or sites.get("_atom_site_label_atom_id") or []
    if not types and not labels:
        raise InputError("broken CIF: the sites have neither a type symbol nor a label")
    formula = tuple(sorted(statements.formula)) if statements.formula else None
    found = []
    for row in kept:
        symbol = unquoted(types[row]) if types else ""
        label = unquoted(labels[row]) if labels else ""
        if symbol not in ABSENT:
            found.append(_typed(symbol, formula, label if label == symbol else None))
        else:
            found.append(_labelled(label, formula, letters))
    return found


@lru_cache(maxsize=4096)
def _typed(symbol: str, formula: tuple[str, ...] | None, label: str | None) -> str:
    return element_of_type(symbol, formula, label)


@lru_cache(maxsize=4096)
def _labelled(label: str, formula: tuple[str, ...] | None, letters: int) -> str:
    return element_of_label(label, formula, letters)


def _check_disorder(sites: dict[str, list[str]], kept: Sequence[int]) -> None:
    groups = sites.get("_atom_site_disorder_group")
    if groups is None:
        return
    assemblies = sites.get("_atom_site_disorder_assembly") or ["."] * len(groups)
    seen: dict[str, set[str]] = {}
    for row in kept:
        if re.fullmatch(r"-?[1-9]\d*", group := unquoted(groups[row])):
            seen.setdefault(unquoted(assemblies[row]), set()).add(group)
    several = (members for members in seen.values() if len(members) > 1 or min(members).startswith("-"))
    for group in (min(members) for members in several):
        raise InputError(f"disordered sites (disorder group {group}); zoo needs ordered structures")


def _check_occupancies(sites: dict[str, list[str]], kept: Sequence[int], symbols: Sequence[str]) -> None:
    column = sites.get("_atom_site_occupancy")
    if column is None:
        return
    for row in kept:
        text = unquoted(column[row])
        if text in ("1", "1.0", "1.00", "1.000", "1.0000", *ABSENT):  # not given: fully occupied
            continue
        match = NUMBER.fullmatch(text)
        if match is None:
            raise InputError(f"broken CIF: the occupancy {text!r} is not a number")
        value, digits = float(match[1]), len(match[2] or match[3] or "")
        rounding = min(2 * int(match[4]) * 10.0**-digits, 0.02) if match[4] else 0.0
        if abs(value - 1) <= max(_FULL, rounding):
            continue
        if value > 1:
            raise InputError(f"broken CIF: an occupancy of {text}, more than 1")
        place = [sites[name][row] for name in FRACTIONS if name in sites]
        shares = [
            f"{other}:{unquoted(column[i])}"
            for i, other in zip(kept, symbols, strict=True)
            if i == row or (place and [sites[name][i] for name in FRACTIONS] == place)
        ]
        raise InputError(f"partial occupancy ({', '.join(shares)}); zoo needs ordered structures")


def _check_hydrogens(
    sites: dict[str, list[str]], kept: Sequence[int], symbols: Sequence[str], statements: Statements
) -> None:
    column = sites.get("_atom_site_attached_hydrogens")
    if column is None or ("H" in symbols and statements.formula is not None):  # the formula check covers these
        return
    if any((number(unquoted(column[row])) or 0) > 0 for row in kept):
        raise InputError("the CIF implies hydrogen atoms that have no coordinates")


def _coordinates(rows: list[list[str]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coordinates, and half a unit of the last digit of each, both of shape (n, 3)."""
    texts = [text for row in rows for text in row]
    if not _PLAIN.issuperset("".join(texts)):
        texts = [_coordinate(text) for text in texts]
    try:
        values = np.array([float(text.partition("(")[0]) for text in texts])
    except ValueError:
        raise InputError("the CIF has a coordinate that is not a number") from None
    digits = np.array([len(_DIGITS.sub("", text)) for text in texts])
    units = np.where(digits > 1, 0.5 * 10.0**-digits, 5e-4)  # values such as 0 and 0.5 are exact
    return values.reshape(-1, 3), units.reshape(-1, 3)


def _coordinate(text: str) -> str:
    number = unquoted(text)
    if NUMBER.fullmatch(number):
        return number
    if number.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise InputError("the lattice or a coordinate is not a finite number")
    raise InputError(f"the CIF has the coordinate {text!r}, which is not a number")


def _fractional(block: Block, cartesian: NDArray[np.float64], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert Cartesian to fractional coordinates with the matrix given in the file (mmCIF)."""
    matrix = np.zeros((3, 3))
    vector = np.zeros(3)
    for i in range(3):
        for j in range(3):
            value = number(block.get(f"_atom_sites_fract_transf_matrix[{i + 1}][{j + 1}]"))
            if value is None:
                raise InputError("the CIF holds no crystal structure: there are no fractional coordinates")
            matrix[i, j] = value
        vector[i] = number(block.get(f"_atom_sites_fract_transf_vector[{i + 1}]")) or 0.0
    if abs(np.linalg.det(matrix)) < 1e-12:
        raise InputError("broken CIF: its matrix of fractional coordinates has no inverse")
    vectors = np.linalg.inv(matrix).T  # as rows
    metric, lengths = lattice @ lattice.T, np.linalg.norm(lattice, axis=1)
    if (np.abs(vectors @ vectors.T - metric) > 0.01 * np.outer(lengths, lengths)).any():
        raise InputError("the CIF's matrix of fractional coordinates does not belong to its cell")
    return cartesian @ matrix.T + vector
