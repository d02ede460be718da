"""pymatgen's dictionary of a structure, or its text (JSON or a Python literal) → crystal."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo._utils.bounded import MalformedError, unique_keys
from zoo.data.crystal import MAX_ATOMS, Crystal
from zoo.data.structures.species import ATOMIC_NUMBERS
from zoo.data.structures.statements import Statements
from zoo.errors import InputError

_MAX_LITERAL = 4_000_000  # characters of a Python literal; its syntax tree takes a hundred times as much memory
_FULL = 1e-3  # tolerance on full occupancy
_POSITION_TOLERANCE = 0.02  # Å, between a site's fractional and Cartesian coordinates
_NAMES: dict[str, Any] = {"nan": math.nan, "NaN": math.nan, "inf": math.inf, "Infinity": math.inf}
_NAMES |= {"null": None, "true": True, "false": False, "None": None, "True_": True, "False_": False}
_ATTEMPTS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def read_literal(text: str) -> Any:
    """Read JSON or a Python literal, as pandas writes dictionaries; nothing is evaluated.

    numpy's number and array literals (``np.float64(0.5)``, ``array([0.5])``) are read as their contents.

    Raises
    ------
    InputError
        If the text is neither.
    """
    try:
        return json.loads(text, object_pairs_hook=unique_keys)
    except MalformedError as error:
        raise InputError(f"broken JSON: {error}") from None
    except _ATTEMPTS:
        pass
    if len(text) <= _MAX_LITERAL:
        try:
            return _value(ast.parse(text, mode="eval").body)
        except _ATTEMPTS:
            pass
    raise InputError("broken JSON")


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Dict():
            return unique_keys(
                [(_value(key), _value(value)) for key, value in zip(node.keys, node.values, strict=True) if key]
            )
        case ast.List() | ast.Tuple() | ast.Set():
            return [_value(each) for each in node.elts]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            number = _value(node.operand)
            if isinstance(number, int | float):
                return -number if isinstance(node.op, ast.USub) else number
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name):
            if name in _NAMES:
                return _NAMES[name]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name)):
            if len(node.args) >= 1 and re.fullmatch(r"u?int\d*|float\d*|longlong|bool_?|str_|array|complex\d*", name):
                return _value(node.args[0])
    raise ValueError


def parse_dictionary(value: object) -> Crystal:
    """Read pymatgen's dictionary of an ordered structure.

    Raises
    ------
    InputError
        With the bare reason: not a crystal, partial occupancy, or contradictory statements.
    """
    if not isinstance(value, Mapping) or "sites" not in value:
        raise InputError("not a pymatgen dictionary of a structure: it has no 'sites'")
    if "lattice" not in value:
        raise InputError("not a crystal: pymatgen's dictionary has no 'lattice'")
    sites = value["sites"]
    if not isinstance(sites, list | tuple):
        raise InputError("broken pymatgen dictionary: 'sites' is not a list")
    if not sites:
        raise InputError("the structure has no atoms")
    if len(sites) > MAX_ATOMS:
        raise InputError(f"{len(sites)} sites; at most {MAX_ATOMS} atoms are allowed")
    lattice, volume = _lattice(value["lattice"])
    numbers, frac = [], []
    for site in sites:
        if not isinstance(site, Mapping):
            raise InputError("broken pymatgen dictionary: a site is not a dictionary")
        numbers.append(_atomic_number(site))
        frac.append(_vector(site, "abc"))
    crystal = Crystal(np.array(numbers), lattice, np.array(frac))
    for row, site in enumerate(sites):
        if site.get("xyz") is not None:
            _check_position(crystal, row, _vector(site, "xyz"))
    Statements(volume=volume).check(crystal)
    return crystal


def _lattice(value: object) -> tuple[np.ndarray, float | None]:
    if not isinstance(value, Mapping):
        raise InputError("broken pymatgen dictionary: 'lattice' is not a dictionary")
    if "matrix" not in value:
        raise InputError("broken pymatgen dictionary: matrix is missing")
    matrix = _array(value["matrix"], "matrix", 9).reshape(3, 3)
    periodic = value.get("pbc")
    if isinstance(periodic, Sequence) and any(each is False for each in periodic):
        raise InputError("not a crystal: pymatgen's dictionary is not periodic in all three directions")
    lengths = np.linalg.norm(matrix, axis=1)
    for name, length in zip("abc", lengths, strict=True):
        stated = value.get(name)
        if isinstance(stated, int | float) and abs(stated - length) > 0.01 * max(length, 1.0):
            raise InputError(f"the dictionary says {name} = {stated:g} Å; its matrix gives {length:.6g} Å")
    volume = value.get("volume")
    return matrix, float(volume) if isinstance(volume, int | float) and volume > 0 else None


def _atomic_number(site: Mapping[str, Any]) -> int:
    species = site.get("species")
    if not isinstance(species, list | tuple) or not species or not all(isinstance(each, Mapping) for each in species):
        raise InputError("broken pymatgen dictionary: a site has no species")
    shares = []
    for each in species:
        symbol, share = each.get("element"), each.get("occu", 1.0)
        if not isinstance(share, int | float):
            raise InputError("broken pymatgen dictionary: an occupancy is not a number")
        shares.append((str(symbol), float(share)))
    symbol, share = shares[0]
    if len(shares) > 1 or not abs(share - 1) <= _FULL:
        words = ", ".join(f"{name}:{part:.3g}" for name, part in shares)
        raise InputError(f"partial occupancy ({words}); zoo needs ordered structures")
    if symbol not in ATOMIC_NUMBERS:
        raise InputError(f"unknown element {symbol!r}")
    return ATOMIC_NUMBERS[symbol]


def _vector(site: Mapping[str, Any], key: str) -> np.ndarray:
    if key not in site:
        raise InputError(f"broken pymatgen dictionary: {key} is missing")
    return _array(site[key], key, 3)


def _array(value: object, what: str, size: int) -> np.ndarray:
    if isinstance(value, Mapping):  # monty's form of an array
        value = value.get("data")
    try:
        array = np.asarray(value, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"broken pymatgen dictionary: {what} is not a list of numbers") from None
    if array.size != size:
        raise InputError(f"broken pymatgen dictionary: {what} has {array.size} numbers, not {size}")
    if not np.isfinite(array).all():
        raise InputError("the lattice or a coordinate is not a finite number")
    return array


def _check_position(crystal: Crystal, row: int, cartesian: np.ndarray) -> None:
    apart = cartesian @ np.linalg.inv(crystal.lattice) - crystal.frac[row]
    distance = float(np.linalg.norm((apart - np.round(apart)) @ crystal.lattice))
    if distance > _POSITION_TOLERANCE:
        raise InputError(f"site {row + 1} has fractional and Cartesian coordinates that are {distance:.3g} Å apart")
