"""Labels of the classes of a task: which are valid, and which of them a cell of a table names."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CLASSES = 100
"""Maximum number of classes of a classification."""

MAX_LABEL = 60
"""Maximum number of characters of a class's label."""

_NEGATIVE, _POSITIVE = ("0", "false"), ("1", "true")
"""Spellings of the two classes of a property that holds or does not, such as being a metal."""


def check(name: str, classes: object) -> None:
    """Check the classes of a task.

    Raises
    ------
    TypeError, ValueError
        If they are not a tuple of 2 to `MAX_CLASSES` different labels.
    """
    if not (isinstance(classes, tuple) and all(isinstance(label, str) for label in classes)):
        raise TypeError(f"task {name!r}: classes={classes!r} is not a tuple of strings")
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise ValueError(f"task {name!r}: {len(classes)} classes; give 2 to {MAX_CLASSES}")
    for label in classes:
        if not label or label != label.strip() or not label.isprintable() or len(label) > MAX_LABEL:
            raise ValueError(
                f"task {name!r}: classes: {label[:MAX_LABEL]!r} is not a label: 1 to {MAX_LABEL} printable characters, "
                "with no blank at either end"
            )
    read = [_plain(label) for label in classes]
    if same := [repr(label) for label, plain in zip(classes, read, strict=True) if read.count(plain) > 1]:
        raise ValueError(f"task {name!r}: classes: {' and '.join(same)} are read as the same class")


def index(classes: Sequence[str], label: object) -> int | None:
    """Return the position of the class that a label names, or None; see :meth:`zoo.Task.index`."""
    plain = _plain(label)
    known = [_plain(each) for each in classes]
    if plain in known:
        return known.index(plain)
    if len(known) == 2 and not any(each in ("true", "false") or _is_number(each) for each in known):
        return 0 if plain in _NEGATIVE else 1 if plain in _POSITIVE else None
    return None


def _plain(label: object) -> str:
    """Return a label as it is compared: without case, and numbers in one spelling (1.0 is 1)."""
    text = str(label).strip().casefold()
    return f"{float(text):.12g}" if _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
