"""Tables and structure files → records, and rejections with their reasons.

`readers` opens a table of any of the `formats`; `rows` turns each row into a record or a rejection (`records`).
`table` reads a labelled table whole, `inputs` streams the inputs of ``zoo predict``, with `structure_files` for files
of single structures, and `crystal_frame` reads them into a DataFrame. `rejections` counts and lists rejected rows;
`conditions` select rows.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.data.tables.conditions import Condition as Condition
    from zoo.data.tables.crystal_frame import read as read
    from zoo.data.tables.formats.reader import Row as Row
    from zoo.data.tables.formats.reader import TableReader as TableReader
    from zoo.data.tables.inputs import RecordStream as RecordStream
    from zoo.data.tables.inputs import count_records as count_records
    from zoo.data.tables.inputs import iter_records as iter_records
    from zoo.data.tables.readers import is_table as is_table
    from zoo.data.tables.readers import open_table as open_table
    from zoo.data.tables.records import Record as Record
    from zoo.data.tables.records import Rejection as Rejection
    from zoo.data.tables.records import records_digest as records_digest
    from zoo.data.tables.rejections import check_rejected_fraction as check_rejected_fraction
    from zoo.data.tables.rejections import is_rejected_list as is_rejected_list
    from zoo.data.tables.rejections import remove_rejected_list as remove_rejected_list
    from zoo.data.tables.rejections import write_rejected as write_rejected
    from zoo.data.tables.rows import RowReader as RowReader
    from zoo.data.tables.structure_files import ParallelReader as ParallelReader
    from zoo.data.tables.structure_files import read_structure_file as read_structure_file
    from zoo.data.tables.table import Table as Table
    from zoo.data.tables.table import TableSource as TableSource
    from zoo.data.tables.table import no_table as no_table
    from zoo.data.tables.table import read_table as read_table
    from zoo.data.tables.table import source_name as source_name
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
