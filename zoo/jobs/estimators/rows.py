"""Crystals and targets as a user passes them → records, with errors that name positions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.python_api import python_words
from zoo._utils.wording import counted, listed
from zoo.data.structures.conversion import convert
from zoo.data.structures.parse import kind_of
from zoo.data.tables.records import Record, shorten
from zoo.errors import InputError, InvalidDataError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.data.structures.conversion import Converted, OnError
    from zoo.data.tables.records import Rejection

NAME = "crystals"
"""Name of the table in messages and cards."""

_SHOWN = 5


@contextmanager
def value_errors() -> Iterator[None]:
    """Raise an :class:`InvalidDataError` for every :class:`InputError` inside the block, in the words of Python."""
    with python_words(seed="random_state"):
        try:
            yield
        except InvalidDataError:
            raise
        except UnknownNameError as error:
            if error.kind != "task":
                raise
            advice = "task=None takes any property; a zoo.Task describes one"
            raise UnknownNameError(error.kind, error.name, error.known, advice) from None
        except InputError as error:
            raise InvalidDataError(str(error)) from error


def converted(structures: object, on_error: OnError) -> Converted:
    """Return the crystals that can be used; see :func:`zoo.data.structures.conversion.convert`.

    Raises
    ------
    InputError
        If there are none, or one cannot be used and `on_error` is "raise".
    """
    found = convert(structures, on_error=on_error)
    if not found.crystals:
        raise InputError("there are no crystals" if not found.skipped else "none of the crystals can be used")
    return found


def read(structures: object, on_error: OnError) -> tuple[list[Record], dict[int, str]]:
    """Return a record, without a target, for each crystal that can be used, and the reasons for the others.

    Rows are numbered from 1, as in tables. Their identifiers are the labels of a Series or a dictionary, if these are
    texts and unique, otherwise the numbers: what a table with and without a column of identifiers would have.

    Raises
    ------
    InputError
        As :func:`converted` does.
    """
    found = converted(structures, on_error)
    names = _labels(found)
    records = [
        Record(name, crystal, None, position + 1, NAME)
        for name, crystal, position in zip(names, found.crystals, found.positions, strict=True)
    ]
    return records, found.skipped


def _labels(found: Converted) -> list[str]:
    if found.index is not None:
        own = found.index.name is not None or any(isinstance(label, str) for label in found.index)
    else:
        own = found.ids != [str(position) for position in found.positions]
    if own and len(set(found.ids)) == len(found.ids):
        return found.ids
    return [str(position + 1) for position in found.positions]


def warn_if_shuffled(structures: Any, targets: Any) -> None:
    """Warn if two Series have the same labels in different orders, since rows are paired by position."""
    if not (hasattr(structures, "iloc") and hasattr(targets, "iloc")):
        return
    one, other = structures.index, targets.index
    if len(one) != len(other) or one.equals(other):
        return
    if one.is_unique and len(one.union(other, sort=False)) == len(one):
        warnings.warn(
            "X and y have the same labels in different orders, and are paired by position; y.loc[X.index] is in the "
            "order of X",
            stacklevel=4,
        )


@dataclass(frozen=True)
class Targets:
    """Targets of all rows.

    Parameters
    ----------
    name : str
        Name of the property.
    values : list of float or InputError
        Target of each row, or why there is none.
    given : list
        What the user gave.
    options : dict
        Options of a fine-tuning that describe the task.
    fitted : dict
        Attributes of the fitted estimator that follow from the targets.
    """

    name: str
    values: list[float | InputError]
    given: list[Any]
    options: dict[str, Any]
    fitted: dict[str, Any] = field(default_factory=dict)

    def given_to(
        self, records: Sequence[Record], total: int, groups: Any = None
    ) -> tuple[list[Record], dict[int, str]]:
        """Give records their targets; return those with a target, and the reasons for the others by position.

        Parameters
        ----------
        records : sequence of Record
        total : int
            Number of all rows, with those whose crystals cannot be used.
        groups : sequence, optional
            What must stay together in a cross-fit, for each row.

        Raises
        ------
        InputError
            If there is not one target, and one group, for each row.
        """
        groups = None if groups is None else list(groups)
        for what, values in (("y", self.values), ("groups", groups)):
            if values is not None and len(values) != total:
                raise InputError(f"X has {counted(total, 'crystal')} and {what} has {counted(len(values), 'value')}")
        usable, problems = [], {}
        for record in records:
            position = record.row - 1
            value, group = self.values[position], groups[position] if groups else ""
            if is_missing(group):
                problems[position] = f"group = {group!r}: no value"
            elif isinstance(value, InputError):
                problems[position] = f"y = {shorten(repr(self.given[position]))}: {value}"
            else:
                usable.append(replace(record, target=value, group=str(group)))
        return usable, problems


def column(y: Any, estimator: str) -> list[Any]:
    """Return targets as a list of Python objects.

    Raises
    ------
    InputError
        If there are none, or they are not one column.
    """
    if y is None:
        raise InputError(f"{estimator} requires y to be passed, but the target y is None")
    if isinstance(y, Mapping | set | frozenset):
        raise InputError(f"{kind_of(y)} as y; give a list of targets in the order of the crystals")
    given = y.to_numpy(dtype=object) if hasattr(y, "to_numpy") else list(y) if isinstance(y, Iterator) else y
    values = given if isinstance(given, np.ndarray) else np.asarray(given, dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        from sklearn.exceptions import DataConversionWarning

        warnings.warn("A column-vector y was passed when a 1d array was expected", DataConversionWarning, stacklevel=4)
        values = values.ravel()
    if values.ndim != 1:
        raise InputError(f"y has the shape {values.shape}; give one target for each crystal (y should be a 1d array)")
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def number(value: object) -> float:
    """Return a target as a number.

    Raises
    ------
    InputError
        If it is not one, with the reason.
    """
    if is_missing(value):
        raise InputError("no value")
    if isinstance(value, complex):
        raise InputError("Complex data not supported")  # in scikit-learn's words
    if isinstance(value, str | bytes | bool) or not hasattr(value, "__float__"):
        raise InputError(f"a {type(value).__name__} is not a number")
    found = float(value)
    if not math.isfinite(found):
        raise InputError("infinity is not a target")
    return found


def is_missing(value: object) -> bool:
    """Return whether a target is None, NaN, or pandas' NA."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def refuse_or_skip(problems: Mapping[int, str], total: int, on_error: OnError) -> None:
    """Raise an error that names rows by their positions, or warn that they are left out.

    Parameters
    ----------
    problems : mapping of int to str
        Reason by position.
    total : int
        Number of all rows.
    on_error : {"raise", "skip"}

    Raises
    ------
    InputError
        If there are problems, unless they are to be skipped.
    """
    if not problems:
        return
    (first, reason), *others = sorted(problems.items())
    if on_error == "raise":
        same = listed([str(position) for position, _ in others], most=_SHOWN) if others else ""
        also = f"; likewise {'rows' if len(others) > 1 else 'row'} {same}" if same else ""
        raise InputError(f"row {first}: {reason}{also}")
    shown = [f"row {position}: {why}" for position, why in sorted(problems.items())[:_SHOWN]]
    shown += [f"{len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    warnings.warn(f"{len(problems)} of {counted(total, 'row')} skipped: {'; '.join(shown)}", stacklevel=4)


def by_position(rejected: Sequence[Rejection]) -> dict[int, str]:
    """Return the reasons of rejections by the positions of their rows."""
    return {(each.row or 1) - 1: f"y = {each.value}: {each.reason}" if each.value else each.reason for each in rejected}
