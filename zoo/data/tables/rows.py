"""Rows of a table → records, or rejections with their reason.

**The crystal** comes from the first of these that is present:

1. the column asked for: structures in its cells, or names of structure files;
2. a folder or ``.zip`` given as `structures`: the file named in the column ``file``, else the file named after the
   row's identifier (``ID.cif``, ``ID.vasp``, ``ID.json`` …);
3. the column ``structure``: CIF text, POSCAR text, pymatgen's dictionary, or names of files;
4. the column ``cif``, then the column ``poscar``;
5. the columns ``atomic_numbers`` (n), ``lattice`` (9, Å) and ``frac_coords`` (3n);
6. the column ``file``: a path relative to the table;
7. for ``id_prop.csv``, the file next to it that is named after the identifier;
8. the only column whose cells are structures, or names of structure files;
9. a column of formulas: compositions in place of crystals.

**The identifier** comes from the column that :func:`zoo.data.tables.columns.ids.find_ids` finds, else it is the row's
number.

**The target** comes from the requested column, else from the first of the task's columns that is present.

Names are matched exactly first, then without regard to case.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo._utils.wording import counted
from zoo.data.structures.species import parse_formula
from zoo.data.structures.statements import Statements
from zoo.data.tables.cells import identifier, is_empty, is_missing, number, part
from zoo.data.tables.columns.ids import find_ids
from zoo.data.tables.columns.names import find, required_column, target_column
from zoo.data.tables.columns.names import split_column as column_of_parts
from zoo.data.tables.columns.numbers import decimal_in
from zoo.data.tables.columns.sample import Sample
from zoo.data.tables.columns.structures import FORMULA_COLUMNS, FORMULAS, crystal_source, own_columns
from zoo.data.tables.formats.layout import Layout
from zoo.data.tables.records import Record, Rejection, shorten
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from zoo.data.crystal import Crystal
    from zoo.data.tables.formats.layout import DecimalSign
    from zoo.data.tables.formats.reader import Row, Select, TableReader
    from zoo.registry.contracts import Task


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
    layout : Layout, optional
        Columns told by the user; those that neither it nor their names tell are found by what their cells hold. Without
        it, names alone tell.
    sparse : bool
        Whether rows may lack a target; see :func:`zoo.data.tables.table.read_table`.

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
        *,
        layout: Layout | None = None,
        sparse: bool = False,
    ) -> None:
        self.source, self.task, self.sparse = source, task, sparse
        cells = Sample(source) if layout else None
        told = layout or Layout()
        self.target = target_column(source, task, target) if task else ""
        found = find_ids(source, told.id, cells, {self.target, told.structure or ""}, unique=task is not None)
        self.id_column = found.name
        self._notes = [found.note] if found.note else []
        self._unnamed = 0
        self._disagreeing, self._disagreement = 0, ""
        self.crystal_columns, self.crystal, self.description = crystal_source(
            source, structures, self.id_column, told.structure, cells
        )
        self.self_contained = structures is None and not self.description.startswith("files ")
        """Whether the table itself holds the crystals, rather than file names."""
        self.formulas = self.description.startswith(FORMULAS)
        """Whether the rows have formulas and no structures."""
        self.formula = "" if self.formulas or cells is None else find(source.columns, FORMULA_COLUMNS)
        """Column of formulas beside the structures; empty if there is none."""
        self.yes_or_no = task is not None and not task.unit and task.valid == (0.0, 1.0)
        """Whether the property is binary, such as being a metal, so that True and False count as 1 and 0."""
        self.required = required_column(source, task) if task else ""
        self.decimals: dict[str, DecimalSign | None] = {}
        for column in filter(None, (self.target, self.required)) if cells and not (task and task.classes) else ():
            self.decimals[column] = decimal_in(source, column, told.decimal)
            if self.decimals[column] == "," and told.decimal is None:
                self._notes.append(f"{source.path.name}: numbers with decimal commas in column {column}")
        self.split = column_of_parts(source, split_column) if split_column else ""

        self._cells = cells
        self.kept: tuple[str, ...] = ()
        """Further columns, whose cells the records carry along."""

    @property
    def notes(self) -> list[str]:
        """What the user should know about how the table was taken, one line each; complete once all rows are read."""
        unnamed = f"{counted(self._unnamed, 'row')} without an id in column {self.id_column}: called by the row number"
        notes = [*self._notes, *self.source.notes, *([unnamed] if self._unnamed else [])]
        if self._disagreeing:
            rows = counted(self._disagreeing, "row")
            notes.append(f"column {self.formula} and the structure disagree in {rows}, first in {self._disagreement}")
        return notes

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The columns that hold neither identifiers nor crystals."""
        return own_columns(self.source, {self.id_column, *self.crystal_columns}, self._cells)

    def rows(self, only: Collection[str] | None = None) -> Iterator[Row]:
        """Yield the rows, or only those with the identifiers in `only`."""
        used = (self.id_column, *self.crystal_columns, self.formula, self.target, self.required, self.split, *self.kept)
        columns = list(dict.fromkeys(filter(None, used)))
        for row in self.source.rows(columns, self.select(only)):
            if only is None or self.identify(row) in only:
                yield row

    def select(self, only: Collection[str] | None) -> Select | None:
        """Return a condition that lets the table reader skip rows with other identifiers; None for all rows."""
        if only is None or not self.id_column:
            return None
        return self.id_column, lambda value, number: identifier(value, number) in only

    def identify(self, row: Row) -> str:
        """Return the row's identifier, or its number if it has none."""
        return identifier(row.cells.get(self.id_column) if self.id_column else None, row.number)

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
            return number(cell, yes_or_no=self.yes_or_no, decimal=self.decimals.get(self.target))
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
        name = self.identify(row)
        self._unnamed += bool(self.id_column) and is_empty(row.cells.get(self.id_column))
        column, target, filtered = "", None, False
        try:
            if row.problem:
                raise InputError(row.problem)
            if first_rows and name in first_rows:
                column = self.id_column
                raise InputError(f"duplicate id, first at row {first_rows[name]}")
            if self.task and self.task.requires:
                column, required = self.required, self.task.requires
                filtered = not number(row.cells.get(column), decimal=self.decimals.get(column)) > required.above
                if filtered:
                    raise InputError(required.reason or f"{self.task.name} needs more than {required.above:g}")
            if self.task:
                column = self.target
                filtered = self.sparse and is_missing(row.cells.get(column))
                target = self._target_of(row)
                if problem := self.task.problem(target):
                    raise InputError(problem)
            purpose = ""
            if self.split:
                column = self.split
                purpose = part(row.cells.get(column))
            column = self.crystal_columns[0]
            crystal = self.crystal(row.cells, name)
            self._compare(row, name, crystal)
            cells = {each: row.cells.get(each) for each in self.kept}
            return Record(name, crystal, target, row.number, str(self.source.path), purpose, cells)
        except InputError as error:
            value = shorten(row.cells.get(column)) if column else ""
            reason = " ".join(str(error).split())
            if column == self.crystal_columns[0] and not value and not is_missing(row.cells.get(self.formula)):
                reason = (
                    "only a formula and no structure; add it, or learn from the formulas of all rows: "
                    f"--structure {self.formula}"
                )
            return Rejection(str(self.source.path), row.number, name, column, value, reason, filtered)

    def _compare(self, row: Row, name: str, crystal: Crystal) -> None:
        """Note a formula that is not that of the structure: a column may have been sorted without the others."""
        formula = row.cells.get(self.formula) if self.formula else None
        if isinstance(formula, str) and (amounts := parse_formula(formula)):
            try:
                Statements(amounts, formula).check(crystal)
            except InputError as error:
                self._disagreeing += 1
                self._disagreement = self._disagreement or f"row {row.number} ({name}): {error}"
