"""Files that hold several crystals (extended XYZ, databases of ASE, archives) → rows of a crystal and its values."""

from __future__ import annotations

from functools import partial
from io import TextIOWrapper
from itertools import islice
from typing import TYPE_CHECKING, Any

from zoo.data.structures.containers.archives import is_archive, open_archive, read_members
from zoo.data.structures.containers.ase_database import count_systems, systems
from zoo.data.structures.containers.extxyz import Frame, frames, parse_frame
from zoo.data.structures.files import format_of, open_bytes, stem_of
from zoo.data.structures.parse import parse
from zoo.data.tables.columns.names import ID_COLUMNS
from zoo.data.tables.formats.reader import Row, Select, TableReader
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zoo.data.crystal import Crystal

STRUCTURE = "structure"
"""Column of the crystals."""

_SAMPLE = 100  # rows from which the columns are determined
_GEOMETRY = ("lattice", "pbc", "properties")


def is_container(path: Path) -> bool:
    """Return whether a file holds several crystals by its name."""
    return is_archive(path.name) or path.suffix.lower() == ".db" or format_of(path.name) == "xyz"


def open_container(path: Path, stem: str = "") -> TableReader:
    """Open an archive of structure files, a database of ASE, or a file in extended XYZ.

    The identifiers are names of the files in an archive; otherwise the values of a key such as ``material_id``, if each
    crystal has its own, or the file's name and the number of the crystal.

    Parameters
    ----------
    path : Path
    stem : str
        What stands for the file's name in identifiers; by default its name without extension.

    Raises
    ------
    InputError
        If the file is damaged or holds no crystals.
    """
    if is_archive(path.name):
        return _open_archive(path)
    if path.suffix.lower() == ".db":
        return _open_database(path)
    return _open_frames(path, stem or stem_of(path.name))


def _open_archive(path: Path) -> TableReader:
    archive = open_archive(path)
    numbers = {name: number for number, name in enumerate(archive.members, 1)}

    def rows(columns: Sequence[str], select: Select | None) -> Iterator[Row]:
        def wanted(name: str) -> bool:
            return select is None or select[1](archive.members[name], numbers[name])

        if STRUCTURE not in columns:
            yield from (Row(numbers[name], {"id": id_}) for name, id_ in archive.members.items() if wanted(name))
            return
        for name, found in read_members(archive, wanted):
            yield _row(numbers[name], {"id": archive.members[name]}, found)

    return TableReader(path, ("id", STRUCTURE), rows, count=len(archive.members))


def _open_database(path: Path) -> TableReader:
    count = count_systems(path)
    if not count:
        raise InputError(f"{path}: the database is empty")
    return numbered(path, lambda: systems(path), count)


def numbered(
    path: Path,
    entries: Callable[[], Iterable[tuple[str, Mapping[str, Any], Mapping[str, Any] | None]]],
    count: int,
) -> TableReader:
    """Return the reader of numbered entries, each with its values and the arrays of its crystal."""
    sample = [cells for _, cells, _ in islice(entries(), _SAMPLE)]
    named, stem = _names(sample), stem_of(path.name).removesuffix(".db")

    def rows(columns: Sequence[str], select: Select | None) -> Iterator[Row]:
        for number, (label, values, arrays) in enumerate(entries(), 1):
            cells = values if named else {**values, "id": f"{stem}:{label}" if count > 1 else stem}
            if select is None or select[1](cells.get(select[0]), number):
                yield _row(number, cells, partial(_from_arrays, arrays) if STRUCTURE in columns else None)

    return TableReader(path, _columns(sample, named), rows, count=count)


def _from_arrays(arrays: Mapping[str, Any] | None) -> Crystal:
    if arrays is None:
        raise InputError("the arrays of the crystal are broken")
    return parse(arrays)


def _open_frames(path: Path, stem: str) -> TableReader:
    def read() -> Iterator[Frame]:
        with open_bytes(path) as file, TextIOWrapper(file, encoding="utf-8", errors="replace") as text:
            yield from frames(text)

    first = list(islice(read(), _SAMPLE))
    if not first or (len(first) == 1 and not first[0].atoms):
        raise InputError(f"{path}: {first[0].problem if first else 'the file is empty'}")
    sample = [_values(frame) for frame in first]
    named = _names(sample)

    def rows(columns: Sequence[str], select: Select | None) -> Iterator[Row]:
        for number, frame in enumerate(read(), 1):
            cells = _values(frame) if named else {**_values(frame), "id": f"{stem}:{number}" if first[1:] else stem}
            if select is None or select[1](cells.get(select[0]), number):
                yield _row(number, cells, partial(parse_frame, frame) if STRUCTURE in columns else None)

    return TableReader(path, _columns(sample, named), rows, count=len(first) if len(first) < _SAMPLE else None)


def _values(frame: Frame) -> dict[str, str]:
    return {name: value for name, value in frame.pairs.items() if name not in _GEOMETRY}


def _names(sample: Sequence[Mapping[str, object]]) -> bool:
    """Return whether the crystals name themselves: each has its own value of a column of identifiers."""
    column = next((name for name in ID_COLUMNS if any(name in cells for cells in sample)), None)
    return column is not None and len({str(cells.get(column)) for cells in sample if column in cells}) == len(sample)


def _columns(sample: Sequence[Mapping[str, object]], named: bool) -> tuple[str, ...]:
    names = dict.fromkeys(name for cells in sample for name in cells)
    return tuple(dict.fromkeys([*(() if named else ("id",)), *names, STRUCTURE]))


def _row(number: int, cells: Mapping[str, object], crystal: Crystal | InputError | Callable[[], Crystal] | None) -> Row:
    try:
        found = crystal() if callable(crystal) else crystal
    except InputError as error:
        found = error
    if isinstance(found, InputError):
        return Row(number, cells, str(found))
    return Row(number, {**cells, STRUCTURE: found} if found is not None else cells)
