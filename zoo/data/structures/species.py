"""Type symbols, site labels and chemical formulas → elements, without guessing.

A type symbol is an element, perhaps with a charge. A site label is chosen freely by the author ("O1",
"OH2", "CA"): it is used only without a type symbol, and the formula in the file decides between two possible elements.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from zoo.data.crystal import SYMBOLS
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ATOMIC_NUMBERS: dict[str, int] = {symbol: number for number, symbol in enumerate(SYMBOLS) if number}
ATOMIC_NUMBERS |= {"D": 1, "T": 1}
"""Atomic numbers by symbol; deuterium and tritium are hydrogen."""

# Capitals that mean a group of atoms or a site (rare earth, tetrahedron) at least as often as an element.
_GROUPS = frozenset({"CO", "NO", "HF", "CN", "CF", "NH", "PO", "HO", "OH", "CS", "NP", "OS", "BH", "BK", "RE", "T"})
_OXYGEN = frozenset({"OH", "OW", "WAT", "AQ", "HOH"})  # labels of hydroxide and water
_LAST_NATURAL = 98  # heavier elements must be written exactly
_CHARGED = re.compile(r"([A-Za-z]{1,2})(?:\d*\.?\d*[+-]|[+-]\d*\.?\d*|0)?")
_NUMBERED = re.compile(r"([A-Za-z]{1,2})\d+[A-Za-z]?")
_NUMBER = re.compile(r"\d+\.?\d*|\.\d+")
_PART = re.compile(r"\s*(?:([A-Z][a-z]?)|([(\[{])|([)\]}]))\s*(\d+\.?\d*|\.\d+)?")


def element_of_type(text: str, formula: Collection[str] | None = None, label: str | None = None) -> str:
    """Return the element of a type symbol.

    Parameters
    ----------
    text : str
        Such as ``Na``, ``Na1+``, ``O2-`` or ``FE``.
    formula : collection of str, optional
        Elements of the formula that the file states.
    label : str, optional
        The site's label, which some programs repeat as the type symbol.

    Raises
    ------
    InputError
        If the symbol names no element, or a group of atoms (``CO3``, ``NH4``, ``OH``).
    """
    match = _CHARGED.fullmatch(text)
    if match is None and (numbered := _NUMBERED.fullmatch(text)) and (formula or text == label):
        match = numbered
    if match is not None:
        letters = match[1]
        if letters in ATOMIC_NUMBERS and letters != "T":
            return _plain(letters)
        title = letters.title()
        stated = formula is not None and _plain(title) in formula
        if title in ATOMIC_NUMBERS and (stated or letters.upper() not in _GROUPS):
            return _plain(title)
    group = re.match(r"[A-Z][A-Za-z]*\d*", text)
    if group and group.end() > 1 and _is_group(group.group()):
        raise InputError(f"the type symbol {text!r} names a group of atoms, not an element")
    raise InputError(f"unknown element {text!r}")


class AmbiguousLabelError(InputError):
    """A label that fits two elements of the formula, such as CA (C or Ca)."""


def element_of_label(text: str, formula: Collection[str] | None = None, letters: int = 0) -> str:
    """Return the element of a site label.

    Parameters
    ----------
    text : str
    formula : collection of str, optional
        Elements of the formula that the file states.
    letters : int
        Number of letters to read if both one and two are possible: CA is C with 1 and Ca with 2; with 0 it is refused.

    Raises
    ------
    InputError
        If the label fits no element, or several.
    """
    beginning = re.match(r"[A-Za-z]*", text)
    word = beginning.group() if beginning else ""
    rest = text[len(word) :]
    if re.match(r"O-[Hh](?![a-z])|Wat", text):  # mineralogists' labels of hydroxide and water
        word, rest = "OH", ""
    if not word or re.match(r"[,/&|;+-]+[A-Za-z]", rest):
        raise InputError(f"the label {text!r} does not identify an element, and there is no type symbol")
    two, one = word[:2].title(), word[0].upper()
    exact = [name for name in (word[:2], word[:1]) if name in ATOMIC_NUMBERS]
    candidates = {name for name in (two, one) if name in ATOMIC_NUMBERS}
    if exact and (len(exact[0]) == 2 or len(word) == 1 or (word[1].islower() and two not in ATOMIC_NUMBERS)):
        best = exact[0] if exact[0] != "T" else ""
    else:
        best = ""
    water = word.upper() in _OXYGEN or (one == "W" and rest[:1].isdigit() and formula is not None)
    if formula is not None:
        found = {_plain(name) for name in candidates} & set(formula)
        if best and _plain(best) in found and len(word) <= max(2, len(best)) and not (len(best) == 2 and len(word) > 2):
            return _plain(best)
        if water and "O" in formula and not (best and _plain(best) in found):
            if found - {"O", "H"}:
                raise InputError(f"the label {text!r} could mean {_either(found | {'O'})}, and there is no type symbol")
            return "H" if word.upper() == "HOH" and "H" in formula else "O"
        if len(found) == 1:
            return found.pop()
        if not found:
            raise InputError(f"the label {text!r} names no element of the formula, and there is no type symbol")
        if letters:
            return _plain(two if letters == 2 else one)
        raise AmbiguousLabelError(f"the label {text!r} could mean {_either(found)}, and there is no type symbol")
    if best and len(word) == len(best):
        return _plain(best)
    if word.upper() in _OXYGEN and word.upper() != "HOH":
        return "O"
    if word in ("Hw", "HW"):
        return "H"
    candidates = {name for name in candidates if ATOMIC_NUMBERS[name] <= _LAST_NATURAL or name == word[:2]} - {"T"}
    if len(candidates) == 1 and not _is_element_like(word[1:]):
        return _plain(candidates.pop())
    if len(candidates) == 1 and len(word) == 2 and one not in ATOMIC_NUMBERS:
        return _plain(candidates.pop())
    if candidates:
        raise InputError(f"the label {text!r} could mean several elements, and there is no type symbol or formula")
    raise InputError(f"unknown element {text!r}")


def element_of_word(text: str) -> str:
    """Return the element of a word in a POSCAR: ``Na``, ``NA``, ``na``, ``Na_pv`` or ``Na_pv/0a1b2c``.

    Raises
    ------
    InputError
        If it is not an element.
    """
    word = re.split(r"[_/.]", text, maxsplit=1)[0]
    if word in ATOMIC_NUMBERS:
        return _plain(word)
    title = word.title()
    if len(word) <= 2 and title in ATOMIC_NUMBERS and word.upper() not in _GROUPS:
        return _plain(title)
    raise InputError(f"unknown element {text!r}")


@lru_cache(maxsize=4096)
def parse_formula(text: str) -> Mapping[str, tuple[float, float]] | None:
    """Read a formula, with or without brackets.

    Parameters
    ----------
    text : str
        Such as ``Al2 O3``, ``Hf3(CuSi)4`` or, as a list of moieties, ``C6 H5 O 1-, 2(H2 O)``.

    Returns
    -------
    mapping or None
        Each element's amount and half a unit of its last digit; None if the text is not a formula.
    """
    text = text.strip().strip("'\"").strip()
    total: dict[str, tuple[float, float]] = {}
    for part in re.split(r"\s*[,·]\s*", text) if text else []:
        part = re.sub(r"(?:^|\s|(?<=\)))\d*[+-]$", "", part.strip())
        factor = re.match(r"(\d+\.?\d*|\.\d+)\s*(?=[A-Z(\[{])", part)
        times = float(factor[1]) if factor else 1.0
        found = _amounts(part[factor.end() :] if factor else part)
        if found is None:
            return None
        for symbol, (amount, half) in found.items():
            before = total.get(symbol, (0.0, 0.0))
            total[symbol] = (before[0] + times * amount, before[1] + times * half)
    total = {symbol: value for symbol, value in total.items() if value[0] > 0}
    return total or None


def _amounts(text: str) -> dict[str, tuple[float, float]] | None:
    if text.isupper() and " " in text:  # the words of a formula in capitals are elements
        text = " ".join(re.sub(r"^[A-Z]{2}(?=[\d.]*$)", lambda m: m[0].title(), word) for word in text.split())
    stack: list[dict[str, tuple[float, float]]] = [{}]
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or match.end() == position:
            return None
        position = match.end()
        amount = float(match[4]) if match[4] else 1.0
        half = 0.5 * 10.0 ** -len(match[4].partition(".")[2]) if match[4] and "." in match[4] else 0.0
        if match[1]:
            if match[1] not in ATOMIC_NUMBERS:
                return None
            _add(stack[-1], {_plain(match[1]): (amount, half)}, 1.0)
        elif match[2]:
            if match[4]:
                position = match.start(4)
                return None
            stack.append({})
        else:
            if len(stack) == 1:
                return None
            inner = stack.pop()
            _add(stack[-1], {s: (v[0] * amount, v[1] * amount + v[0] * half) for s, v in inner.items()}, 1.0)
    return stack[0] if len(stack) == 1 else None


def _add(total: dict[str, tuple[float, float]], more: Mapping[str, tuple[float, float]], times: float) -> None:
    for symbol, (amount, half) in more.items():
        before = total.get(symbol, (0.0, 0.0))
        total[symbol] = (before[0] + times * amount, before[1] + times * half)


def _plain(symbol: str) -> str:
    return "H" if symbol in ("D", "T") else symbol


def _is_group(text: str) -> bool:
    letters = re.sub(r"\d", "", text)
    return letters.upper() in _GROUPS or _amounts(text) is not None or _is_element_like(letters[1:])


def _is_element_like(text: str) -> bool:
    return text.title() in ATOMIC_NUMBERS or text[:1].upper() in ATOMIC_NUMBERS


def _either(symbols: Collection[str]) -> str:
    return " or ".join(sorted(symbols))
