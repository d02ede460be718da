"""The column of identifiers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.data.composition import is_formula
from zoo.data.structures.parse import is_number
from zoo.data.tables.cells import identifier, is_empty
from zoo.data.tables.columns.names import ID_COLUMNS, find, listed
from zoo.data.tables.formats.reader import INDEX
from zoo.data.tables.records import shorten
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from zoo.data.tables.columns.sample import Sample
    from zoo.data.tables.formats.reader import TableReader

_INDEX_COLUMNS = (INDEX, "__index_level_0__")  # pandas' row labels, as JSON and Parquet keep them
_LONGEST_ID = 60
_LIKE_AN_ID = re.compile(
    r"(?:^|[^a-z])(?:ids?|identifier|name|label|code|refcode|key|sample|entry|icsd|cod)(?:$|[^a-z])"
)


@dataclass(frozen=True)
class IdColumn:
    """The column of identifiers.

    Parameters
    ----------
    name : str
        Empty if rows are called by their numbers.
    note : str
        What the user should know about the choice; empty if there is nothing.
    """

    name: str
    note: str = ""


def find_ids(
    source: TableReader, asked: str | None, cells: Sample | None, taken: Collection[str] = (), *, unique: bool = False
) -> IdColumn:
    """Choose the column of identifiers.

    It is the one asked for; else the first of `ID_COLUMNS`, unless it merely counts the rows and another one does not;
    else the row labels of pandas that are texts; else the only column that holds a different short text in every row,
    of several the only one that is named like an identifier; else the row labels that are numbers. Otherwise there is
    none, and rows are called by their numbers.

    Parameters
    ----------
    source : TableReader
    asked : str or None
    cells : Sample or None
        None to go by names only.
    taken : collection of str
        Columns that hold something else.
    unique : bool
        Whether a column chosen by its cells must be unique in the whole table, not only in its first rows.

    Raises
    ------
    InputError
        If there is no such column, or two columns of `ID_COLUMNS` disagree.
    """
    columns = source.columns
    if asked is not None:
        if name := find(columns, (asked,)):
            return IdColumn(name)
        raise InputError(f"{source.path}: --id {asked}: there is no such column (columns: {listed(columns)})")
    named = list(dict.fromkeys(filter(None, (find(columns, (name,)) for name in ID_COLUMNS))))
    if cells is not None and len(named) > 1:
        return _of_several(source, named, cells.cells(*named))
    labels = find(columns, _INDEX_COLUMNS)
    if named or cells is None or (labels and not all(isinstance(cell, int) for cell in cells.cells(labels)[labels])):
        return IdColumn(named[0] if named else labels)
    others = cells.cells(*(name for name in columns if name and name not in (*taken, labels)))
    found = _by_content(source, others, unique)
    return found if found.name or not labels else IdColumn(labels)


def _of_several(source: TableReader, named: Sequence[str], cells: Mapping[str, Sequence[object]]) -> IdColumn:
    """Choose among columns that are named like identifiers."""
    counting = [name for name in named if _counts(cells[name])]
    first, *others = [name for name in named if name not in counting] or named
    for other in others:
        if not (_is_unique(cells[first]) and _is_unique(cells[other])):
            continue
        for row, (one, two) in enumerate(zip(cells[first], cells[other], strict=True), 1):
            if identifier(one, row) != identifier(two, row):
                raise InputError(
                    f"{source.path}: the columns {first!r} and {other!r} both hold ids and disagree (row {row}: "
                    f"{shorten(one)!r} and {shorten(two)!r}); say which with --id, or rename one"
                )
    counted = [name for name in counting if name != first]
    return IdColumn(first, f"ids from column {first}, as {counted[0]} only counts the rows" if counted else "")


def _by_content(source: TableReader, cells: Mapping[str, Sequence[object]], unique: bool) -> IdColumn:
    distinct = {name: values for name, values in cells.items() if _is_unique(values)}
    texts = [name for name, values in distinct.items() if all(map(_is_text, values))]
    formulas = [name for name in texts if all(map(is_formula, cells[name]))]
    named = [name for name in distinct if _LIKE_AN_ID.search(_spaced(name))]
    named = [name for name in named if name in texts or all(map(_is_whole, cells[name]))]
    likely = named if len(named) == 1 else [name for name in texts if name not in formulas]
    if len(likely) == 1 and (not unique or _is_unique_throughout(source, likely[0])):
        return IdColumn(likely[0], f"ids from column {likely[0]}, judging by its cells; --id names another")
    might = [shorten(name) for name in dict.fromkeys([*named, *texts])]
    found = f"it might be {' or '.join(might[:3])}" if might else "no column has a different text in every row"
    unnamed = f"{source.path.name} has no column of ids by its name ({found}; --id names it)"
    return IdColumn("", f"{unnamed}: rows are called by their numbers")


def _is_unique(values: Sequence[object]) -> bool:
    if not all(isinstance(value, str | int) for value in values):
        return False
    cells = [str(value).strip() for value in values if not is_empty(value)]
    return len(cells) == len(values) > 1 and len(set(cells)) == len(cells)


def _is_unique_throughout(source: TableReader, column: str) -> bool:
    return _is_unique([row.cells.get(column) for row in source.rows([column], None) if not row.problem])


def _is_text(value: object) -> bool:
    """Return whether a cell is a short text that is no number."""
    if not isinstance(value, str) or len(value) > _LONGEST_ID or "\n" in value.strip():
        return False
    return not is_number(value.replace(",", "."))


def _is_whole(value: object) -> bool:
    return not isinstance(value, bool) and str(value).strip().isdecimal()


def _counts(values: Sequence[object]) -> bool:
    """Return whether cells are 0, 1, 2 … or 1, 2, 3 …."""
    cells = [str(value).strip() for value in values]
    return len(cells) > 1 and any(cells == [str(i) for i in range(start, start + len(cells))] for start in (0, 1))


def _spaced(name: str) -> str:
    """Return a column's name with its words apart, in lower case: ``sampleID`` → ``sample id``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
