"""CIF text -> pymatgen structure, without guesses.

pymatgen reads a defective CIF as well as it can and warns: an unknown symbol becomes the element of its first
letter, hydrogen without coordinates is left out, an unreadable symmetry becomes P1. A prediction for such a
structure would look like any other. Here each of these is refused with its reason.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.crystal import SYMBOLS
from zoo.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

# Deuterium and tritium are hydrogen; the others are how water is labelled.
_OTHER_SYMBOLS = {"D", "T", "Hw", "Ow", "Wat"}
_KNOWN_SYMBOLS = frozenset(SYMBOLS[1:]) | _OTHER_SYMBOLS
_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")


def parse_cif(text: str, max_atoms: int) -> Structure:
    """Read the one structure of a CIF.

    Parameters
    ----------
    text : str
        The CIF.
    max_atoms : int
        Most sites that the CIF may list.

    Raises
    ------
    InputError
        With the bare reason, if there is no structure or more than one, or if it could be read only by
        guessing. Other exceptions of pymatgen's parser pass through.
    """
    from pymatgen.io.cif import CifParser

    if not re.search(r"^\s*data_", text, re.MULTILINE | re.IGNORECASE):
        raise InputError("broken CIF: no line begins with data_")
    try:
        parser = CifParser.from_str(text)
    except ZeroDivisionError:
        raise InputError("the structure has no atoms: a loop_ of the CIF has no rows") from None
    except ValueError:
        raise InputError("broken CIF: a loop_ ends in the middle of a row") from None
    blocks = [block for block in parser.as_dict().values() if any("_atom_site_fract" in key for key in block)]
    if not blocks:
        raise InputError("the CIF holds no crystal structure: there are no fractional coordinates")
    if len(blocks) > 1:
        raise InputError(f"the CIF holds {len(blocks)} structures; give each its own file or row")
    _check_block(blocks[0], max_atoms)
    structures = parser.parse_structures(primitive=False, on_error="raise")
    structure: Structure = structures[0]
    _check_space_group(blocks[0], len(parser.symmetry_operations))
    if "implicit_hydrogens" in structure.site_properties:
        raise InputError("the CIF implies hydrogen atoms that have no coordinates")
    _check_elements(blocks[0], structure)
    return structure


def _check_block(block: dict[str, Any], max_atoms: int) -> None:
    """Refuse what pymatgen would guess at, or take very long for."""
    missing = [key for key in _CELL if not block.get(f"_cell_{key}")]
    if missing:
        raise InputError(f"broken CIF: _cell_{missing[0]} is missing")
    for key in _CELL:
        _check_cell(key, str(block[f"_cell_{key}"]))
    columns = [_column(block, f"_atom_site_fract_{axis}") for axis in "xyz"]
    counts = {len(column) for column in columns}
    if len(counts) > 1 or "_atom_site_label" not in block:
        raise InputError("broken CIF: the sites need a label and three fractional coordinates each")
    sites = counts.pop()
    if sites == 0:
        raise InputError("the structure has no atoms")
    if sites > max_atoms:
        raise InputError(f"{sites} sites; at most {max_atoms} atoms are taken")
    for value in itertools.chain.from_iterable(columns):
        _check_coordinate(value)
    for operation in _operations(block):
        _check_operation(operation)
    for symbol in _column(block, "_atom_site_type_symbol"):
        letters = re.match(r"[A-Za-z]*", symbol.strip("'\" "))
        if letters is None or letters.group().title() not in _KNOWN_SYMBOLS:
            raise InputError(f"unknown element {symbol!r}")


def _check_cell(key: str, text: str) -> None:
    """Refuse a negative length, and an angle beyond 0 to 180°: pymatgen makes cells of them."""
    try:
        value = float(text.partition("(")[0])
    except ValueError:  # pymatgen says what it cannot read
        return
    if value < 0 or ("angle" in key and (value == 0 or value >= 180)):
        raise InputError(f"broken CIF: _cell_{key} is {text}")


def _column(block: dict[str, Any], key: str) -> list[str]:
    value = block.get(key, [])
    return [value] if isinstance(value, str) else list(value)


def _check_coordinate(text: str) -> None:
    try:
        value = float(text.split("(")[0])  # what follows in brackets is the uncertainty
    except ValueError:
        raise InputError(f"the CIF has the coordinate {text!r}, which is no number") from None
    if not math.isfinite(value):
        raise InputError("the lattice or a coordinate is not a finite number")


def _operations(block: dict[str, Any]) -> list[str]:
    return [text for key in block if key.rstrip("_") in _OPERATIONS for text in _column(block, key)]


def _check_operation(text: str) -> None:
    """Refuse an operation that is none: pymatgen takes what it does not understand for zero."""
    from pymatgen.core.operations import SymmOp

    rotation = SymmOp.from_xyz_str(text).rotation_matrix
    if not math.isclose(abs(np.linalg.det(rotation)), 1, abs_tol=1e-6):
        raise InputError(f"broken CIF: {text!r} is no symmetry operation")


def _check_space_group(block: dict[str, Any], operations: int) -> None:
    """Refuse a space group that stands for the operations but is not known, and so was read as P1."""
    if operations > 1 or _operations(block):
        return
    keys = ("space_group_name", "int_tables_number", "space_group_it_number")
    stated = [str(value) for key, value in block.items() if any(part in key.lower() for part in keys)]
    for group in (value.strip("'\" ") for value in stated):
        if group not in ("", "?", ".", "1") and group.replace(" ", "").upper() != "P1":
            raise InputError(f"the CIF lists no symmetry operations, and its space group {group!r} is not known")


def _check_elements(block: dict[str, Any], structure: Structure) -> None:
    """Refuse a structure that lacks an element of the formula that the CIF itself gives."""
    from pymatgen.core import Composition

    formula = block.get("_chemical_formula_sum")
    if not isinstance(formula, str):
        return
    try:
        named = {element.symbol for element in Composition(formula.strip("'\" ")).elements}
    except (ValueError, AttributeError, TypeError):
        return  # a formula that says nothing is no evidence
    missing = sorted(named - {element.symbol for element in structure.composition.elements} - {"D", "T"})
    if missing:
        raise InputError(f"the formula in the CIF has {', '.join(missing)}, but no site holds it")
