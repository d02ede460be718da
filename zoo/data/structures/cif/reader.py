"""CIF text → crystal, by the rules of the CIF dictionaries and without guessing.

gemmi splits the text into names and values; this module interprets them. Core CIF, its newer dotted names and mmCIF
use the same names once these are written in lower case with underscores.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.crystal import MAX_ATOMS, Crystal
from zoo.data.elements import properties
from zoo.data.structures.cif.blocks import ABSENT, Block, number, read_blocks, unquoted
from zoo.data.structures.cif.orbits import expand
from zoo.data.structures.cif.sites import multiplicities, read_sites
from zoo.data.structures.cif.symmetry import (
    Operations,
    StatedGroup,
    identity,
    listed_operations,
    settings,
    stated_numbers,
    type_number,
)
from zoo.data.structures.plausibility import check_plausible
from zoo.data.structures.species import AmbiguousLabelError, parse_formula
from zoo.data.structures.statements import Statements
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
_NAMES = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_name_h-m_full")
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
_CODES = ("_space_group_it_coordinate_system_code", "_symmetry_cell_setting_code")
_FORMULAS = ("_chemical_formula_sum", "_chemical_formula_moiety", "_chemical_formula_structural")


def parse_cif(text: str) -> Crystal:
    """Read the one structure of a CIF.

    Parameters
    ----------
    text : str
        With Unix line ends.

    Returns
    -------
    Crystal
        All atoms of the cell, sorted by electronegativity and symbol.

    Raises
    ------
    InputError
        With the bare reason, if there is no structure or more than one, if the structure is ambiguous, or if it
        contradicts other statements in the file.
    """
    blocks = read_blocks(text)
    structures = [block for block in blocks if block.has_structure]
    if not structures:
        if any(block.sites for block in blocks):
            raise InputError("the structure has no atoms: the CIF's loop of sites has no coordinates")
        raise InputError("the CIF holds no crystal structure: there are no fractional coordinates")
    if len(structures) > 1:
        raise InputError(f"the CIF holds {len(structures)} structures; give each its own file or row")
    try:
        return _crystal(structures[0])
    except AmbiguousLabelError:
        return _parse_ambiguous_labels(structures[0])


def _parse_ambiguous_labels(block: Block) -> Crystal:
    """Resolve ambiguous labels such as CA with the formula."""
    read: list[Crystal] = []
    reason: InputError | None = None
    for letters in (2, 1):
        try:
            read.append(_crystal(block, letters))
        except InputError as error:
            reason = reason or error
    if len(read) == 1:
        return read[0]
    raise reason or InputError("the labels of the sites could mean several elements, and there are no type symbols")


def _crystal(block: Block, letters: int = 0) -> Crystal:
    if block.repeated:
        raise InputError(f"broken CIF: {block.repeated} is given twice, with different values")
    _check_kind(block)
    lattice = _lattice(block)
    statements = _statements(block)
    numbers, frac, units = read_sites(block, lattice, statements, letters)
    first: InputError | None = None
    fitting: list[Crystal] = []
    readings = list(_readings(block, lattice @ lattice.T))
    for operations, certain in readings:
        try:
            crystal = _expanded(numbers, frac, units, operations, lattice, multiplicities(block))
            check_plausible(crystal)
            statements.check(crystal)
        except InputError as error:
            first = first or error
            continue
        if certain or statements.determine_content:
            fitting.append(crystal)
        else:
            first = first or InputError(_undecided(block))
    if not fitting:
        assert first is not None
        raise first
    if (len(fitting) > 1 and len({len(crystal) for crystal in fitting}) > 1) or (len(fitting) > 1 and _differ(fitting)):
        names = " or ".join(operations.name for operations, _ in readings)
        raise InputError(f"the CIF does not say which setting of its space group it uses ({names}), and several fit")
    return fitting[0]


def _differ(crystals: Sequence[Crystal]) -> bool:
    """Return whether the candidate crystals of one file differ, judged by their sorted interatomic distances."""
    if len(crystals[0]) > 500:
        return True
    spectra = []
    for crystal in crystals:
        apart = crystal.frac[:, None] - crystal.frac[None]
        apart -= np.round(apart)
        distances = np.linalg.norm(apart @ crystal.lattice, axis=2)
        weights = crystal.numbers.astype(float)[:, None] * crystal.numbers
        spectra.append(np.sort(np.round(distances + 1e3 * weights, 2), axis=None))
    return any(not np.allclose(spectra[0], each, rtol=0, atol=0.02) for each in spectra[1:])


def _check_kind(block: Block) -> None:
    """Refuse modulated and magnetic structures, whose operations act on more than the three coordinates."""
    names = [*block.items, *(name for loop in block.loops for name in loop)]
    dimension = block.get("_cell_modulation_dimension")
    if any("ssg" in name for name in names) or dimension not in ("", "0"):
        raise InputError(
            "a modulated structure (superspace symmetry); zoo reads crystals with three-dimensional symmetry"
        )
    if any("magn_operation" in name or "magn_centering" in name or "magn_ssg" in name for name in names):
        raise InputError("a magnetic structure (magnetic symmetry operations); give the nuclear structure")


def _lattice(block: Block) -> NDArray[np.float64]:
    """Return the cell's vectors: c along z, a in the plane of x and z."""
    values = []
    for name in _CELL:
        key = f"_cell_{name}"
        text = block.get(key)
        if not text and "angle" in name and unquoted(block.items.get(key, "")) == ".":
            text = "90"  # the dictionary's default
        if not text:
            raise InputError(f"broken CIF: {key} is missing")
        value = number(text)
        if value is None:
            if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
                raise InputError("the lattice or a coordinate is not a finite number")
            raise InputError(f"broken CIF: {key} is {text!r}, not a number")
        if value < 0 or ("angle" in name and (value == 0 or value >= 180)):
            raise InputError(f"broken CIF: {key} is {text}")
        values.append(value)
    a, b, c = values[:3]
    angles = np.radians(values[3:])
    cos, sin = np.cos(angles), np.sin(angles)
    cos_gamma_star = (cos[0] * cos[1] - cos[2]) / (sin[0] * sin[1])
    if min(a, b, c) == 0 or abs(cos_gamma_star) >= 1:
        raise InputError("broken CIF: the cell has no volume")
    gamma_star = np.arccos(cos_gamma_star)
    return np.array(
        [
            [a * sin[1], 0.0, a * cos[1]],
            [-b * sin[0] * np.cos(gamma_star), b * sin[0] * np.sin(gamma_star), b * cos[0]],
            [0.0, 0.0, c],
        ]
    )


def _statements(block: Block) -> Statements:
    formula, text = None, ""
    for name in _FORMULAS:
        text = " ".join(block.get(name).split())
        formula = parse_formula(text) if text else None
        if formula is not None:
            break
    units = number(block.get("_cell_formula_units_z"))
    volume, density = number(block.get("_cell_volume")), number(block.get("_exptl_crystal_density_diffrn"))
    return Statements(formula, text, units or None, volume or None, density or None)


def _stated_group(block: Block) -> StatedGroup:
    names = dict.fromkeys(filter(None, (" ".join(block.get(name).split()) for name in _NAMES)))
    numbers = [number(block.get(name)) for name in _NUMBERS]
    whole = dict.fromkeys(int(n) for n in numbers if n is not None and n == int(n) and 1 <= n <= 230)
    return StatedGroup(tuple(names), " ".join(block.get(*_HALL).split()), tuple(whole), block.get(*_CODES))


def _undecided(block: Block) -> str:
    group = _stated_group(block)
    if not group and not any(block.column(name) for name in _OPERATIONS):
        return (
            f"the CIF gives {_unread_symmetry(block)}, but no space group or symmetry operations that zoo can read, "
            "and no formula with Z to show that it lists all atoms"
        )
    return (
        f"the listed symmetry operations are not those of the space group ({str(group) or 'not named'}), "
        "and there is no formula with Z to decide which is right"
    )


def _unread_symmetry(block: Block) -> str:
    """Return a statement of symmetry that zoo cannot read: an unknown name, or no value; empty if there is none."""
    for name, value in block.items.items():
        known = unquoted(value) not in ABSENT and unquoted(value).lower() != "triclinic"
        if name.startswith(("_symmetry_", "_space_group_")) and (known or name in _NAMES):
            return f"{name} {value}"
    return next((name for loop in block.loops for name in loop if name.startswith(("_symmetry_", "_space_group_"))), "")


def _readings(block: Block, metric: NDArray[np.float64]) -> Iterator[tuple[Operations, bool]]:
    """Yield the groups of operations compatible with the file, and whether the file states each unambiguously."""
    group = _stated_group(block)
    lists = [tuple(map(unquoted, column)) for name in _OPERATIONS if (column := block.column(name))]
    lists = [texts for texts in lists if any(text not in ABSENT for text in texts)]
    if not lists and not group:
        yield identity(), not _unread_symmetry(block)
        return
    if not lists:
        yield from _named_readings(group, metric)
        return
    listed, complete = listed_operations(lists[0])
    if len(listed) == 1 and len(lists) == 1 and _is_p1(group):
        yield listed, True
        return
    if any(listed_operations(other)[0].codes != listed.codes for other in lists[1:]):
        raise InputError("broken CIF: it lists two different sets of symmetry operations")
    fits = listed.preserve_metric(metric)
    numbers = stated_numbers(group)
    if not fits and not numbers:
        raise InputError("the cell does not have the symmetry of the listed operations; check lengths and angles")
    # Programs that do not search for symmetry write P 1 as well.
    if fits and complete and (not numbers or type_number(listed) in (*numbers, 0)):
        yield listed, True
        return
    try:
        named = settings(group, metric)
    except InputError:
        named = []
    if not fits and not named:
        raise InputError("the cell does not have the symmetry of the listed operations; check lengths and angles")
    if complete and not named:
        raise InputError(f"the listed symmetry operations are not those of the stated space group ({group})")
    if any(each.codes == listed.codes for each in named):  # an incomplete list of the named group
        yield listed, True
        return
    if fits:
        yield listed, False
    for each in named:
        if not fits or listed.codes <= each.codes:
            yield each, False


@lru_cache(maxsize=1024)
def _is_p1(group: StatedGroup) -> bool:
    return stated_numbers(group) in (set(), {1})


def _named_readings(group: StatedGroup, metric: NDArray[np.float64]) -> Iterator[tuple[Operations, bool]]:
    found = settings(group, metric)
    if not found:
        raise InputError(f"the CIF lists no symmetry operations, and its space group {group.names[0]!r} is not known")
    for each in found:
        yield each, True


def _expanded(
    numbers: NDArray[np.int64],
    frac: NDArray[np.float64],
    units: NDArray[np.float64],
    operations: Operations,
    lattice: NDArray[np.float64],
    stated: Sequence[float | None],
) -> Crystal:
    lengths = np.linalg.norm(lattice, axis=1)
    tolerances = np.clip(3 * np.linalg.norm(units * lengths, axis=1), 0.02, 0.3)
    atoms, owners = expand(frac, tolerances, operations, lattice)
    if len(atoms) > MAX_ATOMS:
        raise InputError(f"{len(atoms)} atoms; at most {MAX_ATOMS} are allowed")
    _check_multiplicities(np.bincount(owners, minlength=len(frac)), stated, len(operations))
    order = np.argsort(_ranks()[numbers[owners]], kind="stable")
    return Crystal(numbers[owners][order].astype(np.uint8), lattice, atoms[order])


def _check_multiplicities(found: NDArray[np.int64], stated: Sequence[float | None], order: int) -> None:
    """Compare the stated multiplicities of the sites, or the orders of their site symmetries, as SHELX writes them."""
    wrong = [i for i, number in enumerate(stated) if number not in (None, found[i])]
    if wrong and any(number not in (None, order / found[i]) for i, number in enumerate(stated)):
        site = wrong[0]
        raise InputError(
            f"the file says that site {site + 1} has the multiplicity {stated[site]:g}; the symmetry repeats it "
            f"{found[site]} times in the cell"
        )


@lru_cache(maxsize=1)
def _ranks() -> NDArray[np.int64]:
    """Return each element's rank by electronegativity, then symbol; elements without a value come last."""
    rows = sorted(properties(), key=lambda row: (float(row["electronegativity"] or "inf"), row["symbol"]))
    ranks = np.zeros(len(rows) + 1, dtype=np.int64)
    for rank, row in enumerate(rows):
        ranks[int(row["number"])] = rank
    return ranks
