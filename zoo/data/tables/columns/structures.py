"""The columns of the crystals."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from zoo.data.composition import Composition, is_formula
from zoo.data.structures import parse as parsing
from zoo.data.structures.containers.archives import is_archive, structure_lookup
from zoo.data.structures.files import format_of
from zoo.data.tables.cells import is_missing
from zoo.data.tables.columns.names import ID_COLUMNS, find, listed
from zoo.data.tables.formats.reader import INDEX
from zoo.data.tables.records import shorten
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from zoo.data.crystal import Crystal
    from zoo.data.tables.columns.sample import Sample
    from zoo.data.tables.formats.reader import TableReader

CrystalReader = Callable[[Mapping[str, object], str], "Crystal"]
"""Reads a crystal from a row's cells and identifier."""

_STRUCTURE_COLUMNS = ("structure", "cif", "poscar", "atoms")
FORMULA_COLUMNS = ("formula", "composition", "reduced_formula", "pretty_formula", "formula_pretty", "full_formula")
FORMULAS = "formulas alone,"
"""Beginning of the description of the crystals of a table without structures."""

_NAMES = frozenset({*ID_COLUMNS, *_STRUCTURE_COLUMNS, *FORMULA_COLUMNS, *parsing.ARRAYS, "file"})
_LONGEST_PATH = 255


def crystal_source(
    source: TableReader,
    structures: Path | None,
    id_column: str,
    asked: str | None = None,
    cells: Sample | None = None,
) -> tuple[tuple[str, ...], CrystalReader, str]:
    """Choose the source of the crystals.

    Parameters
    ----------
    source : TableReader
    structures : Path or None
        Folder or ``.zip`` of structure files.
    id_column : str
    asked : str, optional
        Column of the structures: texts, dictionaries, objects, or names of files.
    cells : Sample, optional
        From which such a column is found if no name tells it.

    Returns
    -------
    columns : tuple of str
    read : callable
        Reads a crystal from a row's cells and identifier.
    description : str

    Raises
    ------
    InputError
        If no column holds crystals, or several might.
    """
    columns = source.columns
    if structures is not None and not (structures.is_dir() or (structures.is_file() and is_archive(structures.name))):
        raise InputError(f"--structures {structures}: there is no such folder, nor such a .zip")
    if asked is not None:
        name = find(columns, (asked,))
        if not name:
            raise InputError(
                f"{source.path}: --structure {asked}: there is no such column (columns: {listed(columns)})"
            )
        return _with_header(source, *_of_column(name, source, structures, cells))
    choices = _by_name(source, structures, id_column, cells)
    if not choices and cells is not None:
        held = [name for name, values in cells.cells(*filter(None, columns)).items() if _holds(values)]
        if len(held) > 1:
            both = " and ".join(map(repr, held))
            raise InputError(f"{source.path}: the columns {both} hold structures; say which with --structure")
        choices = [_of_column(name, source, structures, cells) for name in held]
    if not choices and cells is not None and (name := _formula_column(source, cells)):
        choices = [_of_formulas(name)]
    if not choices:
        raise InputError(
            f"{source.path}: no crystals found: there is no column structure, cif, poscar, file or formula, nor the "
            f"columns {', '.join(parsing.ARRAYS)}; name the column with --structure, or a folder of structure files "
            f"with --structures (columns: {listed(columns)})"
        )
    (chosen, read, description), *others = choices
    also = f" (also present: {'; '.join(words for _, _, words in others)})" if others else ""
    return _with_header(source, chosen, read, description + also)


def _with_header(
    source: TableReader, columns: tuple[str, ...], read: CrystalReader, description: str
) -> tuple[tuple[str, ...], CrystalReader, str]:
    """Return what is to be read; refuse a table whose first row, taken for the names, holds a crystal itself."""
    if not source.headerless and all(name.lower() not in _NAMES for name in columns):
        try:
            read({name: name for name in columns}, columns[0])
        except InputError:
            return columns, read, description
        raise InputError(
            f"{source.path}: the first row holds a crystal ({shorten(columns[0])!r}) in place of the names of the "
            "columns; write these above it (lines that begin with # are comments)"
        )
    return columns, read, description


def _formula_column(source: TableReader, cells: Sample) -> str:
    """Return the column of formulas: one called like it, else the only one whose cells are formulas of compounds.

    Raises
    ------
    InputError
        If several might be it.
    """
    if named := find(source.columns, FORMULA_COLUMNS):
        return named
    held = cells.cells(*filter(None, source.columns))
    found = [name for name, values in held.items() if _are_formulas(values) and _are_compounds(values)]
    if len(found) > 1:
        both = " and ".join(map(repr, found))
        raise InputError(
            f"{source.path}: there are no structures, and the columns {both} hold formulas; say which with --structure"
        )
    return found[0] if found else ""


def own_columns(source: TableReader, used: Collection[str], cells: Sample | None = None) -> tuple[str, ...]:
    """Return the columns of a table that are neither `used`, nor row labels, nor hold structures."""
    others = [
        name
        for name in source.columns
        if name and not (name in used or name == INDEX or name.startswith("__index_level_"))
    ]
    if all(find(source.columns, (name,)) for name in parsing.ARRAYS):
        others = [name for name in others if name.lower() not in parsing.ARRAYS]
    if cells is None:  # names alone tell
        return tuple(name for name in others if name not in _STRUCTURE_COLUMNS)
    held = cells.cells(*others)
    return tuple(name for name in others if not any(_kind(value) == "structures" for value in held[name]))


def _by_name(
    source: TableReader, structures: Path | None, id_column: str, cells: Sample | None
) -> list[tuple[tuple[str, ...], CrystalReader, str]]:
    columns, beside = source.columns, source.path.parent
    file = find(columns, ("file",))
    arrays = tuple(find(columns, (name,)) for name in parsing.ARRAYS)
    choices: list[tuple[tuple[str, ...], CrystalReader, str]] = []
    if structures is not None and file:
        choices.append(((file,), _from_files(structures, file), f"files of {structures} named in column {file}"))
    elif structures is not None and id_column:
        choices.append(
            ((id_column,), _from_files(structures, id_column), f"files of {structures} named by {id_column}")
        )
    elif structures is not None:
        raise InputError(f"{source.path}: --structures needs a column of identifiers ({', '.join(ID_COLUMNS)})")
    named = (find(columns, (name,)) for name in _STRUCTURE_COLUMNS)
    choices += [_of_column(found, source, None, cells) for found in named if found]
    if all(arrays):
        choices.append((arrays, _from_arrays(arrays), f"columns {', '.join(arrays)}"))
    if file and structures is None:
        choices.append(((file,), _from_files(beside, file), f"files named in column {file}"))
    if source.path.name == "id_prop.csv" and structures is None and id_column:  # with or without a header
        choices.append(((id_column,), _from_files(beside, id_column), f"files of {beside} named by {id_column}"))
    return choices


def _of_column(
    name: str, source: TableReader, structures: Path | None, cells: Sample | None
) -> tuple[tuple[str, ...], CrystalReader, str]:
    """Return the crystals of a column: those in its cells, or in the files that these name."""
    if cells is not None and is_formula(cells.first(name)) and _are_formulas(cells.cells(name)[name]):
        return _of_formulas(name)
    if cells is not None and _names_files(cells, name):
        folder = structures or source.path.parent
        where = f"files of {structures}" if structures else "files"
        return (name,), _from_files(folder, name), f"{where} named in column {name}"
    return (name,), lambda row, _: parsing.parse(row.get(name)), f"column {name}"


def _names_files(cells: Sample, name: str) -> bool:
    """Return whether the cells of a column name structure files; the first one may be a word below the header."""
    first = cells.first(name)
    if _kind(first) or not isinstance(first, str):
        return _kind(first) == "files"
    return any(_kind(value) == "files" for value in cells.cells(name)[name])


def _of_formulas(name: str) -> tuple[tuple[str, ...], CrystalReader, str]:
    """Return compositions in place of crystals."""

    def read(cells: Mapping[str, object], _identifier: str) -> Crystal:
        value = cells.get(name)
        if _has_no_formula(value):
            raise InputError("no formula is given")
        return Composition.parse(value)

    return (name,), read, f"{FORMULAS} in column {name}"


def _has_no_formula(value: object) -> bool:
    """Return whether a cell is empty; ``Na``, which says so in other columns, is sodium."""
    return is_missing(value) and not (is_formula(value) and value != "NaN")


def _are_formulas(values: Sequence[object]) -> bool:
    known = [value for value in values if not _has_no_formula(value)]
    return bool(known) and all(map(is_formula, known))


def _are_compounds(values: Sequence[object]) -> bool:
    """Return whether most formulas have several elements: a column of element symbols may be about anything."""
    known = [value for value in values if not _has_no_formula(value)]
    return sum(len(set(re.findall(r"[A-Z][a-z]?", str(value)))) > 1 for value in known) > len(known) / 2


def _from_arrays(columns: tuple[str, ...]) -> CrystalReader:
    numbers, lattice, frac = columns
    return lambda cells, _: parsing.from_arrays(cells.get(numbers), cells.get(lattice), cells.get(frac))


def _from_files(folder: Path, column: str) -> CrystalReader:
    find_crystal = structure_lookup(folder)

    def read(cells: Mapping[str, object], _identifier: str) -> Crystal:
        name = cells.get(column)
        if is_missing(name):
            raise InputError("no structure file is named")
        return find_crystal(str(name).strip())

    return read


def _holds(values: Sequence[object]) -> str:
    """Return what the first cells of a column hold: "structures", "files" that hold them, or "" for anything else."""
    kinds = {_kind(value) for value in values if not is_missing(value)}
    return kinds.pop() if len(kinds) == 1 else ""


def _kind(value: object) -> str:
    if isinstance(value, str) and "\n" not in value.strip() and len(value) <= _LONGEST_PATH:
        name = re.split(r"[\\/]", value.strip())[-1]
        if format_of(name) and "." in name:
            return "files"
    return "structures" if parsing.may_be_structure(value) else ""
