"""First rows, read as far as they are asked for."""

from __future__ import annotations

import pandas as pd

from zoo.data.tables.columns.sample import Sample
from zoo.data.tables.readers import open_table


def test_the_first_rows_of_the_columns_asked_for() -> None:
    source = open_table(pd.DataFrame({"a": [None, "", *range(998)], "b": 1.0}))
    sample = Sample(source)
    assert sample.first("a") == 0
    cells = sample.cells("a", "b")
    assert (len(cells["a"]), cells["a"][:4], set(cells["b"])) == (200, [None, "", 0, 1], {1.0})
    assert sample.first("a") == 0
    assert Sample(open_table(pd.DataFrame({"a": [None, "nan"]}))).first("a") is None
