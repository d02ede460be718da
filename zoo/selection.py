"""A recipe and a table → which row is in which part, before any crystal is read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo._readers import open_source
from zoo._rows import RowReader
from zoo.errors import InputError
from zoo.splits import hash_split

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.contracts import Task
    from zoo.recipes import Recipe

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Selection:
    """Rows of a pretraining.

    Parameters
    ----------
    parts : dict of part to list of str
        Identifiers, without repetition.
    subsets : dict of name to set of str
        Identifiers whose errors are reported separately.
    """

    parts: dict[str, list[str]]
    subsets: dict[str, frozenset[str]]

    @property
    def ids(self) -> list[str]:
        """All identifiers: training, validation, test rows."""
        return [name for part in PARTS for name in self.parts[part]]


def select(recipe: Recipe, data: Path, task: Task) -> Selection:
    """Choose the rows that a recipe asks for.

    Raises
    ------
    InputError
        If the list of ids cannot be used, the table lacks a column or one of the ids, or there are too few rows.
    """
    source = open_source(data)
    reader = RowReader(source, None, task)
    if not reader.id_column:
        raise InputError(f"{data}: a pretraining needs a column of identifiers, such as material_id")
    conditions = (*recipe.data.where, *recipe.data.subsets.values())
    for condition in conditions:
        if condition.column not in source.columns:
            raise InputError(f"{data} lacks the column {condition.column!r} that {recipe.path} names")
    asked = None if recipe.data.ids is None else _read_ids(recipe)
    wanted = None if asked is None else frozenset(name for part in PARTS for name in asked[part])
    found: dict[str, None] = {}
    subsets: dict[str, set[str]] = {name: set() for name in recipe.data.subsets}
    columns = list(dict.fromkeys([reader.id_column, reader.target, *(each.column for each in conditions)]))
    for row in source.rows(columns, None if wanted is None else (reader.id_column, wanted)):
        name = reader.identify(row)
        if wanted is not None and name not in wanted:
            continue
        if wanted is None and not (
            reader.has_target(row) and all(each.holds(row.cells.get(each.column)) for each in recipe.data.where)
        ):
            continue
        found[name] = None
        for subset, condition in recipe.data.subsets.items():
            if condition.holds(row.cells.get(condition.column)):
                subsets[subset].add(name)
    if asked is None:
        rule = recipe.data.split
        assert rule is not None
        parts = hash_split(list(found), test=rule.test, validation=rule.validation, train=rule.train)
    else:
        parts = asked
        missing = [name for part in PARTS for name in asked[part] if name not in found]
        if missing:
            rows = sum(map(len, asked.values()))
            raise InputError(
                f"{data} lacks {len(missing)} of the {rows} rows of {recipe.name}, the first: {missing[0]}"
            )
    return Selection(parts, {name: frozenset(ids) for name, ids in subsets.items()})


def _read_ids(recipe: Recipe) -> dict[str, list[str]]:
    path = recipe.path.parent / str(recipe.data.ids)
    try:
        ids: Any = json.loads(path.read_text(encoding="utf-8"))
        parts = {part: list(map(str, ids[part])) for part in PARTS if isinstance(ids[part], list)}
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} must be a JSON object with lists of ids called {', '.join(PARTS)}: {error}"
        ) from error
    short = [part for part in PARTS if len(parts.get(part, ())) < (2 if part == "train" else 1)]
    if short:
        raise InputError(
            f"{path}: {short[0]} must be a list of ids, at least two to train on and one in each other part"
        )
    counts = Counter(name for part in parts.values() for name in part)
    twice = next((name for name, times in counts.items() if times > 1), None)
    if twice is not None:
        raise InputError(f"{path}: the id {twice} stands there twice; the parts must not overlap")
    return parts
