"""The table of training histories, which grows while a run trains."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COLUMNS = ("epoch", "learning_rate", "train_loss", "validation_loss", "validation_mae", "seconds")
"""Columns of the history of a fit; classes have the fraction of wrong ones in place of the mean absolute error."""


def columns(*, classes: bool) -> tuple[str, ...]:
    """Return the columns of the history of a fit to numbers, or to classes."""
    return (*COLUMNS[:-2], "validation_error_rate", COLUMNS[-1]) if classes else COLUMNS


@dataclass(frozen=True)
class LiveHistory:
    """The file ``history.csv`` of an unfinished run, to which every validation adds a row.

    It is for watching alone: when the run is complete, it is replaced by a file with all rows in order. A row that
    cannot be written, for example because the disk is full, is therefore left out.

    Parameters
    ----------
    path : Path
    repeat : {"seed", "fold"}
        Kind of repetition.
    classes : bool
        Whether classes are predicted.
    """

    path: Path
    repeat: str
    classes: bool = False

    def start(self) -> None:
        """Begin an empty file."""
        with suppress(OSError):
            self.path.write_text(_line(["method", self.repeat, *columns(classes=self.classes)]), encoding="utf-8")

    def add(self, method: str, repeat: int | str, row: Mapping[str, float], _epochs: int = 0) -> None:
        """Add the row of a validation; several processes may do so at the same time.

        Parameters
        ----------
        method : str
            Name of the fit.
        repeat : int or str
            Seed or fold.
        row : mapping
            See :class:`zoo.training.fit.FitResult`.
        """
        with suppress(OSError), self.path.open("a", newline="", encoding="utf-8") as handle:
            handle.write(_line([method, repeat, *cells(row)]))


def cells(row: Mapping[str, float]) -> list[Any]:
    """Return the values of :func:`columns`; a number that is not finite is left empty."""
    numbers = (row[name] for name in columns(classes="validation_error_rate" in row)[1:])
    return [int(row["epoch"]), *("" if each is None or not isfinite(each) else f"{each:.6g}" for each in numbers)]


def _line(values: list[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
