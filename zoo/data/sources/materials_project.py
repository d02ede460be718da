"""The Materials Project → a Parquet table, fetched page by page through its API.

Rows come from the summary endpoint, through the official client (`mp-api`, an extra). Each page becomes a Parquet file
in ``OUT.partial``, and after an interruption the same command continues from there. GNoME's structures are left out
because of their licence (CC BY-NC 4.0), and so are deprecated materials.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from zoo._utils.files import whole
from zoo._utils.progress import progress
from zoo._utils.resuming import check_settings
from zoo.data.graphs.store import tables_folder
from zoo.data.sources.mp_client import API_FIELDS, KEY, Client
from zoo.data.structures import parse
from zoo.data.tables.records import Rejection
from zoo.data.tables.rejections import write_rejected
from zoo.errors import InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DATABASE = "materials-project"
LICENSE = "CC-BY-4.0"
CITE = "doi:10.1063/1.4812323"
COLUMNS = ("material_id", "atomic_numbers", "lattice", "frac_coords")
"""Columns of every fetched table."""

FIELDS = ("formation_energy_per_atom", "band_gap", "energy_above_hull")
"""Fields fetched by default, besides identifier and structure."""

PAGE_SIZE = 1000
"""Materials per request, the most that the API allows."""

_METADATA = b"crystal-zoo"


@dataclass(frozen=True)
class Fetched:
    """Summary of a fetched table.

    Parameters
    ----------
    rows : int
        Rows of the table.
    rejected : int
        Materials without a usable structure, listed next to the table.
    version : str
        Version of the database.
    """

    rows: int
    rejected: int
    version: str


def fetch(
    out: Path, fields: Sequence[str] = FIELDS, *, limit: int | None = None, page: int = PAGE_SIZE, quiet: bool = False
) -> Fetched:
    """Write a Parquet table of the Materials Project's materials.

    Its columns are ``material_id``, ``atomic_numbers`` (n), ``lattice`` (9, Å) and ``frac_coords`` (3n), and one per
    field. The file's metadata contain database, version, licence and query; see :func:`provenance`.

    Parameters
    ----------
    out : Path
        File to write (atomically). Materials without a usable structure, if any, are listed in ``OUT.rejected.csv``
        next to it.
    fields : sequence of str
        Fields of the API's summary document, such as ``"band_gap"``; dots select nested fields. The column names of
        zoo's tasks (`API_FIELDS`) are accepted as well.
    limit : int, optional
        Largest number of materials, the first by identifier.
    page : int
        Materials per request.
    quiet : bool

    Raises
    ------
    InputError
        If the key is missing, `out` exists or cannot be written, or the unfinished download next to it belongs to
        another query.
    DependencyError
        If the client is not installed.
    SourceError
        If the API refuses the key or the request, or does not answer after several attempts.
    """
    if out.exists():
        raise InputError(f"{out} exists; give another --out, or remove it")
    fixed = [field for field in fields if field in COLUMNS]
    if fixed:
        raise InputError(f"--fields {fixed[0]}: every table has this column; leave it out")
    client = Client(os.environ.get(KEY, ""))
    work = out.with_name(out.name + ".partial")
    size = min(page, limit or page)
    query = {"fields": list(fields), "limit": limit, "page": size}
    pages = _Pages(work, out)
    check_settings(work / "begun.json", {"database": DATABASE, "database version": client.version, **query})
    total = min(limit or client.total, client.total)
    if not total:
        raise SourceError("the Materials Project has no material for this query")
    with progress("fetching", total, "materials", quiet=quiet) as bar:
        for number in range(1, ceil(total / size) + 1):
            expected = min(size, total - (number - 1) * size)
            if not pages.has(number):
                documents = client.page(number, size, fields)[:expected]
                if len(documents) != expected:
                    raise SourceError(
                        f"the Materials Project sent {len(documents)} materials where {expected} were announced; "
                        "run the same command again to continue"
                    )
                pages.write(number, documents, fields)
            bar.advance(expected)
    note = {
        "source": "Materials Project",
        "version": client.version,
        "license": LICENSE,
        "cite": CITE,
        "client": client.name,
        "query": {"deprecated": False, "include_gnome": False, **query},
    }
    return pages.join(note)


def provenance(table: Path) -> dict[str, Any] | None:
    """Return the metadata of a fetched table (source, version, license, cite, query), or None for other tables."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if table.suffix != ".parquet":
        return None
    try:
        metadata = pq.read_schema(table).metadata or {}
        note: dict[str, Any] = json.loads(metadata[_METADATA])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None
    return note


def cached(fields: Sequence[str], *, quiet: bool = False) -> Path:
    """Return a table with these fields from zoo's cache, fetching it if necessary.

    If several processes call this at once, one fetches and the others wait.

    Raises
    ------
    ZooError
        As :func:`fetch`.
    """
    from filelock import FileLock

    digest = hashlib.sha256(json.dumps(list(fields)).encode()).hexdigest()[:12]
    table = tables_folder() / f"{DATABASE}-{digest}.parquet"
    try:
        table.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{table.parent} cannot be made: {error.strerror}; set ZOO_CACHE to another folder") from error
    with FileLock(table.with_suffix(".lock")):
        if not table.exists():
            fetch(table, fields, quiet=quiet)
    return table


class _Pages:
    """Fetched pages on disk, each written atomically, which are joined to one table."""

    def __init__(self, folder: Path, out: Path) -> None:
        self.folder, self.out = folder, out
        self._numbers: list[int] = []

    def has(self, number: int) -> bool:
        """Return whether a page is on disk and undamaged, and register it as part of the table."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._numbers.append(number)
        try:
            pq.read_table(self._path(number))
        except (OSError, pa.ArrowException):
            return False
        return True

    def write(self, number: int, documents: Sequence[dict[str, Any]], fields: Sequence[str]) -> None:
        """Write a page; its metadata contain the materials without a usable structure."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns: dict[str, list[Any]] = {name: [] for name in (*COLUMNS, *fields)}
        rejected = []
        for document in documents:
            name = str(document.get("material_id", ""))
            try:
                if document.get("deprecated"):
                    raise InputError("deprecated")
                crystal = parse.parse(document.get("structure"))
            except InputError as error:
                rejected.append([name, str(error)])
                continue
            columns["material_id"].append(name)
            columns["atomic_numbers"].append(crystal.numbers)
            columns["lattice"].append(crystal.lattice.ravel())
            columns["frac_coords"].append(crystal.frac.ravel())
            for field in fields:
                columns[field].append(_cell(document, API_FIELDS.get(field, field)))
        kinds = {
            "material_id": pa.string(),
            "atomic_numbers": pa.list_(pa.uint8()),
            "lattice": pa.list_(pa.float64()),
            "frac_coords": pa.list_(pa.float64()),
        }
        arrays = {name: pa.array(values, kinds.get(name)) for name, values in columns.items()}
        table = pa.table(arrays).replace_schema_metadata({_METADATA: json.dumps(rejected)})
        with _writing(self._path(number)) as beside:
            pq.write_table(table, beside)

    def join(self, note: dict[str, Any]) -> Fetched:
        """Write the table and the list of rejected materials, then remove the pages."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        paths = [self._path(number) for number in self._numbers]
        schemas = [pq.read_schema(path) for path in paths]
        rejected = [
            Rejection(str(self.out), None, name, "structure", "", reason)
            for schema in schemas
            for name, reason in json.loads(schema.metadata[_METADATA])
        ]
        schema = pa.unify_schemas([each.remove_metadata() for each in schemas])
        ids: set[str] = set()
        with _writing(self.out) as beside:
            rows = sum(pq.read_metadata(path).num_rows for path in paths)
            text = json.dumps({**note, "rows": rows, "rejected": len(rejected)})
            with pq.ParquetWriter(beside, schema.with_metadata({_METADATA: text})) as writer:
                for path in paths:
                    table = pq.read_table(path)
                    names = set(table.column("material_id").to_pylist())
                    if len(names) < len(table) or names & ids:
                        raise SourceError(
                            f"the Materials Project sent a material twice, so its data changed during the download; "
                            f"remove {self.folder} to start again"
                        )
                    ids |= names
                    writer.write_table(table.cast(schema))
            if rejected:
                write_rejected(rejected, rejected_path(self.out))
        shutil.rmtree(self.folder)
        return Fetched(rows, len(rejected), str(note["version"]))

    def _path(self, number: int) -> Path:
        return self.folder / f"page-{number:05d}.parquet"


def rejected_path(table: Path) -> Path:
    """Return the path of the list of materials without a usable structure."""
    return table.with_name(f"{table.stem}.rejected.csv")


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """Write a file as :func:`zoo._utils.files.whole` does, with an error message that says what to do."""
    try:
        with whole(path) as beside:
            yield beside
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(
            f"{path} cannot be written: {reason}; free some space and run the same command again to continue"
        ) from error


def _cell(document: dict[str, Any], field: str) -> float | str | None:
    """Return a number or text from a document, given its dotted name."""
    value: Any = document
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value)
    raise InputError(
        f"the field {field} is a {type(value).__name__}, not a number or text; name a part of it: {field}.…"
    )
