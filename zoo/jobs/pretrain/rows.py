"""The rows of a pretraining: parts and targets are selected before crystals are read and graphs are built."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.graphs import store
from zoo.data.graphs.neighbors import GraphSettings
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.splits import hash_split
from zoo.data.tables.cells import is_missing
from zoo.data.tables.readers import open_table
from zoo.data.tables.records import Record
from zoo.data.tables.rejections import check_rejected_fraction
from zoo.data.tables.rows import RowReader
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo.data.crystal import Crystal
    from zoo.data.tables.conditions import Condition
    from zoo.data.tables.formats.reader import Row
    from zoo.data.tables.records import Rejection
    from zoo.jobs.pretrain.recipe import Recipe

PARTS = ("train", "validation", "test")

MAX_UNREADABLE = 0.01
"""Maximum fraction of unusable crystals among rows selected by a rule; these are reported and left out."""


@dataclass(frozen=True)
class Selection:
    """The selected rows of a pretraining.

    Parameters
    ----------
    parts : dict of part to list of str
        Unique identifiers of each part.
    subsets : dict of name to set of str
        Identifiers of the rows whose errors are reported separately.
    targets : dict of str to array of shape (T,), float64
        The recipe's targets by identifier, in the units of their tasks; NaN for a missing target.
    tables : dict of str to int
        Index of the table that contains the crystal, by identifier.
    """

    parts: dict[str, list[str]]
    subsets: dict[str, frozenset[str]]
    targets: dict[str, NDArray[np.float64]]
    tables: dict[str, int]

    @property
    def ids(self) -> list[str]:
        """All identifiers, in the order training, validation and test."""
        return [name for part in PARTS for name in self.parts[part]]


def select(recipe: Recipe, data: Sequence[Path]) -> Selection:
    """Select the rows of a recipe.

    Parameters
    ----------
    recipe : Recipe
    data : sequence of Path
        Tables. If an identifier occurs several times in one table, its first row is used, even if it is unusable; if
        it occurs in several tables, the first table with a usable row is used.

    Raises
    ------
    InputError
        If the list of ids cannot be used, a column is missing from a table, an id is missing from all tables, or there
        are too few rows.
    """
    asked = None if recipe.data.ids is None else _read_ids(recipe)
    wanted = None if asked is None else frozenset(name for part in PARTS for name in asked[part])
    targets: dict[str, NDArray[np.float64]] = {}
    tables: dict[str, int] = {}
    subsets: dict[str, set[str]] = {name: set() for name in recipe.data.subsets}
    for table, path in enumerate(data):
        met: set[str] = set()
        for name, row, values in _labelled(recipe, path, wanted):
            if name in met:
                continue
            met.add(name)
            if name in targets or not all(each.holds(row.cells.get(each.column)) for each in recipe.data.where):
                continue
            if not np.isfinite(values).any():
                if wanted is None:
                    continue
                raise InputError(f"{path} row {row.number} ({name}): a row of {recipe.name} without a usable target")
            targets[name], tables[name] = values, table
            for subset, condition in recipe.data.subsets.items():
                if condition.holds(row.cells.get(condition.column)):
                    subsets[subset].add(name)
    if empty := [name for name, members in subsets.items() if not members]:
        condition = recipe.data.subsets[empty[0]]
        raise InputError(
            f"{recipe.path}: data.subsets.{empty[0]}: no chosen row fulfils {condition}; correct or remove it"
        )
    if asked is None:
        rule = recipe.data.split
        assert rule is not None
        parts = hash_split(list(targets), test=rule.test, validation=rule.validation, train=rule.train)
    else:
        parts = asked
        missing = [name for part in PARTS for name in asked[part] if name not in targets]
        if missing:
            rows, where = sum(map(len, asked.values())), " and ".join(map(str, data))
            raise InputError(
                f"{where} lacks {len(missing)} of the {rows} rows of {recipe.name}, the first: {missing[0]}"
            )
    return Selection(parts, {name: frozenset(ids) for name, ids in subsets.items()}, targets, tables)


@dataclass(frozen=True, eq=False)
class PretrainingRows:
    """Graphs and targets of all rows of the tables, and their assignment to parts.

    Parameters
    ----------
    ids : list of str
        Identifiers of the C crystals.
    graphs : PackedGraphs
        Graphs of the C crystals.
    targets : array of shape (C, T), float64
        Targets in the units of the tasks; NaN for a missing target.
    parts : dict of str to array of int
        Positions of the rows of each part.
    subsets : dict of str to array of shape (C,), bool
    rejected : list of Rejection
        Selected rows with unusable crystals.
    sha256 : str
        Digests of the tables.
    """

    ids: list[str]
    graphs: PackedGraphs
    targets: NDArray[np.float64]
    parts: dict[str, NDArray[np.int64]]
    subsets: dict[str, NDArray[np.bool_]]
    rejected: list[Rejection]
    sha256: str


def read_rows(recipe: Recipe, selection: Selection, data: Sequence[Path], *, quiet: bool) -> PretrainingRows:
    """Build the graphs of the selected rows, or read them from the cache.

    Raises
    ------
    InputError
        If a table contains none of the rows, or too many crystals cannot be used.
    """
    # With a list of ids, every row must be usable; with a rule, unusable rows are reported and left out.
    tolerated = 0.0 if recipe.data.ids is not None else MAX_UNREADABLE
    settings = GraphSettings(**recipe.graph.model_dump())
    parts: list[PackedGraphs] = []
    ids: list[str] = []
    positions: dict[str, int] = {}
    rejected: list[Rejection] = []
    digests = []
    for position, path in enumerate(data):
        wanted = frozenset(name for name in selection.ids if selection.tables[name] == position)
        if not wanted:
            raise InputError(f"{path}: no row of it is one of {recipe.name}; leave it out")
        table = store.table_graphs(path, settings, quiet=quiet)
        found = {name: len(ids) + index for index, name in enumerate(table.ids) if name in wanted}
        refused = [rejection for rejection in table.rejected if rejection.id in wanted]
        check_rejected_fraction(path, len(found), refused, tolerated, limit="that a recipe tolerates")
        parts.append(table.graphs)
        ids += table.ids
        positions |= found
        rejected += refused
        digests.append(table.sha256)
    targets = np.full((len(ids), len(recipe.tasks)), np.nan)
    for name, index in positions.items():
        targets[index] = selection.targets[name]
    return PretrainingRows(
        ids,
        parts[0] if len(parts) == 1 else PackedGraphs.join(parts),
        targets,
        {part: np.array([positions[n] for n in selection.parts[part] if n in positions]) for part in PARTS},
        {subset: np.array([name in members for name in ids]) for subset, members in selection.subsets.items()},
        rejected,
        " ".join(digests),
    )


def read_crystals(data: Sequence[Path], ids: Collection[str]) -> Iterator[tuple[str, Crystal]]:
    """Yield some of the crystals of tables with their identifiers, each once."""
    left = set(ids)
    for path in data:
        reader = RowReader(open_table(path), None)
        for row in reader.rows(left):
            record = reader.read(row)
            if isinstance(record, Record) and record.id in left:
                left.remove(record.id)
                yield record.id, record.crystal


def _labelled(
    recipe: Recipe, path: Path, wanted: frozenset[str] | None
) -> Iterator[tuple[str, Row, NDArray[np.float64]]]:
    """Yield the identifier, the cells and the targets of each row of a table."""
    table = open_table(path)
    labels: list[Condition | None] = [None, *(other.label for other in recipe.others)]
    masks: list[Condition | None] = [None, *(other.where for other in recipe.others)]
    named = [recipe.column, *(other.column for other in recipe.others)]
    readers = [
        RowReader(table, None, None if label else task, column)
        for task, label, column in zip(recipe.tasks, labels, named, strict=True)
    ]
    identity = readers[0]
    if not identity.id_column:
        raise InputError(f"{path}: a pretraining needs a column of identifiers, such as material_id")
    conditions = [*recipe.data.where, *recipe.data.subsets.values(), *filter(None, labels), *filter(None, masks)]
    for condition in conditions:
        if condition.column not in table.columns:
            raise InputError(f"{path} lacks the column {condition.column!r} that {recipe.path} names")
    used = [identity.id_column, *(reader.target for reader in readers), *(each.column for each in conditions)]
    columns = list(dict.fromkeys(filter(None, used)))
    for row in table.rows(columns, identity.select(wanted)):
        name = identity.identify(row)
        if wanted is not None and name not in wanted:
            continue
        values = np.full(len(readers), np.nan)
        for index, (reader, label, mask) in enumerate(zip(readers, labels, masks, strict=True)):
            if mask is None or mask.holds(row.cells.get(mask.column)):
                values[index] = reader.value(row) if label is None else _label(label, row)
        yield name, row, values


def _label(condition: Condition, row: Row) -> float:
    value = row.cells.get(condition.column)
    if is_missing(value):
        return float("nan")
    if condition.equals is None:
        try:
            float(str(value))
        except ValueError:
            return float("nan")
    return float(condition.holds(value))


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
        raise InputError(f"{path}: the id {twice} occurs twice; the parts must not overlap")
    return parts
