"""CIF text → data blocks of names and values.

gemmi parses the grammar; this module unifies the names of core CIF, its newer dotted dictionaries and mmCIF.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from zoo.errors import InputError

if TYPE_CHECKING:
    from gemmi import cif

FRACTIONS = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
CARTESIAN = ("_atom_site_cartn_x", "_atom_site_cartn_y", "_atom_site_cartn_z")
ABSENT = ("", ".", "?")
"""Spellings of a missing value."""

_READ = (
    "_cell_",
    "_atom_site_",
    "_atom_sites_fract_",
    "_symmetry_",
    "_space_group_",
    "_chemical_formula_",
    "_exptl_crystal_density_diffrn",
)
"""Prefixes of the names that are read; errors in other items are ignored."""

NUMBER = re.compile(r"([-+]?(?:\d+(?:\.(\d*))?|\.(\d+))(?:[eE][-+]?\d{1,3})?)(?:\((\d+)\))?")
_MAX_REPAIRS = 20  # broken lines that are dropped because zoo does not need them
_CONTROL = re.compile(r"[\0-\b\v\f\x0e-\x1f\x7f]")
_SPACES = dict.fromkeys([0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ") | dict.fromkeys(
    [0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xAD], ""
)
_TRANSLATED = _SPACES | {0x2212: "-", 0x2013: "-"}


@dataclass
class Block:
    """One data block: single values, and loops as columns; names are in lower case, values without quotes."""

    name: str
    items: dict[str, str] = field(default_factory=dict)
    loops: list[dict[str, list[str]]] = field(default_factory=list)
    repeated: str = ""
    """A name given more than once, with different values."""

    def get(self, *names: str) -> str:
        """Return the first value present under any of the names, or an empty string."""
        for name in names:
            if (value := unquoted(self.items.get(name, ""))) not in ABSENT:
                return value
        return ""

    def column(self, name: str) -> list[str]:
        """Return the values of a name, single or in a loop."""
        for loop in self.loops:
            if name in loop:
                return loop[name]
        return [self.items[name]] if name in self.items else []

    @property
    def sites(self) -> dict[str, list[str]]:
        """The columns of the loop of sites; empty if there is none."""
        for loop in self.loops:
            if any(name in loop for name in (*FRACTIONS, *CARTESIAN)):
                return loop
        single = {name: [value] for name, value in self.items.items() if name.startswith("_atom_site_")}
        return single if any(name in single for name in FRACTIONS) else {}

    @property
    def has_structure(self) -> bool:
        """Whether there are coordinates."""
        sites = self.sites
        coordinates = [value for name in (*FRACTIONS, *CARTESIAN) for value in sites.get(name, ())]
        return any(value not in ABSENT for value in coordinates)


def read_blocks(text: str) -> list[Block]:
    """Split a CIF into its data blocks.

    Raises
    ------
    InputError
        If it breaks the grammar; the message gives the line.
    """
    from gemmi import cif

    if not text.isascii():
        text = text.translate(_TRANSLATED).encode("ascii", "replace").decode()
    text = _CONTROL.sub(" ", text)
    if not re.search(r"^\s*data_", text, re.MULTILINE | re.IGNORECASE):
        raise InputError("broken CIF: no line begins with data_")
    for _ in range(_MAX_REPAIRS):
        try:
            return [_block(block) for block in cif.read_string(text, check_level=0)]
        except (ValueError, RuntimeError) as error:
            shorter = _without_line(str(error), text)
            if shorter is None:
                raise InputError(_syntax_error(str(error), text)) from None
            text = shorter
    raise InputError("broken CIF: many of its lines break the grammar")


def _without_line(message: str, text: str) -> str | None:
    """Drop what breaks the grammar if zoo does not need it: an author's name, words after the name of a block."""
    match = re.match(r"string:(\d+)\S*: (?:parse error|unterminated ['\"]string)", message)
    lines = text.split("\n")
    if match is None or not 1 <= int(match[1]) <= len(lines):
        return None
    line = lines[int(match[1]) - 1].strip()
    words = line.split(maxsplit=1)
    if re.match(r"data_\S*\s+[^\s_#]", line, re.IGNORECASE):
        lines[int(match[1]) - 1] = words[0]
        return "\n".join(lines)
    if len(words) < 2 or not re.match(r"_[a-z]", line.lower()) or _key(words[0]).startswith(_READ):
        return None
    lines[int(match[1]) - 1] = ""
    return "\n".join(lines)


def _syntax_error(message: str, text: str) -> str:
    if "Wrong number of values" in message:
        return "broken CIF: a loop_ ends in the middle of a row"
    match = re.match(r"string:(\d+)", message)
    if match is None:
        return "broken CIF: it cannot be read"
    number = int(match[1])
    line = " ".join(text.split("\n")[number - 1].split()) if number <= text.count("\n") + 1 else ""
    shown = f" ({line[:40]}…)" if len(line) > 41 else f" ({line})" if line else ""
    if "expected block header" in message:
        return f"broken CIF: line {number}{shown} comes before the first data_"
    return f"broken CIF: line {number}{shown} breaks the grammar"


def _block(source: cif.Block) -> Block:
    block = Block(source.name)
    for item in source:
        if (pair := item.pair) is not None:
            tag, value = str(pair[0]), str(pair[1])  # type: ignore[index]
            name = _key(tag)
            if not name.startswith(_READ):
                continue
            before = block.items.get(name, value)
            if before != value and unquoted(value) in ABSENT:
                continue
            if before != value and unquoted(before) not in ABSENT:
                block.repeated = tag
            block.items[name] = value
        elif (loop := item.loop) is not None:
            names = [_key(tag) for tag in loop.tags]
            if not any(name.startswith(_READ) for name in names):
                continue
            values, width = loop.values, len(names)
            if len(set(names)) < width:
                block.repeated = next(tag for tag, name in zip(loop.tags, names, strict=True) if names.count(name) > 1)
            columns = {name: values[place::width] for place, name in enumerate(names)}
            for name, column in columns.items():
                if name.startswith(_READ) and block.column(name) not in ([], column):
                    block.repeated = name
            block.loops.append(columns)
    for columns in block.loops:
        for name, column in columns.items():
            if name in block.items and column != [block.items[name]]:
                block.repeated = name
            elif len(column) == 1 and name.startswith(_READ):  # a loop of one row
                block.items[name] = column[0]
    return block


@lru_cache(maxsize=1024)
def _key(tag: str) -> str:
    return tag.lower().replace(".", "_", 1)


def unquoted(value: str) -> str:
    """Return a value without its quotes or semicolons."""
    if value[:1] in ("'", '"') and len(value) > 1:
        return value[1:-1].strip()
    return value.strip(";\n ") if value[:1] == ";" else value


def number(text: str) -> float | None:
    """Return a value as a number, without its uncertainty; None if it is not a number."""
    match = NUMBER.fullmatch(text)
    return float(match[1]) if match else None
