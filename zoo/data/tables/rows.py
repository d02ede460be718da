"""Rows of a table → records, or rejections with their reason.

**The crystal** comes from the first of these that is present:

1. a folder given as `structures`: the file named in the column ``file``, else the file named after the row's
   identifier (``ID.cif``, ``ID.vasp``, ``ID.json`` …);
2. the column ``structure``: CIF text, POSCAR text, or pymatgen's dictionary;
3. the column ``cif``, then the column ``poscar``;
4. the columns ``atomic_numbers`` (n), ``lattice`` (9, Å) and ``frac_coords`` (3n);
5. the column ``file``: a path relative to the table;
6. for ``id_prop.csv``, the file next to it that is named after the identifier.

**The identifier** comes from the first of `ID_COLUMNS` that is present, else it is the row's number.

**The target** comes from the requested column, else from the first of the task's columns that is present.

Names are matched exactly first, then without regard to case.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from zoo.data.structures import parse as parsing
from zoo.data.structures.files import find_file
from zoo.data.tables.formats.reader import INDEX, Row, Select, TableReader
from zoo.data.tables.records import Record, Rejection, shorten
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.data.crystal import Crystal
    from zoo.registry.contracts import Task

ID_COLUMNS = ("id", "material_id", "cif_id", "mp_id", "mpid", "task_id", "jid", "identifier", "name")
"""Names of the identifier's column, in order of preference."""

_LOGARITHM = re.compile(r"(?:^|[^a-z])(?:log|log10|log_10|lg|ln)(?:[^a-z]|$)")
_INDEX_COLUMNS = (INDEX, "__index_level_0__")  # pandas' row labels, as JSON and Parquet keep them
_ARRAYS = ("atomic_numbers", "lattice", "frac_coords")
_YES_OR_NO = {"true": 1.0, "false": 0.0}
"""Spellings of a binary property, which is 1 or 0."""


class RowReader:
    """Reader of the rows of one table as records.

    Parameters
    ----------
    source : TableReader
    structures : Path or None
        Folder of structure files, for tables that hold only identifiers.
    task : Task, optional
        Without it, records have no target.
    target : str, optional
        Column of the target, in place of the task's own names.
    split_column : str, optional
        Column that says what a row is for.

    Raises
    ------
    InputError
        If no column holds crystals, or a requested column or one required by the task is missing.
    """

    def __init__(
        self,
        source: TableReader,
        structures: Path | None,
        task: Task | None = None,
        target: str | None = None,
        split_column: str | None = None,
    ) -> None:
        self.source, self.task = source, task
        self.id_column = _find(source.columns, (*ID_COLUMNS, *_INDEX_COLUMNS))
        self.crystal_columns, self.crystal, self.description = _crystal_source(source, structures, self.id_column)
        self.self_contained = structures is None and not self.description.startswith("files ")
        """Whether the table itself holds the crystals, rather than file names."""
        self.target = _target_column(source, task, target) if task else ""
        self.yes_or_no = task is not None and not task.unit and task.valid == (0.0, 1.0)
        """Whether the property is binary, such as being a metal, so that True and False count as 1 and 0."""
        self.required = _required_column(source, task) if task and task.requires else ""
        self.split = _split_column(source, split_column) if split_column else ""

    def rows(self, only: Collection[str] | None = None) -> Iterator[Row]:
        """Yield the rows, or only those with the identifiers in `only`."""
        named = (self.id_column, *self.crystal_columns, self.target, self.required, self.split)
        columns = list(dict.fromkeys(name for name in named if name))
        for row in self.source.rows(columns, self.select(only)):
            if only is None or self.identify(row) in only:
                yield row

    def select(self, only: Collection[str] | None) -> Select | None:
        """Return a condition that lets the table reader skip rows with other identifiers; None for all rows."""
        if only is None or not self.id_column:
            return None
        return self.id_column, lambda value, number: _identifier(value, number) in only

    def identify(self, row: Row) -> str:
        """Return the row's identifier, or its number if it has none."""
        return _identifier(row.cells.get(self.id_column) if self.id_column else None, row.number)

    def value(self, row: Row) -> float:
        """Return the row's target without reading its crystal; NaN if the task cannot use it."""
        try:
            value = self._target_of(row)
        except InputError:
            return math.nan
        return value if self.task is not None and not self.task.problem(value) else math.nan

    def _target_of(self, row: Row) -> float:
        """Return the number in the target's cell, or the position of the class that it names."""
        cell = row.cells.get(self.target)
        if self.task is None or not self.task.classes:
            return _number(cell, yes_or_no=self.yes_or_no)
        # A class may be called "none", but a cell without text names no class.
        index = self.task.index(cell) if isinstance(cell, str) or not is_missing(cell) else None
        if index is None:
            known = f"not a class of {self.task.name} ({', '.join(self.task.classes)})"
            raise InputError("no value" if is_missing(cell) else known)
        return float(index)

    def read(self, row: Row, first_rows: Mapping[str, int] | None = None) -> Record | Rejection:
        """Return a row's record, or its rejection; cheap checks come first.

        Parameters
        ----------
        row : Row
        first_rows : mapping of str to int, optional
            Identifiers read so far, with their rows; a duplicate is rejected.
        """
        identifier = self.identify(row)
        column, target, filtered = "", None, False
        try:
            if row.problem:
                raise InputError(row.problem)
            if first_rows and identifier in first_rows:
                column = self.id_column
                raise InputError(f"duplicate id, first at row {first_rows[identifier]}")
            if self.task and self.task.requires:
                column, required = self.required, self.task.requires
                filtered = not _number(row.cells.get(column)) > required.above
                if filtered:
                    raise InputError(required.reason or f"{self.task.name} needs more than {required.above:g}")
            if self.task:
                column = self.target
                target = self._target_of(row)
                if problem := self.task.problem(target):
                    raise InputError(problem)
            part = ""
            if self.split:
                column = self.split
                part = _part(row.cells.get(column))
            column = self.crystal_columns[0]
            crystal = self.crystal(row.cells, identifier)
            return Record(identifier, crystal, target, row.number, str(self.source.path), part)
        except InputError as error:
            value = shorten(row.cells.get(column)) if column else ""
            reason = " ".join(str(error).split())
            return Rejection(str(self.source.path), row.number, identifier, column, value, reason, filtered)


CrystalReader = Callable[[Mapping[str, object], str], "Crystal"]


def _crystal_source(
    source: TableReader, structures: Path | None, id_column: str
) -> tuple[tuple[str, ...], CrystalReader, str]:
    """Choose the source of the crystals; return its columns, a reader of its cells, and a description."""
    columns, beside = source.columns, source.path.parent
    if structures is not None and not structures.is_dir():
        raise InputError(f"--structures {structures}: there is no such folder")
    file = _find(columns, ("file",))
    arrays = tuple(_find(columns, (name,)) for name in _ARRAYS)
    choices: list[tuple[tuple[str, ...], CrystalReader, str]] = []
    if structures is not None and file:
        choices.append(((file,), _from_files(structures, file), f"files of {structures} named in column {file}"))
    elif structures is not None and id_column:
        choices.append(
            ((id_column,), _from_files(structures, id_column), f"files of {structures} named by {id_column}")
        )
    elif structures is not None:
        raise InputError(f"{source.path}: --structures needs a column of identifiers ({', '.join(ID_COLUMNS)})")
    text_columns = (_find(columns, (name,)) for name in ("structure", "cif", "poscar", "atoms"))
    choices += [((found,), _from_text(found), f"column {found}") for found in text_columns if found]
    if all(arrays):
        choices.append((arrays, _from_arrays(arrays), f"columns {', '.join(arrays)}"))
    if file and structures is None:
        choices.append(((file,), _from_files(beside, file), f"files named in column {file}"))
    if source.path.name == "id_prop.csv" and structures is None and id_column:  # with or without a header
        choices.append(((id_column,), _from_files(beside, id_column), f"files of {beside} named by {id_column}"))
    if not choices:
        raise InputError(
            f"{source.path}: no crystals found: there is no column structure, cif, poscar or file, nor the "
            f"columns {', '.join(_ARRAYS)}; add one, or name a folder of structure files with --structures "
            f"(columns: {_listed(columns)})"
        )
    first, *others = choices
    also = f" (also present: {'; '.join(words for _, _, words in others)})" if others else ""
    return first[0], first[1], first[2] + also


def _from_text(column: str) -> CrystalReader:
    return lambda cells, _: parsing.parse(cells.get(column))


def _from_arrays(columns: tuple[str, ...]) -> CrystalReader:
    numbers, lattice, frac = columns
    return lambda cells, _: parsing.from_arrays(cells.get(numbers), cells.get(lattice), cells.get(frac))


def _from_files(folder: Path, column: str) -> CrystalReader:
    def read(cells: Mapping[str, object], _identifier: str) -> Crystal:
        name = cells.get(column)
        if is_missing(name):
            raise InputError("no structure file is named")
        return parsing.read_file(find_file(folder, str(name).strip()))

    return read


def _target_column(source: TableReader, task: Task, target: str | None) -> str:
    if source.headerless:
        if len(source.columns) < 2:
            raise InputError(f"{source.path}: there is no second column to hold the targets")
        return source.columns[1]
    if found := _find(source.columns, (target,) if target else task.columns):
        declared = found == task.target and task.transform == "identity"  # a property that is a logarithm
        if _LOGARITHM.search(found.lower()) and not declared:
            raise InputError(
                f"{source.path}: column {found!r} holds logarithms, judging by its name; the task {task.name} takes "
                f"the value itself{f' in {task.unit}' if task.unit else ''}: convert the values back (10 ** x)"
            )
        return found
    if target:
        raise InputError(f"{source.path}: there is no column {target!r} (columns: {_listed(source.columns)})")
    raise InputError(
        f"{source.path}: no column for the task {task.name}: add {' or '.join(task.columns)}, "
        f"or name the column with --target (in a recipe: column) (columns: {_listed(source.columns)})"
    )


def _required_column(source: TableReader, task: Task) -> str:
    assert task.requires is not None
    if found := _find(source.columns, (task.requires.column,)):
        return found
    raise InputError(
        f"{source.path}: the task {task.name} needs the column {task.requires.column!r} as well, to keep "
        f"rows above {task.requires.above:g}; add it (columns: {_listed(source.columns)})"
    )


def _split_column(source: TableReader, name: str) -> str:
    if found := _find(source.columns, (name,)):
        return found
    raise InputError(
        f"{source.path}: --split-column {name}: there is no such column (columns: {_listed(source.columns)})"
    )


def _part(value: object) -> str:
    """Return what a row is for; the number of a fold as a whole number, however the table's format keeps it."""
    if is_missing(value):
        raise InputError("no value, so the row is neither a training nor a test row")
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


def _find(columns: Sequence[str], names: Sequence[str]) -> str:
    for name in names:
        if name in columns:
            return name
    lowered: dict[str, str] = {}
    for column in columns:
        lowered.setdefault(column.lower(), column)
    return next((lowered[name.lower()] for name in names if name.lower() in lowered), "")


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(shorten(column) for column in columns[:20])
    return f"{shown} and {len(columns) - 20} more" if len(columns) > 20 else shown


def _number(value: object, *, yes_or_no: bool = False) -> float:
    if is_missing(value):
        raise InputError("no value")
    if yes_or_no and str(value).strip().lower() in _YES_OR_NO:
        return _YES_OR_NO[str(value).strip().lower()]
    if isinstance(value, bool) or not isinstance(value, str | int | float) or "_" in str(value):
        raise InputError("not a number")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise InputError("not a number") from None


def _identifier(value: object, number: int) -> str:
    if is_missing(value):
        return str(number)
    # Half a surrogate pair, which JSON can spell, is in no file in UTF-8.
    return str(value).strip().encode(errors="backslashreplace").decode()


def is_missing(value: object) -> bool:
    """Return whether a cell is empty or holds a marker for a missing value, such as ``NaN``."""
    if isinstance(value, str):
        return value.strip().lower() in parsing.MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))
