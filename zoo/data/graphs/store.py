"""Graphs of whole tables, built once and kept on disk.

A store is a folder of arrays that are mapped into memory, so that several processes share one copy and the second
start costs nothing. Its name is a digest of the table's bytes and of the graph settings, never of a file's name; it is
written under a temporary name and renamed when it is whole, so that two processes that build the same one do not
disturb each other. Stores lie in ``$ZOO_CACHE``, else in ``crystal-zoo`` of the user's cache folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import deque
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils import paths
from zoo._utils import workers as pools
from zoo._utils.progress import progress
from zoo.data.graphs.neighbors import CrystalGraph, GraphSettings, build_graphs
from zoo.data.graphs.packing import PackedGraphs
from zoo.data.tables.readers import open_table
from zoo.data.tables.records import Record, Rejection
from zoo.data.tables.rows import RowReader
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

VERSION = 2
"""Raised when graphs of the same crystals come out differently, or are laid out differently."""

CHUNK = 1000
"""Rows that a worker is given at a time."""

SMALL = 4 * CHUNK
"""Tables of fewer rows are built in this process: starting others would take longer."""

_BUILDING = ".building-"
"""How the name of a folder begins in which a store is being written."""

ABANDONED = 24 * 3600
"""Seconds after which such a folder is what a process left that was killed."""

_ARRAYS = tuple(field.name for field in fields(PackedGraphs))


@dataclass(frozen=True, eq=False)
class TableGraphs:
    """The graphs of a table.

    Parameters
    ----------
    ids : list of str
        Identifiers of the crystals, in the table's order.
    graphs : PackedGraphs
    rejected : list of Rejection
        Rows without a usable crystal.
    sha256 : str
        Of the table's bytes.
    """

    ids: list[str]
    graphs: PackedGraphs
    rejected: list[Rejection]
    sha256: str


@dataclass(frozen=True)
class Entry:
    """A store on disk."""

    folder: Path
    crystals: int
    atoms: int
    bytes: int
    settings: GraphSettings

    def overview(self) -> dict[str, Any]:
        """Return what there is to know, as JSON values."""
        return {**asdict(self), "folder": str(self.folder)}


def cache_folder() -> Path:
    """Return the folder that stores lie in; it need not exist."""
    return paths.cache("graphs")


def tables_folder() -> Path:
    """Return the folder of tables that were fetched; it need not exist."""
    return paths.cache("tables")


def table_graphs(path: Path, settings: GraphSettings, *, quiet: bool = False) -> TableGraphs:
    """Return the graphs of all crystals of a table, from the store if they are there.

    A table that only names structure files says nothing of their content, so its graphs are built anew each time.

    Parameters
    ----------
    path : Path
        A table, as for :func:`zoo.data.tables.table.read_table`; targets are not looked at.
    settings : GraphSettings
    quiet : bool
        Show no progress.

    Raises
    ------
    InputError
        If the table cannot be read or has no usable crystal, a store is damaged, or it cannot be written.
    """
    source = open_table(path)
    with source.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    reader = RowReader(source, None)
    key = hashlib.sha256(json.dumps([VERSION, digest, asdict(settings)]).encode()).hexdigest()
    folder = cache_folder() / key
    if reader.self_contained and folder.exists():
        return _open(folder, source.path)
    built = _build(reader, settings, digest, quiet=quiet)
    if not reader.self_contained:
        return built
    _write(built, folder, settings)
    return _open(folder, source.path)


def entries() -> list[Entry]:
    """List the stores, the largest first; a damaged one counts by its size, and one that a process builds does not."""
    found = []
    for folder in sorted(cache_folder().glob("*")):
        if folder.name.startswith(_BUILDING) and time.time() - folder.stat().st_mtime < ABANDONED:
            continue
        size = sum(file.stat().st_size for file in folder.glob("*"))
        try:
            note = json.loads((folder / "store.json").read_text(encoding="utf-8"))
            settings = GraphSettings(**note["settings"])
            crystals, atoms = len(note["ids"]), int(note["atoms"])
        except (OSError, ValueError, KeyError, TypeError):
            crystals, atoms, settings = 0, 0, GraphSettings()
        found.append(Entry(folder, crystals, atoms, size, settings))
    return sorted(found, key=lambda entry: -entry.bytes)


def fetched() -> list[tuple[Path, int]]:
    """List the tables that were fetched, whole or not, with their size in bytes."""
    found = []
    for path in sorted(tables_folder().glob("*.parquet*")):
        files = path.glob("*") if path.is_dir() else [path]
        found.append((path, sum(file.stat().st_size for file in files)))
    return found


def clear(*, tables: bool = False) -> tuple[int, int]:
    """Remove all stores, and the fetched tables if asked; return their number and their size in bytes."""
    there = [(entry.folder, entry.bytes) for entry in entries()] + (fetched() if tables else [])
    for path, _ in there:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return len(there), sum(size for _, size in there)


def _build(reader: RowReader, settings: GraphSettings, digest: str, *, quiet: bool) -> TableGraphs:
    ids: list[str] = []
    parts: list[PackedGraphs] = []
    rejected: list[Rejection] = []
    seen: dict[str, int] = {}
    with progress("building graphs", reader.source.count, "crystals", quiet=quiet) as bar:
        for chunk, (graphs, usable, failed) in _graphs(_records(reader, seen), settings):
            problems = iter(failed)
            for item, fine in zip(chunk, usable, strict=True):
                if isinstance(item, Rejection):
                    rejected.append(item)
                elif fine:
                    ids.append(item.id)
                else:
                    reason = next(problems)
                    rejected.append(Rejection(item.file, item.row, item.id, "structure", "", reason))
            if graphs is not None:
                parts.append(graphs)
            bar.advance(len(chunk))
    if not parts:
        reason = f"; the first reason: {rejected[0]}" if rejected else ""
        raise InputError(f"{reader.source.path}: there is no usable crystal{reason}")
    return TableGraphs(ids, PackedGraphs.join(parts), rejected, digest)


Chunk = list[Record | Rejection]
Built = tuple[PackedGraphs | None, list[bool], list[str]]


def _records(reader: RowReader, seen: dict[str, int]) -> Iterator[Record | Rejection]:
    for row in reader.rows():
        item = reader.read(row, seen)
        seen.setdefault(item.id, row.number)  # of no use either: what a recipe knows of the identifier is of that row
        yield item


def _graphs(items: Iterator[Record | Rejection], settings: GraphSettings) -> Iterator[tuple[Chunk, Built]]:
    """Build chunk by chunk, in worker processes if there are many and more cores than one."""
    first = list(islice(items, SMALL))
    chunks = _chunks(chain(first, items))
    work = partial(_build_chunk, settings=settings)
    workers = pools.cores()
    if len(first) < SMALL or workers == 1:
        yield from ((chunk, work(chunk)) for chunk in chunks)
        return
    pool = pools.guarded(workers)
    waiting: deque[tuple[Chunk, Future[Built]]] = deque()
    try:
        for chunk in chunks:
            with pools.interrupts_ignored():
                waiting.append((chunk, pool.submit(work, chunk)))
            if len(waiting) > 2 * workers:  # not the whole table at once
                done, future = waiting.popleft()
                yield done, future.result()
        for chunk, future in waiting:
            yield chunk, future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "a process that built graphs was ended from outside, for want of memory perhaps; or a script of yours "
            "lacks the line if __name__ == '__main__', which every start of processes needs"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _chunks(items: Iterable[Record | Rejection]) -> Iterator[Chunk]:
    stream = iter(items)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk


def _build_chunk(chunk: Chunk, settings: GraphSettings) -> Built:
    """Return the graphs, which items have one, and the reasons of the records that have none."""
    built = build_graphs((item.crystal for item in chunk if isinstance(item, Record)), settings)
    graphs: list[CrystalGraph] = []
    usable: list[bool] = []
    failed: list[str] = []
    for item in chunk:
        graph = next(built) if isinstance(item, Record) else None
        usable.append(isinstance(graph, CrystalGraph))
        if isinstance(graph, CrystalGraph):
            graphs.append(graph)
        elif graph is not None:
            failed.append(str(graph))
    return PackedGraphs.pack(graphs) if graphs else None, usable, failed


def _write(built: TableGraphs, folder: Path, settings: GraphSettings) -> None:
    work = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = folder.with_name(f"{_BUILDING}{os.urandom(8).hex()}")
        work.mkdir()  # unlike tempfile's, as open to others as the umask allows: a cache may be shared
        digests = {}
        for name in _ARRAYS:
            _save(work / f"{name}.npy", getattr(built.graphs, name))
            digests[name] = _digest(work / f"{name}.npy")
        note = {
            "settings": asdict(settings),
            "table": built.sha256,
            "atoms": int(built.graphs.copies.sum()),
            "arrays": digests,
            "ids": built.ids,
            "rejected": [asdict(each) for each in built.rejected],
        }
        (work / "store.json").write_text(json.dumps(note, ensure_ascii=False), encoding="utf-8")
        with suppress(OSError):  # another process was faster: its store is as good
            work.rename(folder)
    except OSError as error:
        raise InputError(
            f"{folder.parent} cannot be written: {error.strerror}; free some space, or set ZOO_CACHE to another folder"
        ) from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)


def _save(path: Path, array: NDArray[Any]) -> None:
    """Do as ``numpy.save`` does, which does not notice that a disk is full if the last few kilobytes are not taken."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(np.ascontiguousarray(array).tobytes())


def _open(folder: Path, path: Path) -> TableGraphs:
    try:
        note = json.loads((folder / "store.json").read_text(encoding="utf-8"))
        arrays = {}
        for name, digest in note["arrays"].items():
            if _digest(folder / f"{name}.npy") != digest:
                raise ValueError(f"{name}.npy is not what was written")
            arrays[name] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
        rejected = [Rejection(**{**each, "file": str(path)}) for each in note["rejected"]]
        return TableGraphs(note["ids"], PackedGraphs(**arrays), rejected, note["table"])
    except PermissionError as error:
        reason = f"{error.strerror}; set ZOO_CACHE to another folder"
        raise InputError(f"the graph store {folder} cannot be read: {reason}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the graph store {folder} is damaged ({error}); remove it: zoo cache clear") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
