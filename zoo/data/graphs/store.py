"""Graphs of whole tables, built once and kept on disk.

A store is a folder of memory-mapped arrays, so several processes share one copy and later starts cost nothing. Its
name is a digest of the table's bytes and the graph settings, independent of the table's file name. It is written under
a temporary name and renamed once complete, so two processes may build the same store without conflict. Stores are kept
in ``$ZOO_CACHE``, by default in ``crystal-zoo`` in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import io
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

from zoo._utils import files
from zoo._utils.progress import progress
from zoo._utils.workers import cores, guarded, interrupts_ignored
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
"""Increased when the graphs of the same crystals, or their layout on disk, change."""

ROWS_PER_TASK = 1000
"""Number of rows sent to a worker process at a time."""

MIN_PARALLEL_ROWS = 4 * ROWS_PER_TASK
"""Smaller tables are processed in this process, because starting workers would take longer."""

_BUILDING = ".building-"
"""Prefix of the folder of an unfinished store."""

ABANDONED_AFTER = 24 * 3600
"""Age in seconds after which an unfinished folder is attributed to a killed process."""

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
        Digest of the table's bytes.
    """

    ids: list[str]
    graphs: PackedGraphs
    rejected: list[Rejection]
    sha256: str


@dataclass(frozen=True)
class Entry:
    """A store on disk: its folder, contents, size in bytes, and graph settings."""

    folder: Path
    crystals: int
    atoms: int
    bytes: int
    settings: GraphSettings

    def overview(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return {**asdict(self), "folder": str(self.folder)}


def cache_folder() -> Path:
    """Return the folder of all stores; it need not exist."""
    return files.cache_folder("graphs")


def tables_folder() -> Path:
    """Return the folder of fetched tables; it need not exist."""
    return files.cache_folder("tables")


def table_graphs(path: Path, settings: GraphSettings, *, quiet: bool = False) -> TableGraphs:
    """Return the graphs of all crystals of a table, from its store if there is one.

    Graphs of a table that only names structure files are never stored, because its bytes do not determine the crystals.

    Parameters
    ----------
    path : Path
        A table, as for :func:`zoo.data.tables.table.read_table`; targets are ignored.
    settings : GraphSettings
    quiet : bool
        Show no progress.

    Raises
    ------
    InputError
        If the table cannot be read or has no usable crystal, or its store is damaged or cannot be written.
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
    """List the stores, largest first, damaged ones included; those that another process is building are left out."""
    found = []
    for folder in sorted(cache_folder().glob("*")):
        if folder.name.startswith(_BUILDING) and time.time() - folder.stat().st_mtime < ABANDONED_AFTER:
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


def fetched_tables() -> list[tuple[Path, int]]:
    """List the fetched tables, complete or not, with their sizes in bytes."""
    found = []
    for path in sorted(tables_folder().glob("*.parquet*")):
        files = path.glob("*") if path.is_dir() else [path]
        found.append((path, sum(file.stat().st_size for file in files)))
    return found


def clear(*, tables: bool = False) -> tuple[int, int]:
    """Remove all stores, and with `tables` the fetched tables; return their number and total size in bytes."""
    removed = [(entry.folder, entry.bytes) for entry in entries()] + (fetched_tables() if tables else [])
    for path, _ in removed:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return len(removed), sum(size for _, size in removed)


def _build(reader: RowReader, settings: GraphSettings, digest: str, *, quiet: bool) -> TableGraphs:
    ids: list[str] = []
    parts: list[PackedGraphs] = []
    rejected: list[Rejection] = []
    first_rows: dict[str, int] = {}
    with progress("building graphs", reader.source.count, "crystals", quiet=quiet) as bar:
        for chunk, (graphs, usable, failed) in _graphs(_records(reader, first_rows), settings):
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


def _records(reader: RowReader, first_rows: dict[str, int]) -> Iterator[Record | Rejection]:
    for row in reader.rows():
        item = reader.read(row, first_rows)
        first_rows.setdefault(item.id, row.number)  # of rejected rows too: labels come from the first row
        yield item


def _graphs(items: Iterator[Record | Rejection], settings: GraphSettings) -> Iterator[tuple[Chunk, Built]]:
    """Build graphs chunk by chunk; in worker processes if there are many rows and several cores."""
    first = list(islice(items, MIN_PARALLEL_ROWS))
    chunks = _chunks(chain(first, items))
    work = partial(_build_chunk, settings=settings)
    workers = cores()
    if len(first) < MIN_PARALLEL_ROWS or workers == 1:
        yield from ((chunk, work(chunk)) for chunk in chunks)
        return
    pool = guarded(workers)
    waiting: deque[tuple[Chunk, Future[Built]]] = deque()
    try:
        for chunk in chunks:
            with interrupts_ignored():
                waiting.append((chunk, pool.submit(work, chunk)))
            if len(waiting) > 2 * workers:  # limits how far the table is read ahead
                done, future = waiting.popleft()
                yield done, future.result()
        for chunk, future in waiting:
            yield chunk, future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "a process that builds graphs was killed, perhaps because memory ran out; or your script lacks the line "
            "if __name__ == '__main__', which it needs because each process imports it"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _chunks(items: Iterable[Record | Rejection]) -> Iterator[Chunk]:
    stream = iter(items)
    while chunk := list(islice(stream, ROWS_PER_TASK)):
        yield chunk


def _build_chunk(chunk: Chunk, settings: GraphSettings) -> Built:
    """Return the graphs, a flag per item that tells whether it has one, and the errors of the other records."""
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
        work.mkdir()  # unlike tempfile, respects the umask: a cache may be shared
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
        with suppress(OSError):  # another process has finished the same store
            work.rename(folder)
    except OSError as error:
        raise InputError(
            f"{folder.parent} cannot be written: {error.strerror}; free some space, or set ZOO_CACHE to another folder"
        ) from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)


def _save(path: Path, array: NDArray[Any]) -> None:
    buffer = io.BytesIO()  # ``numpy.save`` to a file misses a full disk in the last few kilobytes
    np.save(buffer, array, allow_pickle=False)
    path.write_bytes(buffer.getbuffer())


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
