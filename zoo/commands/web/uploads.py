"""Uploaded files → crystals, within limits.

Structure files alone are read: CIF, POSCAR, extended XYZ and dictionaries as JSON, also compressed. They are written
to a temporary folder that is removed after the request. No archives, tables and databases are read, nothing is
unpickled, and no code comes from a file.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING

from zoo._utils.wording import counted
from zoo.commands.web.answers import Limits, Rejected
from zoo.data.structures.containers.archives import is_archive
from zoo.data.structures.files import identifiers
from zoo.data.tables.records import Record
from zoo.data.tables.structure_files import read_structure_file
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMITS = Limits(bytes=10_000_000, files=100, crystals=500, atoms=1_000, all_atoms=10_000)
"""Limits of a request; one that reaches them is answered in half a minute. The time for finding the symmetry of a
supercell, which some models read, grows with the square of its atoms."""

_LONGEST_NAME = 120


@dataclass(frozen=True)
class Upload:
    """The content of uploaded files.

    Parameters
    ----------
    records : list of Record
    rejected : list of Rejected
    names : dict of str to str
        Names of the files as uploaded, by those in the records.
    """

    records: list[Record]
    rejected: list[Rejected]
    names: dict[str, str]


def read_uploads(files: Sequence[tuple[str, IO[bytes]]]) -> Upload:
    """Read uploaded files, given by their names and contents.

    Raises
    ------
    InputError
        If there are too many crystals or atoms.
    """
    with TemporaryDirectory(prefix="zoo-serve-") as folder:
        paths = []
        for number, (name, content) in enumerate(files, 1):
            path = Path(folder) / str(number) / _safe(name)
            path.parent.mkdir()
            with path.open("wb") as copy:
                shutil.copyfileobj(content, copy)
            paths.append(path)
        found = Upload([], [], {str(path): path.name for path in paths})
        for path, identifier in zip(paths, identifiers(paths), strict=True):
            _read(path, identifier, found)
        return found


def _read(path: Path, identifier: str, found: Upload) -> None:
    if is_archive(path.name):
        reason = "an archive, which is not unpacked here; send the structure files in it, or use zoo predict"
        found.rejected.append(Rejected(file=path.name, id=identifier, reason=reason))
        return
    for item in read_structure_file(path, identifier):
        if isinstance(item, Record) and len(item.crystal) > LIMITS.atoms:
            reason = (
                f"a cell of {counted(len(item.crystal), 'atom')}; at most {LIMITS.atoms:,} here, or use zoo predict"
            )
            found.rejected.append(Rejected(file=path.name, id=item.id, reason=reason))
        elif isinstance(item, Record):
            found.records.append(item)
        else:
            found.rejected.append(Rejected(file=path.name, id=item.id, reason=item.reason))
    count, atoms = len(found.records) + len(found.rejected), sum(len(each.crystal) for each in found.records)
    if count > LIMITS.crystals:
        raise InputError(f"{counted(count, 'crystal')} or more; at most {LIMITS.crystals} at once, or use zoo predict")
    if atoms > LIMITS.all_atoms:
        raise InputError(f"cells of {atoms:,} atoms or more; at most {LIMITS.all_atoms:,} at once, or use zoo predict")


def _safe(name: str) -> str:
    """Return the last part of an uploaded file's name, printable and not hidden."""
    last = name.replace("\\", "/").rpartition("/")[2]
    text = "".join(letter if letter.isprintable() else "_" for letter in last).strip().lstrip(".")
    return text[-_LONGEST_NAME:].encode()[-240:].decode(errors="ignore") or "unnamed"
