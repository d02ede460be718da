"""Archives of structure files (``.zip``, ``.tar``, ``.tar.gz`` …) → crystals.

Members are read one at a time into memory, never written to disk. An archive is refused whole if a member's name leads
out of it, or if it has too many members or unpacks to too many bytes; links are not followed.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from lzma import LZMAError
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast

from zoo.data.structures.files import compressed_opener, find_file, identifiers, is_structure_file, stem_of, text_of
from zoo.data.structures.parse import parse_named, read_file
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo.data.crystal import Crystal

MAX_MEMBERS = 500_000
"""Most members of an archive."""

MAX_BYTES = 8_000_000_000
"""Most bytes to which an archive unpacks."""

MAX_RATIO = 200
"""Largest ratio of unpacked to packed bytes of an archive that unpacks to more than `ALWAYS_BYTES`; CIFs reach 20."""

ALWAYS_BYTES = 50_000_000
"""Bytes to which any archive may unpack."""

_TAR = {
    ".tar": "",
    ".tar.gz": ".gz",
    ".tgz": ".gz",
    ".tar.bz2": ".bz2",
    ".tbz2": ".bz2",
    ".tar.xz": ".xz",
    ".txz": ".xz",
}
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error, LZMAError)
_BROKEN = (*_DAMAGED, NotImplementedError, ValueError)  # an unknown compression, a header with absurd numbers


@dataclass(frozen=True)
class Archive:
    """An archive whose members have been listed and checked.

    Parameters
    ----------
    path : Path
    members : dict of str to str
        Names of the structure files in it, in their order, with their identifiers.
    problems : dict of str to str
        Members among these that are not read, with the reasons.
    others : list of str
        Names of the other files.
    """

    path: Path
    members: dict[str, str]
    problems: dict[str, str]
    others: list[str]


def is_archive(name: str) -> bool:
    """Return whether a file is an archive by its name."""
    return name.lower().endswith((".zip", *_TAR))


def open_archive(path: Path) -> Archive:
    """List the members of an archive, without reading them.

    Raises
    ------
    InputError
        If the file is not such an archive or a damaged one, has a member that leads out of it, or exceeds a bound.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return _listed(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _listed(path: Path, _changed: int, _size: int) -> Archive:
    """List an archive once as long as it does not change, since a compressed one has to be unpacked for that."""
    names: list[str] = []
    problems: dict[str, str] = {}
    others: list[str] = []
    for count, (name, link, _) in enumerate(_walk(path)):
        if count >= MAX_MEMBERS:
            raise InputError(f"{path}: more than {MAX_MEMBERS:,} members; not an archive of structure files")
        inner = Path(name.replace("\\", "/"))
        if inner.is_absolute() or ".." in inner.parts or any(":" in part for part in inner.parts[:1]):
            raise InputError(f"{path}: its member {name[:60]!r} leads out of the archive; zoo does not read it")
        if is_structure_file(inner):
            names.append(name)
            if link:
                problems[name] = "a link, not a file"
        elif not inner.name.startswith("."):
            others.append(name)
    problems |= dict.fromkeys((name for name, count in Counter(names).items() if count > 1), "the archive has it twice")
    if not names:
        held = f"; it holds {', '.join(others[:3])}{' …' if others[3:] else ''}" if others else ""
        raise InputError(f"{path}: no structure file in this archive (.cif, .vasp, POSCAR, .json …){held}")
    ids = identifiers([Path("/", path.name, name.replace("\\", "/")) for name in names])
    return Archive(path, dict(zip(names, ids, strict=True)), problems, others)


def read_members(
    archive: Archive, wanted: Callable[[str], bool] = lambda _: True
) -> Iterator[tuple[str, Crystal | InputError]]:
    """Yield the names of the structure files in an archive, and their crystals or the reasons why there are none.

    Parameters
    ----------
    archive : Archive
    wanted : callable
        Whether the member of a name is read; others are left out.

    Raises
    ------
    InputError
        If the archive has been replaced or is damaged.
    """
    for name, _, opened in _walk(archive.path):
        if name not in archive.members or not wanted(name):
            continue
        yield name, _read(archive, name, opened)


def _read(archive: Archive, name: str, opened: Callable[[], IO[bytes]]) -> Crystal | InputError:
    if name in archive.problems:
        return InputError(archive.problems[name])
    base = name.replace("\\", "/").rpartition("/")[2]
    opener = compressed_opener(base)
    try:
        with opened() as file:
            text = text_of(opener(file) if opener else file, base)
        return parse_named(text, base)
    except InputError as error:
        return error
    except RuntimeError:
        return InputError("the file is encrypted")
    except _BROKEN as error:
        return InputError(f"the file cannot be read ({error.__class__.__name__})")


def structure_lookup(folder: Path) -> Callable[[str], Crystal]:
    """Return a function that reads the structure file of a name, with or without extension, in a folder or ``.zip``.

    Raises
    ------
    InputError
        If `folder` is an archive of another kind, which can only be read from its beginning, or a damaged one. The
        function raises it if there is no such file or it cannot be read.
    """
    if not is_archive(folder.name) or folder.is_dir():
        return lambda name: read_file(find_file(folder, name))
    if not folder.name.lower().endswith(".zip"):
        raise InputError(f"{folder}: structure files can be looked up in a folder or a .zip; unpack it")
    archive = open_archive(folder)
    by_name: dict[str, set[str]] = {}
    for member in archive.members:
        whole = member.replace("\\", "/")
        base = whole.rpartition("/")[2]
        for name in (whole, base, stem_of(base)):
            by_name.setdefault(name, set()).add(member)
    file = zipfile.ZipFile(folder)

    def read(name: str) -> Crystal:
        members = sorted(by_name.get(name, ()))
        if not members:
            raise InputError(f"no structure file: {name} (.cif, .vasp, .json …) is not in {folder}")
        if members[1:]:
            raise InputError(f"several structure files: {name} may be {members[0]} or {members[1]}")
        found = _read(archive, members[0], partial(file.open, members[0]))
        if isinstance(found, InputError):
            raise found
        return found

    return read


Member = tuple[str, bool, "Callable[[], IO[bytes]]"]


def _walk(path: Path) -> Iterator[Member]:
    """Yield the name of each file, whether it is a link, and a function that opens it, to be called at once."""
    try:
        yield from _walk_zip(path) if path.name.lower().endswith(".zip") else _walk_tar(path)
    except _BROKEN as error:
        raise InputError(f"{path}: not an archive that can be read ({error.__class__.__name__})") from None


def _limit(path: Path) -> int:
    return min(MAX_BYTES, max(ALWAYS_BYTES, MAX_RATIO * path.stat().st_size))


def _too_large(path: Path) -> InputError:
    return InputError(
        f"{path}: unpacks to more than {_limit(path) / 1e6:,.0f} MB, from {path.stat().st_size / 1e6:.3g} MB; "
        "not an archive of structure files"
    )


def _walk_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as file:
        infos = file.infolist()
        if sum(info.file_size for info in infos) > _limit(path):
            raise _too_large(path)
        for info in infos:
            if not info.is_dir():
                yield info.filename, stat.S_ISLNK(info.external_attr >> 16), partial(file.open, info)


def _walk_tar(path: Path) -> Iterator[Member]:
    with _Bounded.opened(path) as stream, _tar(stream) as file:
        while (info := file.next()) is not None:
            if not info.isdir():
                yield info.name, not info.isreg(), partial(_extracted, file, info)
            file.members.clear()  # type: ignore[attr-defined]  # typeshed lacks it; a stream needs no list of the past


def _tar(stream: _Bounded) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast("Any", stream), mode="r|", tarinfo=_Header)


class _Header(tarfile.TarInfo):
    """A member's header; where it is damaged or cut off, `tarfile` would take it for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):  # the end
                raise
            raise tarfile.ReadError(str(error)) from None


def _extracted(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    opened = file.extractfile(info)
    assert opened is not None  # a regular file
    return opened


class _Bounded:
    """An unpacked stream that ends in an error after too many bytes."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file
        self._left = _limit(path)

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[_Bounded]:
        lower = path.name.lower()
        ending = next(packed for suffix, packed in reversed(_TAR.items()) if lower.endswith(suffix))
        opener = compressed_opener(f"x{ending}")
        with path.open("rb") as raw:
            if opener is None:
                yield cls(path, raw)
            else:
                with closing(opener(raw)) as unpacked:
                    yield cls(path, unpacked)

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._path)
        return data
