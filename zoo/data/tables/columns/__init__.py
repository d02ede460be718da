"""Which column of a table holds what: as asked for, by its name, or by what its cells hold.

`names` finds columns by their names, `ids` the column of identifiers and `structures` those of the crystals, if need be
by the first rows (`sample`).
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.data.tables.columns.ids import IdColumn as IdColumn
    from zoo.data.tables.columns.ids import find_ids as find_ids
    from zoo.data.tables.columns.names import ID_COLUMNS as ID_COLUMNS
    from zoo.data.tables.columns.names import find as find
    from zoo.data.tables.columns.names import listed as listed
    from zoo.data.tables.columns.names import required_column as required_column
    from zoo.data.tables.columns.names import split_column as split_column
    from zoo.data.tables.columns.names import target_column as target_column
    from zoo.data.tables.columns.sample import Sample as Sample
    from zoo.data.tables.columns.structures import crystal_source as crystal_source
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
