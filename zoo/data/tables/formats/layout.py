"""What a user says about the layout of a table that its names do not tell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """The layout of a table, as far as it is told.

    Parameters
    ----------
    id : str or None
        Column of the identifiers.
    structure : str or None
        Column of the structures, or of names of structure files.
    """

    id: str | None = None
    structure: str | None = None
