"""Symmetry operations and space groups → the operations of one closed group, in the axes of the cell.

A CIF may list its operations, name its space group (by a Hermann-Mauguin or Hall symbol or a number), or both. The
listed operations must form a group of the same type as the named one. If several settings of a name fit the cell
(origin choices), all are returned, and the file's other statements decide.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import InputError

if TYPE_CHECKING:
    import gemmi
    from numpy.typing import NDArray

DENOMINATOR = 120
"""Translations are multiples of 1 / `DENOMINATOR`, which covers all space groups, and fifths."""

MAX_OPERATIONS = 768  # four times the largest space group, because supercells list additional translations
_METRIC_TOLERANCE = 0.012  # relative, on squared lengths: about 0.6 % of a length, or 0.6°
_TERM = re.compile(r"([+-]?)(?:(\d+(?:\.\d*)?|\.\d+)(?:/(\d+))?\*?)?([xyz]?)")
_SETTING = re.compile(r"\s*:\s*([A-Za-z0-9-]+)\s*$")
_CHOICE = re.compile(r"\s*\(?\s*origin\s+(?:choice|at)?\s*([12])\s*\)?\s*$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Operations:
    """The operations of a group, as an array of rotations and one of translations.

    Parameters
    ----------
    rotations : array of shape (n, 3, 3), int64
        On fractional coordinates.
    translations : array of shape (n, 3), int64
        In units of 1 / `DENOMINATOR`.
    name : str
        Description for messages.
    """

    rotations: NDArray[np.int64]
    translations: NDArray[np.int64]
    name: str = ""

    def __len__(self) -> int:
        return len(self.rotations)

    @property
    def shifts(self) -> NDArray[np.float64]:
        """Translations in fractional coordinates."""
        return self.translations / DENOMINATOR

    def preserve_metric(self, metric: NDArray[np.float64]) -> bool:
        """Return whether every operation preserves the metric of a cell, shape (3, 3), in Å²."""
        lengths = np.sqrt(np.diag(metric))
        changed = np.einsum("nji,jk,nkl->nil", self.rotations, metric, self.rotations) - metric
        return bool((np.abs(changed) <= _METRIC_TOLERANCE * np.outer(lengths, lengths)).all())

    @property
    def codes(self) -> frozenset[int]:
        """The operations encoded as integers; equal sets mean equal groups."""
        return frozenset(_codes(self.rotations, self.translations).tolist())


@dataclass(frozen=True)
class StatedGroup:
    """The space group stated in a file, apart from its operations.

    Parameters
    ----------
    names : tuple of str
        Hermann-Mauguin symbols.
    hall : str
    numbers : tuple of int
        Of the International Tables.
    code : str
        Coordinate-system code, such as ``2`` or ``h``.
    """

    names: tuple[str, ...] = ()
    hall: str = ""
    numbers: tuple[int, ...] = ()
    code: str = ""

    def __bool__(self) -> bool:
        return bool(self.names or self.hall or self.numbers)

    def __str__(self) -> str:
        return ", ".join([*self.names, *([self.hall] if self.hall else []), *(f"number {n}" for n in self.numbers)])


def identity() -> Operations:
    """Return the operations of P 1."""
    return Operations(np.eye(3, dtype=np.int64)[None], np.zeros((1, 3), dtype=np.int64), "P 1")


@lru_cache(maxsize=256)
def listed_operations(texts: tuple[str, ...]) -> tuple[Operations, bool]:
    """Read a list of operations such as ``-y, x-y, z+1/3``.

    Returns
    -------
    Operations
        The group that they generate.
    bool
        Whether the list was that group already.

    Raises
    ------
    InputError
        If an entry is not a symmetry operation, or there are too many.
    """
    if len(texts) > MAX_OPERATIONS:
        raise InputError(f"{len(texts)} symmetry operations; at most {MAX_OPERATIONS} are allowed")
    read = [read_operation(text) for text in texts]
    listed = Operations(np.array([r for r, _ in read]), np.array([t for _, t in read]), "the listed operations")
    group = _generated(listed)
    return group, group.codes == listed.codes


@lru_cache(maxsize=4096)
def read_operation(text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read one operation: the rotation of shape (3, 3), and the translation in units of 1 / `DENOMINATOR`.

    Raises
    ------
    InputError
        If it is not a symmetry operation. Each of x, y, z and the constant may occur once in each component.
    """
    refusal = InputError(f"broken CIF: {text!r} is not a symmetry operation")
    parts = re.sub(r"[\s'\"]", "", text).lower().split(",")
    rotation, translation = np.zeros((3, 3), dtype=np.int64), np.zeros(3, dtype=np.int64)
    if len(parts) != 3:
        raise refusal
    for row, part in enumerate(parts):
        position, seen = 0, set()
        while position < len(part):
            match = _TERM.match(part, position)
            if match is None or match.end() == position or not (match[2] or match[4]) or match[4] in seen:
                raise refusal
            if position and not match[1]:
                raise refusal
            position = match.end()
            seen.add(match[4])
            if match[3] and not int(match[3]):
                raise refusal
            value = float(match[2] or 1) / float(match[3] or 1) * (-1 if match[1] == "-" else 1)
            if match[4]:
                if value != round(value) or abs(value) > 5:
                    raise refusal
                rotation[row, "xyz".index(match[4])] = round(value)
            else:
                translation[row] = _multiple(value, len(match[2].partition(".")[2]), refusal)
    if abs(round(np.linalg.det(rotation))) != 1:
        raise refusal
    return rotation, translation % DENOMINATOR


def _multiple(value: float, digits: int, refusal: InputError) -> int:
    """Return a translation in units of 1 / `DENOMINATOR`; the decimals "0.33" and "0.3333" mean 1/3."""
    if abs(value) > 1000:
        raise refusal
    for steps, tolerance in ((24, min(10.0**-digits, 0.0101) if digits else 1e-9), (DENOMINATOR, 1e-6)):
        if abs(value - round(value * steps) / steps) <= tolerance:
            return round(value * steps) * (DENOMINATOR // steps)
    raise refusal


def _codes(rotations: NDArray[np.int64], translations: NDArray[np.int64]) -> NDArray[np.int64]:
    flat = rotations.reshape(-1, 9) + 5
    code = np.zeros(len(flat), dtype=np.int64)
    for column in flat.T:
        code = code * 11 + column
    for column in (translations % DENOMINATOR).T:
        code = code * DENOMINATOR + column
    return code


def _generated(listed: Operations) -> Operations:
    """Return the group generated by the operations, the listed ones first, without duplicates."""
    one = identity()
    rotations = np.concatenate([listed.rotations, one.rotations])
    translations = np.concatenate([listed.translations, one.translations])
    while True:
        _, first = np.unique(_codes(rotations, translations), return_index=True)
        first.sort()
        rotations, translations = rotations[first], translations[first]
        count = len(rotations)
        if count > MAX_OPERATIONS:
            raise InputError("broken CIF: the symmetry operations do not form a group")
        products = np.einsum("aij,bjk->abik", rotations, rotations).reshape(-1, 3, 3)
        moved = (np.einsum("aij,bj->abi", rotations, translations) + translations[:, None]).reshape(-1, 3)
        if np.abs(products).max() > 5:
            raise InputError("broken CIF: the symmetry operations do not form a group")
        known = np.isin(_codes(products, moved), _codes(rotations, translations))
        if known.all():
            return Operations(rotations, translations, listed.name)
        new = np.nonzero(~known)[0][: 4 * MAX_OPERATIONS]
        rotations = np.concatenate([rotations[:count], products[new]])
        translations = np.concatenate([translations[:count], moved[new] % DENOMINATOR])


def settings(group: StatedGroup, metric: NDArray[np.float64]) -> list[Operations]:
    """Return the settings of a stated space group that fit a cell of this metric; none if the group is unknown.

    Raises
    ------
    InputError
        If symbols and numbers contradict each other, or the group does not fit the cell.
    """
    hall = _hall_operations(group.hall) if group.hall else None
    named = [found for name in group.names if (found := _named(name))]
    types = [{each.number for each in found} for found in named] + [{number} for number in group.numbers]
    if hall is not None and type_number(hall):
        types.append({type_number(hall)})
    if types and not set.intersection(*types):
        raise InputError(f"the CIF names two space groups: {group}")
    if hall is not None:
        return _fitting([hall], metric, group)
    chosen = named[0] if named else [each for number in group.numbers for each in _numbered(number)]
    if not chosen:
        return []
    if group.code:
        wanted = group.code.lower()
        chosen = [each for each in chosen if _extension(each).lower() in ("", wanted)] or chosen
    return _fitting([operations_of(each) for each in chosen], metric, group)


@lru_cache(maxsize=1024)
def stated_numbers(group: StatedGroup) -> set[int]:
    """Return the numbers of the stated space-group types; empty if no known group is stated."""
    if group.hall and (operations := _hall_operations(group.hall)) is not None:
        return {type_number(operations)} - {0}
    numbers = {each.number for name in group.names for each in _named(name)}
    return numbers or set(group.numbers)


def type_number(operations: Operations) -> int:
    """Return the number of the space-group type of a group in any setting; 0 if it cannot be determined."""
    return _type_number(operations.rotations.tobytes(), operations.translations.tobytes())


@lru_cache(maxsize=256)
def _type_number(rotations: bytes, translations: bytes) -> int:
    import spglib

    r = np.frombuffer(rotations, dtype=np.int64).reshape(-1, 3, 3)
    t = np.frombuffer(translations, dtype=np.int64).reshape(-1, 3) / DENOMINATOR
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = spglib.get_spacegroup_type_from_symmetry(r.astype(np.intc), t, symprec=1e-3)
    except spglib.SpglibError:
        return 0
    return int(found.number) if found is not None else 0


def _fitting(candidates: list[Operations], metric: NDArray[np.float64], group: StatedGroup) -> list[Operations]:
    fitting = [each for each in candidates if each.preserve_metric(metric)]
    if not fitting:
        raise InputError(f"the cell does not have the symmetry of its space group ({group}); check lengths and angles")
    return fitting


def operations_of(group: gemmi.SpaceGroup) -> Operations:
    """Return the operations of a setting in gemmi's table."""
    return _tabulated(group.xhm(), group.hall)


@lru_cache(maxsize=600)
def _tabulated(name: str, hall: str) -> Operations:
    import gemmi

    return _from_gemmi(gemmi.symops_from_hall(hall), name)


def _from_gemmi(operations: gemmi.GroupOps, name: str) -> Operations:
    import gemmi

    scale = DENOMINATOR // gemmi.Op.DEN
    pairs = [(op.rot, op.tran) for op in operations]
    rotations = np.array([rot for rot, _ in pairs], dtype=np.int64) // gemmi.Op.DEN
    translations = np.array([tran for _, tran in pairs], dtype=np.int64) * scale % DENOMINATOR
    return Operations(rotations, translations, name)


@lru_cache(maxsize=256)
def _hall_operations(symbol: str) -> Operations | None:
    import gemmi

    try:
        found = gemmi.symops_from_hall(symbol.replace("_", " "))
    except (RuntimeError, ValueError):
        return None
    operations = _generated(_from_gemmi(found, symbol))
    return operations if len(operations) <= 192 else None


@lru_cache(maxsize=1024)
def _named(symbol: str) -> list[gemmi.SpaceGroup]:
    """Return the settings of a Hermann-Mauguin symbol; several if it does not fix the origin or the axes."""
    import gemmi

    text = " ".join(re.sub(r"\((\d)\)", r"\1", symbol.replace("_", "").replace("~", " ")).split())
    code = ""
    for pattern in (_SETTING, _CHOICE):
        if match := pattern.search(text):
            text, code = text[: match.start()], match[1]
            break
    if match := re.search(r"(?<=[\da-z/)])\s*([SZHR])$", text):  # "F d -3 m S", "R -3 m H": as in ICSD
        text, code = text[: match.start()], {"S": "1", "Z": "2"}.get(match[1], match[1])
    found = gemmi.find_spacegroup_by_name(text) if text else None
    if found is None:
        found = _squeezed().get(re.sub(r"\s", "", text).lower())
    if found is None:
        return []
    alike = [each for each in gemmi.spacegroup_table() if each.hm == found.hm and each.number == found.number]
    if code:
        alike = [each for each in alike if _extension(each).upper() == code.upper()] or (
            alike
            if code.lower().lstrip("-") in ("a1", "b1", "c1", "b2", "b3", "abc", "1", "h") and len(alike) == 1
            else []
        )
    return alike


@lru_cache(maxsize=1)
def _squeezed() -> dict[str, gemmi.SpaceGroup]:
    """Return gemmi's table by symbol without spaces; the reference setting takes precedence."""
    import gemmi

    table: dict[str, gemmi.SpaceGroup] = {}
    for each in gemmi.spacegroup_table():
        for name in (each.hm, each.short_name()):
            table.setdefault(name.replace(" ", "").lower(), each)
    return table


@lru_cache(maxsize=256)
def _numbered(number: int) -> list[gemmi.SpaceGroup]:
    """Return the standard setting of a space group, with both origins or both kinds of axes where there are two."""
    import gemmi

    try:
        found = gemmi.find_spacegroup_by_number(number)
    except (RuntimeError, ValueError):
        return []
    return [each for each in gemmi.spacegroup_table() if each.number == number and each.hm == found.hm]


def _extension(group: gemmi.SpaceGroup) -> str:
    return str(group.ext).strip("\0 ")
