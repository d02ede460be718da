"""Tables and structure files → records, and every row that cannot be used with its reason.

A file's way through: `readers` opens it and yields its rows; `rows` turns each row into a record or a rejection
(`records`). `table` reads a labelled table whole, `inputs` streams whatever ``zoo predict`` is given, with
`structure_files` for files of single structures. `rejections` counts and lists rejected rows; `conditions` select rows.
"""

from zoo._utils import lazy

__getattr__, __dir__ = lazy.attach(__name__, __file__)
