"""Predictions for all crystals in files, folders and tables, written to a CSV file."""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.files import whole
from zoo.data.tables.inputs import iter_records
from zoo.data.tables.records import Record, Rejection
from zoo.data.tables.rejections import is_rejected_list, remove_rejected_list, write_rejected
from zoo.errors import InputError
from zoo.jobs.predict.model import COLUMNS, WITH_INTERVAL, Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zoo._utils.progress import Bar


READ_COLUMNS = ("formula", "atoms")
"""Last columns of the file, for checking the input: reduced formula and number of atoms in the cell."""


@dataclass(frozen=True)
class Predicted:
    """Summary of a prediction job: number of predictions, rejections, output files and the first ten predictions."""

    count: int
    rejected: list[Rejection]
    out: Path
    rejected_out: Path | None
    head: list[dict[str, Any]]
    interval: float | None = None


def predict_files(
    model: Model,
    inputs: Sequence[Path],
    out: Path,
    *,
    structures: Path | None = None,
    rows: Iterable[Record | Rejection] | None = None,
    interval: float | None = None,
    bar: Bar | None = None,
) -> Predicted:
    """Predict all crystals in files, folders and tables, and write a CSV file.

    Memory use does not grow with the size of the input: `CHUNK` crystals are held at a time.

    Parameters
    ----------
    model : Model
    inputs : sequence of Path
        Structure files, folders of them, or tables.
    out : Path
        CSV file with the columns `COLUMNS`, or `WITH_INTERVAL` if intervals are requested, and `READ_COLUMNS`. It is
        written under a temporary name and renamed when complete.
    structures : Path, optional
        Folder of structure files, for tables that contain only ids.
    rows : iterable of Record or Rejection, optional
        Rows from :func:`zoo.data.tables.inputs.iter_records`, if the caller has already started reading the inputs.
    interval : float, optional
        As in :meth:`Model.predict`.
    bar : Bar, optional
        Progress bar, advanced by one per row.

    Raises
    ------
    InputError
        If an input does not exist, no crystal can be used, or the model cannot give the requested interval.
    """
    model.check_interval(interval)
    _check_out(out)
    rejected: list[Rejection] = []
    head: list[dict[str, Any]] = []
    count = 0
    results = model.predict_records(rows or iter_records(inputs, structures=structures), interval=interval)
    first = list(islice(results, 1))  # before any folder is created, so that a missing input leaves nothing behind
    try:
        with whole(out) as beside:
            with beside.open("w", newline="", encoding="utf-8", errors="backslashreplace") as handle:
                names = (*(WITH_INTERVAL if interval else COLUMNS), *READ_COLUMNS)
                writer = csv.DictWriter(handle, names, lineterminator="\n")
                writer.writeheader()
                for row in chain(first, results):
                    if isinstance(row, Rejection):
                        rejected.append(row)
                    else:
                        count += 1
                        head += [row] if len(head) < 10 else []
                        writer.writerow({name: _text(name, value) for name, value in row.items()})
                    if bar:
                        bar.advance()
            rejected_out = _rejected(out)
            if rejected:
                write_rejected(rejected, rejected_out)
            else:
                remove_rejected_list(rejected_out)
            if not count:
                raise _no_crystal(inputs, rejected)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from error
    return Predicted(count, rejected, out, rejected_out if rejected else None, head, interval)


def _rejected(out: Path) -> Path:
    return out.with_name(f"{out.stem}.rejected.csv")


def _check_out(out: Path) -> None:
    """Check that `out` overwrites nothing but earlier predictions; it might be an input file by mistake."""
    rejected = _rejected(out)
    if rejected.exists() and not is_rejected_list(rejected):
        raise InputError(f"{rejected} exists and lists no rejected rows; give another --out")
    if not out.exists():
        return
    if not out.is_file():
        raise InputError(f"{out} is not a regular file; give another --out")
    ours = ",".join(COLUMNS[:3])
    with suppress(OSError, UnicodeDecodeError), out.open(encoding="utf-8") as file:
        if file.readline().startswith(f"{ours},"):
            return
    raise InputError(f"{out} exists and holds no predictions; give another --out")


def _no_crystal(inputs: Sequence[Path], rejected: Sequence[Rejection]) -> InputError:
    if not rejected:
        return InputError(f"there is no crystal in {', '.join(map(str, inputs))}")
    return InputError(f"none of the {len(rejected)} crystals given can be used; the first reason: {rejected[0]}")


def _text(name: str, value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.{3 if name == 'spread' else 6}g}"
    return str(value)
