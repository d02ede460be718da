"""Predictions for all crystals in files, folders and tables, written to a CSV file."""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._utils.files import whole
from zoo._utils.python_api import public
from zoo.data.graphs.memory import CrystalMemory
from zoo.data.tables.inputs import iter_records
from zoo.data.tables.records import Record, Rejection
from zoo.data.tables.rejections import is_rejected_list, rejected_rows
from zoo.errors import InputError
from zoo.jobs.lineage import Recognizer
from zoo.jobs.predict.columns import CHUNK, merit
from zoo.jobs.predict.model import Model
from zoo.jobs.predict.ranking import Best, Ranking, line, ranked_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zoo._utils.progress import Bar
    from zoo.data.tables.inputs import RecordStream


READ_COLUMNS = ("formula", "atoms")
"""Columns for checking the input: reduced formula and number of atoms in the cell."""

SHOWN = 10
"""Number of predictions in a summary."""

MAX_REJECTED = 1000
"""Number of rejections in a summary; all are in the list of rejected rows."""

_Row = dict[str, Any]


@dataclass(frozen=True)
class Predicted:
    """Summary of a prediction job.

    Parameters
    ----------
    count : int
        Number of crystals predicted.
    written : int
        Number of rows in the file; fewer than `count` if only the best were asked for.
    rejected : list of Rejection
        The first `MAX_REJECTED` rejections.
    rejected_count : int
    out : Path
    rejected_out : Path or None
        List of all rejected rows, if there are any.
    head : list of list of dict
        The first `SHOWN` rows of the file: for each, the predictions of every model, with the columns of
        :meth:`zoo.jobs.predict.model.Model.columns`.
    interval : float or None
    ranking : Ranking or None
    renamed : dict of str to str
        Names in the file of the input's columns that are called like zoo's own.
    """

    count: int
    written: int
    rejected: list[Rejection]
    rejected_count: int
    out: Path
    rejected_out: Path | None
    head: list[list[_Row]]
    interval: float | None = None
    ranking: Ranking | None = None
    renamed: dict[str, str] = field(default_factory=dict)


@public("zoo.predict_files")
def predict_files(
    model: Model | Iterable[Model],
    inputs: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    structures: Path | str | None = None,
    rows: RecordStream | None = None,
    keep: Sequence[str] | None = None,
    interval: float | None = None,
    ranking: Ranking | None = None,
    known: bool = False,
    bar: Bar | None = None,
) -> Predicted:
    """Predict all crystals in files, folders and tables, and write a CSV file.

    Memory use does not grow with the size of the input: `CHUNK` crystals are held at a time, and what a `ranking` needs
    (:func:`zoo.jobs.predict.ranking.ranked_rows`).

    Parameters
    ----------
    model : Model, sequence of Model, or JointModel
        Several models read the crystals and their graphs once.
    inputs : Path, or sequence of Path
        Structure files, folders of them, or tables.
    out : Path
        CSV file with the columns of :meth:`Model.columns`, `READ_COLUMNS`, and those kept. The columns of several
        models end in their names, such as ``prediction_dEf-10k``. It is written under a temporary name and renamed when
        complete.
    structures : Path, optional
        Folder of structure files, for tables that contain only ids.
    rows : RecordStream, optional
        Rows from :func:`zoo.data.tables.inputs.iter_records`, if the caller has already started reading the inputs;
        `keep` is then that of the stream.
    keep : sequence of str, optional
        Columns of the tables to copy; by default all that hold neither identifiers nor crystals. One that is called
        like a column of zoo is renamed.
    interval : float, optional
        As in :meth:`Model.predict`.
    ranking : Ranking, optional
        Order of the rows by the prediction of the first model; by default that of the inputs.
    known : bool
        Say in the note which crystals are in the training sets of a model and the networks that it started from.
    bar : Bar, optional
        Progress bar, advanced by one per row.

    Raises
    ------
    InputError
        If an input does not exist, no crystal can be used, or a model cannot give the requested interval.
    """
    models = [model] if isinstance(model, Model) else list(model)
    paths = [Path(each) for each in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    out = Path(out)
    for each in models:
        each.check_interval(interval)
    rejected_out = out.with_name(f"{out.stem}.rejected.csv")
    _check_out(out, rejected_out)
    folder = None if structures is None else Path(structures)
    stream = iter_records(paths, structures=folder, keep=keep) if rows is None else rows
    layout = Layout.of(models, interval, stream.kept)
    results = _predict(models, stream, interval, known=known)
    first = list(islice(results, 1))  # before any folder is created, so that a missing input leaves nothing behind
    rejected: list[Rejection] = []
    best = Best[list[_Row]](SHOWN)
    counts = {True: 0, False: 0}
    try:
        with whole(out) as beside:
            with ExitStack() as stack:
                handle = stack.enter_context(beside.open("wb"))
                reject = stack.enter_context(rejected_rows(rejected_out))
                write = stack.enter_context(ranked_rows(handle, ranking, beside.parent))
                handle.write(layout.header)
                for result in chain(first, results):
                    usable = not isinstance(result, Rejection)
                    counts[usable] += 1
                    if isinstance(result, Rejection):
                        rejected += [result] if len(rejected) < MAX_REJECTED else []
                        reject(result)
                    else:
                        record, predicted = result
                        value = merit(predicted[0], models[0].classes)
                        best.add(ranking.merit(value) if ranking else 0.0, predicted)
                        write(value, layout.cells(record, predicted))
                    if bar:
                        bar.advance()
            if not counts[True]:
                raise _no_crystal(paths, rejected, counts[False])
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror or error}") from error
    count, top = counts[True], ranking.top if ranking else None
    return Predicted(
        count,
        count if top is None else min(count, top),
        rejected,
        counts[False],
        out,
        rejected_out if rejected else None,
        best.items()[:top],
        interval,
        ranking,
        layout.renamed,
    )


@dataclass(frozen=True)
class Layout:
    """The columns of a file of predictions.

    Parameters
    ----------
    predicted : list of list of str
        Names of the columns of every model, without ``id``.
    names : list of str
        All names in the file.
    kept : dict of str to str
        Names in the file of the columns that are copied from the input.
    """

    predicted: list[list[str]]
    names: list[str]
    kept: dict[str, str]

    @classmethod
    def of(cls, models: Sequence[Model], interval: float | None, kept: Sequence[str]) -> Layout:
        """Return the layout for the predictions of some models and the columns of an input."""
        ends = [""] if len(models) == 1 else [f"_{label}" for label in labels(models)]
        predicted = [list(each.columns(interval)[1:]) for each in models]
        own = [f"{name}{end}" for names, end in zip(predicted, ends, strict=True) for name in names]
        names = ["id", *own, *READ_COLUMNS]
        written: dict[str, str] = {}
        for column in kept:
            name = column
            while name in names or (name != column and name in kept):
                name = f"input_{name}"
            written[column] = name
            names.append(name)
        return cls(predicted, names, written)

    @property
    def header(self) -> bytes:
        """The first line of the file."""
        return line(self.names)

    @property
    def renamed(self) -> dict[str, str]:
        """The columns of the input whose name is another in the file."""
        return {column: name for column, name in self.kept.items() if name != column}

    def cells(self, record: Record, predicted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the cells of a row."""
        values = [
            _text(name, row[name]) for names, row in zip(self.predicted, predicted, strict=True) for name in names
        ]
        own = [_copied(record.cells.get(column)) for column in self.kept]
        return [record.id, *values, record.crystal.formula, str(len(record.crystal)), *own]


def labels(models: Sequence[Model]) -> list[str]:
    """Return the names of models; where two are the same, with as much of their folders as makes them differ.

    Raises
    ------
    InputError
        If a model is given twice.
    """
    found = [each.name for each in models]
    for depth in range(2, max(len(each.directory.parts) for each in models) + 1):
        found = [
            "/".join(each.directory.parts[-depth:]) if found.count(label) > 1 else label
            for each, label in zip(models, found, strict=True)
        ]
    if twice := [label for label in found if found.count(label) > 1]:
        raise InputError(f"the model {twice[0]} is given twice")
    return found


def _predict(
    models: Sequence[Model], stream: Iterable[Record | Rejection], interval: float | None, *, known: bool
) -> Iterator[tuple[Record, list[_Row]] | Rejection]:
    """Yield each record with the predictions of all models, or the rejection of a row that none can use."""
    recognizer = Recognizer([each.directory for each in models]) if known else None
    items = iter(stream)
    while chunk := list(islice(items, CHUNK)):
        records = [item for item in chunk if isinstance(item, Record)]
        crystals = [record.crystal for record in records]
        memory = CrystalMemory() if len(models) > 1 else None
        results = [each.predict_each(crystals, interval=interval, memory=memory) for each in models]
        notes = recognizer.notes(crystals) if recognizer else [[""] * len(crystals)] * len(models)
        rows = iter(zip(records, zip(*results, strict=True), zip(*notes, strict=True), strict=True))
        for item in chunk:
            if isinstance(item, Rejection):
                yield item
                continue
            record, found, told = next(rows)
            errors = [str(each) for each in found if isinstance(each, InputError)]
            if len(errors) == len(models):
                yield Rejection(record.file, record.row, record.id, "structure", "", "; ".join(dict.fromkeys(errors)))
                continue
            yield (
                record,
                [
                    _row(each, model, record.id, note, interval)
                    for each, model, note in zip(found, models, told, strict=True)
                ],
            )


def _row(result: _Row | InputError, model: Model, identifier: str, note: str, interval: float | None) -> _Row:
    """Return the columns of one model; empty, with the reason in the note, for a crystal that it cannot use."""
    if isinstance(result, InputError):
        row: _Row = {name: float("nan") for name in model.columns(interval)}
        row |= {"unit": model.unit, "note": f"not predicted: {result}"}
    else:
        row = dict(result)
    row["note"] = "; ".join(filter(None, (row["note"], note)))
    return {"id": identifier} | row


def _check_out(out: Path, rejected: Path) -> None:
    """Check that `out` overwrites nothing but earlier predictions; it might be an input file by mistake."""
    if rejected.exists() and not is_rejected_list(rejected):
        raise InputError(f"{rejected} exists and lists no rejected rows; give another --out")
    if not out.exists():
        return
    if not out.is_file():
        raise InputError(f"{out} is not a regular file; give another --out")
    with suppress(OSError, UnicodeDecodeError), out.open(encoding="utf-8") as file:
        if file.readline().startswith(("id,prediction,", "id,prediction_")):
            return
    raise InputError(f"{out} exists and holds no predictions; give another --out")


def _no_crystal(inputs: Sequence[Path], rejected: Sequence[Rejection], count: int) -> InputError:
    if not count:
        return InputError(f"there is no crystal in {', '.join(map(str, inputs))}")
    return InputError(f"none of the {count} crystals given can be used; the first reason: {rejected[0]}")


def _text(name: str, value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.{3 if name == 'spread' else 6}g}"
    return str(value)


def _copied(value: object) -> str:
    """Return the text of a cell of the input."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
