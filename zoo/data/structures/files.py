"""Structure files: recognising them by name, and reading their text."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import os
import re
import zlib
from collections import Counter
from typing import IO, TYPE_CHECKING

from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_CHARACTERS = 8_000_000
"""Longest text accepted as one structure."""

_OPENERS: dict[str, Callable[[Path | IO[bytes]], IO[bytes]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}  # type: ignore[dict-item]
_PIECE = 1 << 16
_CIF = (".cif", ".mcif", ".mmcif")
_POSCAR = (".vasp", ".poscar", ".contcar")
_XYZ = (".extxyz", ".xyz")
_OTHER = (".xsf", ".cssr")
_SUFFIXES = (*_CIF, *_POSCAR, ".json", *_XYZ, *_OTHER)
_VASP = r"(?:poscar|contcar|xdatcar|chgcar|locpot|parchg|aeccar\d)"
_VASP_NAME = re.compile(rf"^{_VASP}|(?:^|[^a-z]){_VASP}|{_VASP}$")
# Files next to a POSCAR that are named after it but hold no structure.
_NO_POSCAR = re.compile(
    r"\.(py|rb|pl|f90|sh|md|png|jpe?g|pdf|svg|csv|tsv|log|out|html?|tex|ipynb|ya?ml|toml|xml|zip|tar|tgz|h5)$"
)
_NOT_STRUCTURES = ("atom_init.json",)  # CGCNN's element table, kept next to its CIFs


def format_of(name: str) -> str | None:
    """Return a file's format by its name: ``cif``, ``poscar``, ``json``, ``xyz``, ``other``; None if it has none."""
    lower = uncompressed(name).lower()
    if lower.endswith(".txt"):
        inner = lower.removesuffix(".txt")
        return format_of(inner) if not inner.endswith(".json") else None
    for suffixes, kind in ((_CIF, "cif"), (_POSCAR, "poscar"), ((".json",), "json"), (_XYZ, "xyz"), (_OTHER, "other")):
        if lower.endswith(suffixes):
            return kind
    return "poscar" if _VASP_NAME.search(lower) and not _NO_POSCAR.search(lower) else None


def uncompressed(name: str) -> str:
    """Return a file's name without ``.gz``, ``.bz2`` or ``.xz``."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - of a name
    return stem if suffix.lower() in _OPENERS else name


def structure_files(folder: Path) -> list[Path]:
    """Return the structure files in a folder and links to missing ones, sorted by name; no sub-folders."""
    return sorted(
        path for path in folder.iterdir() if is_structure_file(path) and (path.is_file() or not path.exists())
    )


def other_files(folder: Path) -> list[str]:
    """Return the names of the files in a folder that are not structure files by name, except hidden ones."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if not path.name.startswith(".") and not is_structure_file(path) and path.is_file()
    )


def folders_within(folder: Path) -> list[str]:
    """Return the names of the folders in a folder that hold structure files."""
    with os.scandir(folder) as entries:  # which tells folders from files without asking for each
        names = sorted(each.name for each in entries if each.is_dir() and not each.name.startswith("."))
    return [name for name in names if os.access(folder / name, os.R_OK) and structure_files(folder / name)]


def is_structure_file(path: Path) -> bool:
    """Return whether `path` is a structure file by its name (``.json`` may also be a table)."""
    name = uncompressed(path.name)
    return not name.startswith(".") and name not in _NOT_STRUCTURES and format_of(path.name) is not None


def identifiers(paths: Sequence[Path]) -> list[str]:
    """Return a unique identifier for each structure file, by default its name without extension.

    Files with equal names keep their extension and, if still ambiguous, as many parent folders as needed.
    """
    distinct = list(dict.fromkeys(paths))
    names = [stem_of(path.name) for path in distinct]
    resolved = [path.absolute().parts for path in distinct]
    depth = 1
    while depth <= 12:
        counts = Counter(names)
        again = [i for i, name in enumerate(names) if counts[name] > 1 and depth <= len(resolved[i])]
        if not again:
            break
        for i in again:
            names[i] = "/".join(resolved[i][-depth:])
        depth += 1
    named = dict(zip(distinct, names, strict=True))
    return [named[path] for path in paths]


def stem_of(name: str) -> str:
    """Return the name of a structure file without its extensions."""
    plain = uncompressed(name)
    lower = plain.lower()
    if lower.endswith(".txt") and lower.removesuffix(".txt").endswith(_SUFFIXES):
        plain = plain[:-4]
    return plain.rpartition(".")[0] if plain.lower().endswith(_SUFFIXES) else plain


def find_file(folder: Path, name: str) -> Path:
    """Return the structure file called `name`, with or without its extension, in `folder`.

    Raises
    ------
    InputError
        If there is none.
    """
    endings = (*_SUFFIXES, ".POSCAR", ".CONTCAR", ".CIF")
    for suffix in ("", *endings, *(f"{suffix}{packed}" for packed in _OPENERS for suffix in _SUFFIXES)):
        path = folder / f"{name}{suffix}"
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):  # not a possible file name
            break
    raise InputError(f"no structure file: {name} (.cif, .vasp, .json …) is not in {folder}")


def read_text(path: Path) -> str:
    """Return the text of a structure file, with Unix line ends; compressed files are unpacked.

    Raises
    ------
    InputError
        With the bare reason: there is no such file, it is empty, binary, damaged or too large. Only the head of VASP
        files is read, because a charge density may follow.
    """
    try:
        with open_bytes(path) as file:
            return text_of(file, path.name)
    except FileNotFoundError:
        raise InputError("there is no such file") from None
    except OSError as error:
        if path.is_dir():
            raise InputError("a folder, not a structure file") from None
        raise InputError(f"the file cannot be read ({error.__class__.__name__})") from None


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, unpacking it if its name says that it is compressed."""
    opener = compressed_opener(path.name)
    return opener(path) if opener else open(path, "rb")  # noqa: PTH123 - faster; the caller closes it


def compressed_opener(name: str) -> Callable[[Path | IO[bytes]], IO[bytes]] | None:
    """Return what unpacks a file of this name, given its path or the open file; None if it is not compressed."""
    return _OPENERS.get(os.path.splitext(name)[1].lower())  # noqa: PTH122 - of a name


def text_of(file: IO[bytes], name: str) -> str:
    """Return the text of an open structure file, called `name`, as :func:`read_text` does."""
    try:
        data = file.read(_PIECE)
        if len(data) == _PIECE:  # avoids allocating the maximum size for every file
            data += file.read(MAX_CHARACTERS + 1 - _PIECE)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"the file cannot be read ({error.__class__.__name__})") from None
    if not data.strip():
        raise InputError("the file is empty")
    if len(data) > MAX_CHARACTERS:
        if format_of(name) != "poscar":
            raise InputError(f"larger than {MAX_CHARACTERS // 1_000_000} MB; not a single crystal structure")
        data = data[: data.rfind(b"\n", 0, MAX_CHARACTERS)]
    return unix_newlines(decode(data))


def decode(data: bytes) -> str:
    """Return the text of bytes in UTF-8, UTF-16 or Latin-1.

    Raises
    ------
    InputError
        If they are not text.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:8192]:
        for encoding, place in (("utf-16-le", 1), ("utf-16-be", 0)):
            half = data[place:2000:2]
            if half.count(b"\0") > 0.9 * len(half) and data[1 - place : 2000 : 2].count(b"\0") == 0:
                return data.decode(encoding, errors="replace")
        raise InputError("a binary file, not a structure")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def unix_newlines(text: str) -> str:
    """Return a text with Unix line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
