"""What a notebook shows: the text of tables in HTML, which is also well-formed XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET


def tables(shown: str) -> list[list[list[str]]]:
    """Return the cells of all tables, by row."""
    return [
        [[cell.text or "" for cell in row] for row in table.iter("tr")] for table in ET.fromstring(shown).iter("table")
    ]
