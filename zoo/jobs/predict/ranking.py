"""Rows written in the order of a number: all of them, or the best ones, in bounded memory."""

from __future__ import annotations

import csv
import heapq
import io
import tempfile
from array import array
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True)
class Ranking:
    """The order of the predictions in a file.

    Parameters
    ----------
    lowest : bool
        Put the lowest first instead of the highest. Crystals without a finite prediction come last.
    top : int, optional
        Number of rows to write; by default all of them.
    """

    lowest: bool = False
    top: int | None = None

    def merit(self, value: float) -> float:
        """Return a number that is larger for a better row."""
        return -np.inf if not np.isfinite(value) else -value if self.lowest else value


class Best(Generic[T]):
    """The items of largest merit; among equals, those that came first.

    >>> best = Best[str](2)
    >>> for merit, name in ((1.0, "a"), (3.0, "b"), (3.0, "c"), (2.0, "d")):
    ...     best.add(merit, name)
    >>> best.items()
    ['b', 'c']
    """

    def __init__(self, count: int) -> None:
        self._count, self._seen = count, 0
        self._heap: list[tuple[float, int, T]] = []

    def add(self, merit: float, item: T) -> None:
        """Keep an item if it is among the best so far."""
        self._seen += 1
        entry = (merit, -self._seen, item)
        if len(self._heap) < self._count:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def items(self) -> list[T]:
        """Return the items, the best first."""
        return [item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


@contextmanager
def ranked_rows(
    handle: IO[bytes], ranking: Ranking | None, folder: Path
) -> Iterator[Callable[[float, Sequence[str]], None]]:
    """Yield a function that takes the prediction and the cells of each row; write the rows as CSV.

    Without a ranking, rows are written as they come. Of the best rows, no more than these are held in memory. To sort
    all of them, they are put into a temporary file in `folder`, and some 30 bytes a row are held in memory.
    """
    if ranking is None:
        yield lambda _, cells: _write(handle, cells)
    elif ranking.top is not None:
        best = Best[bytes](ranking.top)
        yield lambda value, cells: best.add(ranking.merit(value), line(cells))
        handle.writelines(best.items())
    else:
        merits, ends = array("d"), array("q", [0])
        with tempfile.TemporaryFile(dir=folder) as unsorted:

            def add(value: float, cells: Sequence[str]) -> None:
                merits.append(ranking.merit(value))
                ends.append(ends[-1] + unsorted.write(line(cells)))

            yield add
            for row in np.argsort(-np.frombuffer(merits), kind="stable") if merits else ():
                unsorted.seek(ends[row])
                handle.write(unsorted.read(ends[row + 1] - ends[row]))


def _write(handle: IO[bytes], cells: Sequence[str]) -> None:
    handle.write(line(cells))


def line(cells: Sequence[str]) -> bytes:
    """Return a line of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8", errors="backslashreplace")
