"""VASP files that begin with a structure (POSCAR, CONTCAR, XDATCAR, CHGCAR …) → crystal."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.crystal import MAX_ATOMS, MAX_LENGTH, Crystal
from zoo.data.structures.species import ATOMIC_NUMBERS, element_of_word
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d{1,3})?|[-+]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_FRAME = re.compile(r"^\s*(?:direct|cartesian)\s+configuration\s*=", re.IGNORECASE | re.MULTILINE)
_COMMENT = re.compile(r"\s[!#].*")
_FLAGS = frozenset({"T", "F", "TRUE", "FALSE"})


def parse_poscar(text: str) -> Crystal:
    """Read the structure of a POSCAR, keeping the order of its atoms.

    Parameters
    ----------
    text : str
        With Unix line ends. Anything after an empty line below the positions (velocities, a charge density) is ignored.

    Raises
    ------
    InputError
        With the bare reason: missing or extra numbers, counts that do not match symbols or positions, a trajectory of
        several frames, a VASP 4 file without symbols.
    """
    frames = len(_FRAME.findall(text))
    if frames > 1:
        raise InputError(f"a trajectory of {frames} frames; save the frame you want as a POSCAR")
    lines = text.split("\n")
    if len(lines) < 7:
        raise InputError("broken POSCAR: the file ends too early")
    scale = _scale(lines[1])
    vectors = np.array([_three(line, f"lattice vector {i}") for i, line in enumerate(lines[2:5], 1)])
    symbols, counts, row = _species(lines)
    total = sum(counts)
    if total == 0:
        raise InputError("the structure has no atoms")
    if total > len(lines):
        raise InputError(f"broken POSCAR: {total} atoms are declared in {len(lines)} lines")
    if total > MAX_ATOMS:
        raise InputError(f"{total} atoms; at most {MAX_ATOMS} are allowed")
    if row < len(lines) and lines[row].strip()[:1] in ("s", "S"):  # selective dynamics
        row += 1
    if row >= len(lines):
        raise InputError("broken POSCAR: the file ends too early")
    mode = lines[row].strip()
    if _numbers(mode, 3) is not None:
        raise InputError(f"broken POSCAR: line {row + 1} is neither Direct nor Cartesian")
    positions, named = _positions(lines, row + 1, total)
    lattice, factor = _scaled(vectors, scale)
    if mode[:1] in ("c", "C", "k", "K"):
        try:
            positions = np.asarray(np.linalg.solve(lattice.T, (positions * factor).T).T, dtype=np.float64)
        except np.linalg.LinAlgError:
            raise InputError("broken POSCAR: the cell has no volume") from None
    return Crystal(_numbers_of_atoms(symbols, counts, named), lattice, positions)


def _numbers(line: str, count: int) -> list[float] | None:
    """Return the first `count` numbers of a line; None if there are fewer."""
    words = line.split()[:count]
    if len(words) < count or not all(_NUMBER.fullmatch(word) for word in words):
        return None
    return [float(word.lower().replace("d", "e")) if "d" in word.lower() else float(word) for word in words]


def _three(line: str, what: str) -> list[float]:
    values = _numbers(line, 3)
    if values is None:
        raise InputError(f"broken POSCAR: {what} is {line.strip()[:40]!r}, not three numbers")
    if not all(map(math.isfinite, values)):
        raise InputError("the lattice or a coordinate is not a finite number")
    return values


def _scale(line: str) -> list[float]:
    values = _numbers(line, 3) or _numbers(line, 1)
    if values is None or (len(line.split()) == 2 and _numbers(line, 2) is not None):
        raise InputError(f"broken POSCAR: its second line is {line.strip()[:40]!r}, not the scale")
    if not all(map(math.isfinite, values)) or 0 in values or (len(values) == 3 and min(values) < 0):
        raise InputError(f"broken POSCAR: a scale of {line.strip()[:40]}")
    return values


def _scaled(vectors: NDArray[np.float64], scale: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lattice and the factors of Cartesian coordinates; a negative scale is the cell volume."""
    volume = abs(float(np.linalg.det(vectors)))
    if len(scale) == 1 and scale[0] < 0:
        if volume < 1e-12 * max(1.0, float(np.abs(vectors).max())) ** 3:
            raise InputError("broken POSCAR: the cell has no volume")
        factor = np.full(3, (-scale[0] / volume) ** (1 / 3))
    else:
        factor = np.array(scale if len(scale) == 3 else [scale[0]] * 3)
    lattice = vectors * factor
    if not np.isfinite(lattice).all() or np.abs(lattice).max() > MAX_LENGTH:
        raise InputError("broken POSCAR: its scale gives no valid cell")
    return lattice, factor


def _species(lines: Sequence[str]) -> tuple[list[str], list[int], int]:
    """Return symbols (none in VASP 4), counts, and the number of the line after them."""
    symbols: list[str] = []
    row = 5
    while row < len(lines) and row < 25 and (words := _COMMENT.sub("", " " + lines[row]).split()):
        if all(re.fullmatch(r"\d+", word) for word in words):
            break
        if re.fullmatch(r"\d+", words[0]):  # counts followed by something else
            whole = [word for word in words if re.fullmatch(r"\d+", word)]
            if symbols and len(whole) == len(symbols) and words[: len(whole)] == whole:
                words = whole
                break
            raise InputError(f"broken POSCAR: line {row + 1} is neither symbols nor counts ({lines[row].strip()[:40]})")
        symbols += [element_of_word(word) for word in words]
        row += 1
    else:
        raise InputError("broken POSCAR: there are no counts of atoms")
    counts = [int(word[:12]) for word in words]
    row += 1
    while symbols and len(counts) < len(symbols) and row < len(lines):  # long lists continue on the next line
        more = lines[row].split()
        if (
            not more
            or not all(re.fullmatch(r"\d{1,12}", word) for word in more)
            or len(counts) + len(more) > len(symbols)
        ):
            break
        counts += map(int, more)
        row += 1
    if symbols and len(symbols) != len(counts):
        raise InputError(f"broken POSCAR: {len(symbols)} symbols ({' '.join(symbols)}) for {len(counts)} counts")
    return symbols, counts, row


def _positions(lines: Sequence[str], row: int, total: int) -> tuple[NDArray[np.float64], list[str]]:
    """Return the coordinates, and the symbols after them if every line has one."""
    if len(lines) < row + total:
        raise InputError("broken POSCAR: the file ends too early")
    values, named = [], []
    for number, line in enumerate(lines[row : row + total], row + 1):
        if not line.strip():
            raise InputError(f"broken POSCAR: {total} atoms are expected, but line {number} is empty")
        values.append(_three(line, f"line {number}"))
        rest = line.split()[3:]
        if len(rest) >= 3 and all(word.strip(".").upper() in _FLAGS for word in rest[:3]):
            rest = rest[3:]
        word = re.sub(r"\d+$", "", rest[0]) if rest else ""
        named.append(word if word in ATOMIC_NUMBERS else "")
    if row + total < len(lines):
        after = lines[row + total]
        if _numbers(after, 3) is not None:
            raise InputError(f"broken POSCAR: there are more positions than the {total} atoms in the counts")
        if _begins_with_a_structure(lines[row + total : row + total + 10]):
            raise InputError("the POSCAR holds several structures; give each its own file or row")
    return np.array(values), named if all(named) else []


def _begins_with_a_structure(lines: Sequence[str]) -> bool:
    """Return whether a title, a scale and three vectors follow, which are neither velocities nor a charge density."""
    title, *rest = [_COMMENT.sub("", line).split() for line in lines if line.strip()][:5] or [[]]
    return (
        [len(words) for words in rest] == [1, 3, 3, 3]
        and all(_numbers(" ".join(words), len(words)) is not None for words in rest)
        and title[0].lower() != "lattice"
    )


def _numbers_of_atoms(symbols: Sequence[str], counts: Sequence[int], named: Sequence[str]) -> NDArray[np.uint8]:
    listed = [symbol for symbol, count in zip(symbols, counts, strict=False) for _ in range(count)]
    atoms = [ATOMIC_NUMBERS[symbol] for symbol in listed]
    behind = [ATOMIC_NUMBERS[symbol] for symbol in named]
    if not atoms and not behind:
        raise InputError("the POSCAR names no elements (VASP 4); add a line of symbols above the counts")
    if atoms and behind and atoms != behind:
        place = next(i for i, (one, other) in enumerate(zip(atoms, behind, strict=True)) if one != other)
        raise InputError(
            f"broken POSCAR: atom {place + 1} is {listed[place]} by the counts, {named[place]} by its line"
        )
    return np.array(atoms or behind, dtype=np.uint8)
