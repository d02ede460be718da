"""Extended XYZ → crystals, one for each frame.

A frame has a line with the number of atoms, a line of ``key=value`` pairs, and a line for each atom. ``Lattice`` holds
the cell vectors one after another in Å, ``Properties`` the columns of the atoms; positions are Cartesian. The format is
that of libAtoms (https://github.com/libAtoms/extxyz), which ASE, OVITO and MACE read and write.
"""

from __future__ import annotations

import json
import lzma
import re
import zlib
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.crystal import MAX_ATOMS
from zoo.data.structures.atoms import check_occupancy, check_periodic, from_cartesian
from zoo.data.structures.plausibility import check_plausible
from zoo.data.structures.species import ATOMIC_NUMBERS
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from zoo.data.crystal import Crystal

MAX_LINE = 1_000_000
"""Longest line, in characters."""

_NAMES = {"species": "species", "pos": "pos", "z": "Z"}
_DEFAULT = "species:S:1:pos:R:3"
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_PAIR = re.compile(
    rf"(?:{_QUOTED}|([^\s=\"]+))"  # a key
    rf"(?:=(?:{_QUOTED}|\{{([^{{}}]*)\}}|'([^']*)'|(\[(?:[^\[\]]|\[[^\[\]]*\])*\])|([^\s\"'{{\[]\S*)))?(?=\s|$)",
)
_TRUE, _FALSE = ("T", "True", "TRUE", "true"), ("F", "False", "FALSE", "false")
_SCALED = ("fractional", "frac", "scaled", "direct", "crystal", "reduced")  # said by some programs of their positions
_UNITS = ("unit", "units", "pos_unit", "pos_units", "length_unit", "length_units", "lattice_unit", "lattice_units")
_OTHER_UNITS = ("bohr", "au", "a.u.", "atomic", "nm", "pm")
_OCCUPANCIES = ("occupancy", "occupancies")


@dataclass(frozen=True)
class Frame:
    """One frame as text: the number of its first line, its pairs, the lines of its atoms, and its problem if any."""

    line: int
    pairs: Mapping[str, str]
    atoms: Sequence[str]
    problem: str = ""


def frames(file: TextIO) -> Iterator[Frame]:
    """Yield the frames of a file; if it cannot be read to its end, the last one says so."""
    lines = _Lines(file)
    while True:
        try:
            head = lines.next()
            while head is not None and not head.strip():
                head = lines.next()
            if head is None:
                return
            start = lines.number
            if not re.fullmatch(r"\s*\d{1,9}\s*", head):
                raise InputError(f"line {start} is {head.strip()[:40]!r}, not a number of atoms")
            count = int(head)
            if count > MAX_ATOMS:
                raise InputError(f"{count} atoms; at most {MAX_ATOMS} are allowed")
            comment = lines.next()
            atoms = [text for text in (lines.next() for _ in range(count)) if text is not None]
            if comment is None or len(atoms) < count:
                raise InputError(f"the frame at line {start} ends after {len(atoms)} of {count} atoms")
        except InputError as error:
            yield Frame(lines.number, {}, (), f"{error}; the file is not read any further")
            return
        try:
            yield Frame(start, read_pairs(comment), atoms)
        except InputError as error:
            yield Frame(start, {}, atoms, str(error))


class _Lines:
    """The lines of a file and the number of the latest one."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0

    def next(self) -> str | None:
        """Return the next line; None at the end."""
        try:
            text = self._file.readline(MAX_LINE + 1)
        except (OSError, EOFError, zlib.error, lzma.LZMAError):
            raise InputError(f"the file is damaged after line {self.number}") from None
        if len(text) > MAX_LINE:
            raise InputError(f"line {self.number + 1} is longer than {MAX_LINE:,} characters")
        self.number += bool(text)
        return text.rstrip("\r\n") if text else None


def parse_xyz(text: str) -> Crystal:
    """Read the only frame of a text.

    Raises
    ------
    InputError
        With the bare reason; also if there are several frames.
    """
    read = list(islice(frames(StringIO(text)), 2))
    if len(read) != 1:
        raise InputError("several frames; zoo predict and zoo.read take all if given this file" if read else "no frame")
    return parse_frame(read[0])


def read_pairs(comment: str) -> dict[str, str]:
    """Read the ``key=value`` pairs of a frame's second line; a key alone is true.

    Raises
    ------
    InputError
        If a key that says where the atoms are is given twice, or text in quotes does not end.
    """
    pairs: dict[str, str] = {}
    rest = comment.strip()
    while rest:
        match = _PAIR.match(rest)
        if match is None:
            raise InputError(f"the frame's second line cannot be read from {rest[:40]!r} on")
        quoted_key, key, quoted, braces, single, brackets, bare = match.groups()
        values = [each for each in (quoted, braces, single, brackets, bare) if each is not None]
        key = key if key is not None else _unescaped(quoted_key)
        value = (_unescaped(values[0]) if quoted is not None else values[0]) if values else "T"
        special = key.lower() in ("lattice", "pbc", "properties")
        key = key.lower() if special else key
        if special and key in pairs:
            raise InputError(f"the frame gives its {key} twice")
        pairs[key] = "True" if value in _TRUE else "False" if value in _FALSE else value
        rest = rest[match.end() :].lstrip()
    return pairs


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def parse_frame(frame: Frame) -> Crystal:
    """Return the crystal of a frame.

    Raises
    ------
    InputError
        With the bare reason: no cell, not periodic, an unknown element, missing columns, impossible distances.
    """
    pairs = frame.pairs
    if frame.problem:
        raise InputError(frame.problem)
    if "lattice" not in pairs:
        raise InputError("not a crystal: the frame has no Lattice")
    if scaled := [name for name, value in pairs.items() if name.lower() in _SCALED and value not in ("False", "0")]:
        raise InputError(f"its positions may be fractional ({scaled[0]}); those of extended XYZ are Cartesian")
    if other := [value for name, value in pairs.items() if name.lower() in _UNITS and value.lower() in _OTHER_UNITS]:
        raise InputError(f"its lengths may be in {other[0]}; those of extended XYZ are in Å")
    lattice = np.array(_numbers(pairs["lattice"], "Lattice"))
    if lattice.size != 9:
        raise InputError(f"Lattice has {lattice.size} numbers, not 9")
    lattice = lattice.reshape(3, 3)
    if pairs["lattice"].count("[") > 1 and not np.array_equal(lattice, lattice.T):
        raise InputError(
            "programs disagree on whether a list of lists holds the vectors of the lattice in rows or in columns; "
            "write Lattice as nine numbers, one vector after the other"
        )
    check_periodic(_flags(pairs.get("pbc", "T T T")))
    if not frame.atoms:
        raise InputError("the structure has no atoms")
    columns, width = _columns(pairs.get("properties", _DEFAULT))
    rows = [line.split() for line in frame.atoms]
    for number, row in enumerate(rows, frame.line + 2):
        if len(row) != width and not (len(row) > width and "properties" not in pairs):
            raise InputError(f"line {number} has {len(row)} columns where Properties has {width}")
    numbers = np.array(_elements(rows, columns))
    positions = np.array([_floats(row[columns["pos"]], "a position") for row in rows])
    per_atom = {name: columns[name] for name in _OCCUPANCIES if name in columns}
    occupancies = {name: [_floats(row[at], name) for row in rows] for name, at in per_atom.items()}
    check_occupancy({**occupancies, "info": {name: _occupancy(pairs[name]) for name in _OCCUPANCIES if name in pairs}})
    crystal = from_cartesian(numbers, lattice, positions)
    check_plausible(crystal)
    return crystal


def _columns(properties: str) -> tuple[dict[str, slice], int]:
    """Return the place of each property in a line of an atom, and the number of columns."""
    words = properties.split(":")
    columns: dict[str, slice] = {}
    width = 0
    if len(words) % 3:
        raise InputError(f"Properties={properties[:60]} is not a list of name:type:number")
    names = [_NAMES.get(name.lower(), name) for name in words[::3]]
    for name, kind, size in zip(names, words[1::3], words[2::3], strict=True):
        if kind not in ("S", "R", "I", "L") or not re.fullmatch(r"[1-9]\d{0,3}", size):
            raise InputError(f"Properties={properties[:60]} is not a list of name:type:number")
        if name in columns:
            raise InputError(f"Properties names {name} twice")
        columns[name] = slice(width, width + int(size))
        width += int(size)
    expected = {"pos": ("R", "3"), "species": ("S", "1"), "Z": ("I", "1")}
    for name, kind, size in zip(names, words[1::3], words[2::3], strict=True):
        if name in expected and (kind, size) != expected[name]:
            raise InputError(f"Properties has {name}:{kind}:{size}, not {name}:{':'.join(expected[name])}")
    if "pos" not in columns or not {"species", "Z"} & set(columns):
        raise InputError("Properties has no pos, or neither species nor Z")
    return columns, width


def _elements(rows: Sequence[Sequence[str]], columns: Mapping[str, slice]) -> list[int]:
    numbers: list[int] = []
    if "species" in columns:
        for row in rows:
            symbol = row[columns["species"].start]
            symbol = symbol if symbol in ATOMIC_NUMBERS else symbol.capitalize()
            if symbol not in ATOMIC_NUMBERS:
                raise InputError(f"unknown element {symbol!r}")
            numbers.append(ATOMIC_NUMBERS[symbol])
    if "Z" in columns:
        stated = [int(z) if z.isdecimal() else 0 for z in (row[columns["Z"].start] for row in rows)]
        if numbers and stated != numbers:
            place = next(i for i, (one, other) in enumerate(zip(numbers, stated, strict=True)) if one != other)
            raise InputError(f"atom {place + 1} has two elements, by its species and by its Z")
        numbers = stated
    return numbers


def _numbers(text: str, what: str) -> list[float]:
    """Read numbers between blanks or commas, or a list of them, or of lists of them, in square brackets."""
    if text.lstrip().startswith("["):
        try:
            return np.asarray(json.loads(text), dtype=np.float64).ravel().tolist()
        except (ValueError, TypeError, RecursionError):
            raise InputError(f"{what} is {text[:40]!r}, not a list of numbers") from None
    return _floats(text.replace(",", " ").split(), what)


def _floats(words: Sequence[str], what: str) -> list[float]:
    try:
        return [float(word.lower().replace("d", "e")) for word in words]
    except ValueError:
        raise InputError(f"{what} is {' '.join(words)[:40]!r}, not a list of numbers") from None


def _flags(text: str) -> list[bool]:
    words = text.strip().removeprefix("[").removesuffix("]").replace(",", " ").split()
    known = {**dict.fromkeys((*_TRUE, "t", "1"), True), **dict.fromkeys((*_FALSE, "f", "0"), False)}
    if len(words) not in (1, 3) or not all(word in known for word in words):
        raise InputError(f"pbc is {text[:40]!r}, not three times T or F")
    return [known[word] for word in words]


def _occupancy(text: str) -> object:
    """Return ASE's dictionary of occupancies, which it writes as JSON, or the numbers given."""
    if text.startswith("_JSON "):
        try:
            return json.loads(text.removeprefix("_JSON "))
        except (ValueError, RecursionError):
            raise InputError("the frame's occupancies cannot be read") from None
    return _numbers(text, "occupancy")
