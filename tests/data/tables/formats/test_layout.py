"""What a user tells of a table's layout goes through commands and Python alike."""

from __future__ import annotations

import pandas as pd

import zoo
from zoo.data.tables.formats.layout import Layout


def test_options_tell_the_layout() -> None:
    told = {"id": "sample", "structure": "relaxed"}
    frame = pd.DataFrame()
    assert zoo.Options("bulk-modulus", frame, **told).layout == Layout("sample", "relaxed")  # type: ignore[arg-type]
    assert zoo.StudyOptions("bulk-modulus", frame, **told).layout == Layout("sample", "relaxed")  # type: ignore[arg-type]
    assert zoo.Options("bulk-modulus", frame).layout == Layout()
