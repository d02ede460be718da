"""Columns by their names."""

from zoo.data.tables.columns.names import ID_COLUMNS, find, listed


def test_names_are_matched_exactly_first() -> None:
    assert find(["ID", "id"], ID_COLUMNS) == "id"
    assert find(["Material_ID"], ID_COLUMNS) == "Material_ID"
    assert find(["K"], ID_COLUMNS) == ""


def test_of_many_columns_the_first_are_listed() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([f"c{i}" for i in range(50)]).endswith("c18, c19 and 30 more")
