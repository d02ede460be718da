"""Files, folders and tables of crystals → a DataFrame: what ``zoo predict`` reads, in a notebook."""

from __future__ import annotations

import re
import warnings
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo._utils.python_api import public, spoken
from zoo._utils.wording import counted
from zoo.data.structures.parse import kind_of
from zoo.data.tables.formats.layout import Layout
from zoo.data.tables.inputs import iter_records
from zoo.data.tables.records import Rejection
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from zoo.data.structures.conversion import OnError

_SHOWN = 3

_LABEL = re.compile(r"\s*[+-]?(0\d|\d{16,}\s*$)")
"""A text of digits that is no number: it begins with a zero, or has more digits than a number holds."""


@public("zoo.read")
def read(
    path: str | Path | Sequence[str | Path],
    *,
    structures: str | Path | None = None,
    id: str | None = None,  # noqa: A002 - as the option is called
    structure: str | None = None,
    sheet: str | None = None,
    on_error: OnError = "raise",
) -> pd.DataFrame:
    """Read all crystals of a file, folder, archive or table that ``zoo predict`` takes.

    Parameters
    ----------
    path : str or Path, or several of them
        A structure file, a folder or archive of them, a table, a database of ASE, or a file in extended XYZ
        (docs/reference/crystals.md lists the formats). It is read whole.
    structures : str or Path, optional
        Folder of structure files, for a table that holds only identifiers.
    id, structure : str, optional
        Columns of a table; by default they are found by their names, else by their cells.
    sheet : str, optional
        Sheet of an Excel workbook; by default the only one that is not empty.
    on_error : {"raise", "skip"}
        Whether a crystal that cannot be used ends in an error, or is left out with a warning;
        ``frame.attrs["skipped"]`` then lists all of them with their reasons.

    Returns
    -------
    DataFrame
        A row for each crystal. The index holds the identifiers, as text; ``structure`` the crystals
        (:class:`zoo.Crystal`), which everything in zoo takes; then come a table's own columns, of which one called
        ``structure`` becomes ``input_structure``, and the reduced ``formula`` and the number of ``atoms``, unless the
        table has such columns, so that you can check what was read.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read, or a crystal cannot be used; names the first one.

    Examples
    --------
    >>> import tempfile, zoo
    >>> from zoo.testing import sample_crystals
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, structure in sample_crystals.crystals().items():
    ...         _ = structure.to(f"{folder}/{name}.cif")
    ...     frame = zoo.read(folder)
    >>> frame.formula["ZnO"], int(frame.atoms["ZnO"])
    ('O1 Zn1', 4)
    >>> zoo.load("dEf-10k").predict(frame.structure).id.tolist()
    ['CsCl', 'NaCl', 'Si', 'SrTiO3', 'ZnO']
    """
    import pandas as pd

    if on_error not in ("raise", "skip"):
        raise InputError(f"on_error={on_error!r}: use 'raise' or 'skip'")
    ids: list[str] = []
    rows: list[dict[str, object]] = []
    rejected: list[Rejection] = []
    paths = []
    for each in path if isinstance(path, list | tuple) else [path]:
        if not isinstance(each, str | PathLike):
            raise InputError(f"{kind_of(each)} is not a path")
        if "\n" in str(each):
            raise InputError("path is a text of several lines; give the text of a structure to zoo.graph or to a model")
        paths.append(Path(each))
    folder = Path(structures) if structures is not None else None
    stream = iter_records(paths, structures=folder, layout=Layout(id, structure, sheet), keep=None)
    own = "input_structure" if "structure" in stream.kept else ""
    for item in stream:
        if isinstance(item, Rejection):
            rejected.append(item)
            continue
        ids.append(item.id)
        read_from = {"formula": item.crystal.formula, "atoms": len(item.crystal)}
        cells = {name if name != "structure" else own: cell for name, cell in item.cells.items()}
        rows.append({**read_from, **cells, "structure": item.crystal})
    for note in stream.notes:
        warnings.warn(spoken(note), stacklevel=3)  # above the function and its decorator
    if rejected:
        _report(rejected, len(ids), on_error)
    if not rows:
        raise InputError(
            f"{', '.join(map(str, paths))}: there is no crystal"
            + (f" that can be used; {rejected[0]}" if rejected else "")
        )
    kept = [name if name != "structure" else own for name in stream.kept]
    columns = dict.fromkeys(["structure", *kept, "formula", "atoms"])
    frame = pd.DataFrame(rows, index=pd.Index(ids, name="id", dtype=object), columns=list(columns))
    for name in frame.columns[1:]:
        frame[name] = _typed(frame[name])
    frame.attrs["skipped"] = [str(rejection) for rejection in rejected]
    return frame


def _report(rejected: list[Rejection], usable: int, on_error: OnError) -> None:
    total = counted(usable + len(rejected), "crystal")
    if on_error == "raise":
        more = f" ({len(rejected)} of {total} cannot be used)" if rejected[1:] else ""
        raise InputError(f"{rejected[0]}{more}; on_error='skip' leaves such crystals out")
    reasons = [str(each) for each in rejected[:_SHOWN]]
    reasons += [f"{len(rejected) - _SHOWN} more"] if rejected[_SHOWN:] else []
    warnings.warn(f"{len(rejected)} of {total} skipped: {'; '.join(reasons)}", stacklevel=4)


def _typed(column: Any) -> Any:
    """Return a column as numbers if all its cells are empty, or numbers of which no digit would be lost."""
    import pandas as pd

    if column.map(lambda cell: isinstance(cell, bool) or (isinstance(cell, str) and _LABEL.match(cell))).any():
        return column
    try:
        return pd.to_numeric(column.replace({"": None}))
    except (ValueError, TypeError):
        return column
