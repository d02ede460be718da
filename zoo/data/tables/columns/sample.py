"""The first rows of a table, by which columns are told that have no name to tell them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from zoo.data.tables.cells import is_missing

if TYPE_CHECKING:
    from zoo.data.tables.formats.reader import TableReader

_SAMPLED = 200


class Sample:
    """The first rows of a table, read when they are asked for.

    Parameters
    ----------
    source : TableReader
    """

    def __init__(self, source: TableReader) -> None:
        self._source = source
        self._cells: dict[str, list[object]] = {}

    def cells(self, *columns: str) -> dict[str, list[object]]:
        """Return the cells of some columns, of the first rows that can be read."""
        if missing := [name for name in columns if name not in self._cells]:
            rows = [row.cells for row in islice(self._source.rows(missing, None), _SAMPLED) if not row.problem]
            self._cells |= {name: [cells.get(name) for cells in rows] for name in missing}
        return {name: self._cells[name] for name in columns}

    def first(self, column: str) -> object:
        """Return the first cell of a column that is not empty; None if there is none."""
        if column in self._cells:
            cells = iter(self._cells[column])
        else:
            cells = (row.cells.get(column) for row in islice(self._source.rows([column], None), _SAMPLED))
        return next((cell for cell in cells if not is_missing(cell)), None)
