"""Formats of tables → columns and rows of cells.

`reader` says what an opened table is, `layout` what a user tells of one. `delimited` opens CSV and TSV, `json_tables`
JSON and JSON lines, `parquet` Parquet, `containers` files of several crystals, and `frames` a DataFrame. `text` decodes
text files.
"""

from typing import TYPE_CHECKING

from zoo._utils import lazy

if TYPE_CHECKING:
    from zoo.data.tables.formats.containers import is_container as is_container
    from zoo.data.tables.formats.containers import open_container as open_container
    from zoo.data.tables.formats.delimited import open_delimited as open_delimited
    from zoo.data.tables.formats.frames import FRAME as FRAME
    from zoo.data.tables.formats.frames import open_frame as open_frame
    from zoo.data.tables.formats.json_tables import OneStructureError as OneStructureError
    from zoo.data.tables.formats.json_tables import open_json as open_json
    from zoo.data.tables.formats.json_tables import open_jsonl as open_jsonl
    from zoo.data.tables.formats.layout import Layout as Layout
    from zoo.data.tables.formats.parquet import open_parquet as open_parquet
    from zoo.data.tables.formats.reader import Row as Row
    from zoo.data.tables.formats.reader import TableReader as TableReader
    from zoo.data.tables.formats.text import check_text as check_text
    from zoo.data.tables.formats.text import lines as lines
    from zoo.data.tables.formats.text import open_text as open_text
else:
    __getattr__, __dir__ = lazy.attach(__name__, __file__)
