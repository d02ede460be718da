"""Columns that are told by their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.data.tables.records import shorten
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zoo.data.tables.formats.reader import TableReader
    from zoo.registry.contracts import Task

ID_COLUMNS = ("id", "material_id", "cif_id", "mp_id", "mpid", "task_id", "jid", "identifier", "name")
"""Names of the identifier's column, in order of preference."""

_ENERGIES = ("eV", "meV", "keV", "kJ/mol", "kcal/mol", "J/mol", "Ha", "Hartree", "Ry")
_PRESSURES = ("Pa", "kPa", "MPa", "GPa", "TPa", "bar", "kbar", "Mbar")
_SHARES = ("", "/atom", "/f.u.", "/fu", "/cell")
_UNITS = frozenset([*_PRESSURES, *(unit + share for unit in _ENERGIES for share in _SHARES)])
"""Units that are told from each other; one in a name, in brackets or at its end, must be that of the task."""

_IN_BRACKETS = re.compile(r"[(\[]([^()\[\]]+)[)\]]\s*$")
_AT_THE_END = re.compile(r"[_ ]((?:meV|kbar|MPa|TPa|kJ/mol|kcal/mol)(?:/atom)?)$")
_LOGARITHM = re.compile(r"(?:^|[^a-z])(?:log|log10|log_10|lg|ln)(?:[^a-z]|$)")


def target_column(source: TableReader, task: Task, target: str | None) -> str:
    """Return the column of the targets.

    Raises
    ------
    InputError
        If there is none, or it holds logarithms by its name and the task takes the value itself.
    """
    if source.headerless:
        if len(source.columns) < 2:
            raise InputError(f"{source.path}: there is no second column to hold the targets")
        return source.columns[1]
    if found := find(source.columns, (target,) if target else task.columns):
        declared = found == task.target and task.transform == "identity"  # a property that is a logarithm
        if _LOGARITHM.search(found.lower()) and not declared:
            raise InputError(
                f"{source.path}: column {found!r} holds logarithms, judging by its name; the task {task.name} takes "
                f"the value itself{f' in {task.unit}' if task.unit else ''}: convert the values back (10 ** x)"
            )
        check_unit(source.path, found, task)
        return found
    if target:
        raise InputError(f"{source.path}: there is no column {target!r} (columns: {listed(source.columns)})")
    raise InputError(
        f"{source.path}: no column for the task {task.name}: add {' or '.join(task.columns)}, "
        f"or name the column with --target (in a recipe: column) (columns: {listed(source.columns)})"
    )


def check_unit(path: Path, column: str, task: Task) -> None:
    """Refuse a column that is in another unit than the task by its name, such as ``K (kbar)``.

    Raises
    ------
    InputError
        With both units.
    """
    match = _IN_BRACKETS.search(column) or _AT_THE_END.search(column)
    unit = match[1].strip().replace(" per ", "/").replace(" / ", "/") if match else ""
    if unit in _UNITS and task.unit in _UNITS and unit != task.unit:
        raise InputError(
            f"{path}: column {column!r} is in {unit}, judging by its name, and {task.name} in {task.unit}: "
            "convert the values, and rename the column"
        )


def required_column(source: TableReader, task: Task) -> str:
    """Return the column by which a task selects rows; empty if it selects none.

    Raises
    ------
    InputError
        If the table lacks it.
    """
    if task.requires is None:
        return ""
    if found := find(source.columns, (task.requires.column,)):
        return found
    raise InputError(
        f"{source.path}: the task {task.name} needs the column {task.requires.column!r} as well, to keep "
        f"rows above {task.requires.above:g}; add it (columns: {listed(source.columns)})"
    )


def split_column(source: TableReader, name: str) -> str:
    """Return the column that says what rows are for.

    Raises
    ------
    InputError
        If the table lacks it.
    """
    if found := find(source.columns, (name,)):
        return found
    raise InputError(
        f"{source.path}: --split-column {name}: there is no such column (columns: {listed(source.columns)})"
    )


def find(columns: Sequence[str], names: Iterable[str]) -> str:
    """Return the first of some names that is a column, exactly or else without regard to case; empty if none is."""
    names = list(names)
    for name in names:
        if name in columns:
            return name
    lowered: dict[str, str] = {}
    for column in columns:
        lowered.setdefault(column.lower(), column)
    return next((lowered[name.lower()] for name in names if name.lower() in lowered), "")


def listed(columns: Sequence[str]) -> str:
    """Return the names of columns for a message; of many, the first twenty."""
    shown = ", ".join(shorten(column) for column in columns[:20])
    return f"{shown} and {len(columns) - 20} more" if len(columns) > 20 else shown
