"""Lists of rejected rows: the limit on their number, and the file ``rejected.csv``."""

from __future__ import annotations

import csv
import re
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from zoo._utils.files import whole
from zoo.data.tables.records import Rejection
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

_HEADER = tuple(field.name for field in fields(Rejection) if field.name != "filtered")


def check_rejected_fraction(
    source: Path,
    usable: int,
    rejected: Sequence[Rejection],
    max_rejected: float,
    rejected_out: Path | None = None,
    *,
    limit: str = "of --max-rejected",
) -> None:
    """Refuse a table if too many rows, or all, are rejected; rows filtered out by the task do not count.

    Parameters
    ----------
    source : Path
        The table.
    usable : int
        Number of usable rows.
    rejected : sequence of Rejection
        The other rows.
    max_rejected : float
        Largest fraction of rows that may be rejected, 0 to 1.
    rejected_out : Path, optional
        Where the rejected rows are written before the error is raised.
    limit : str
        The option or default that sets `max_rejected`, for the message.

    Raises
    ------
    InputError
        With the counts, the two most frequent reasons, and the file that lists all rejected rows.
    """
    if not 0 <= max_rejected <= 1:
        raise InputError(f"--max-rejected {max_rejected:g} is not a fraction between 0 and 1")
    if usable:
        wrong = [rejection for rejection in rejected if not rejection.filtered]
        if len(wrong) <= max_rejected * (usable + len(wrong)):
            return
        rejected = wrong
    bad, rows = len(rejected), usable + len(rejected)
    kinds = [_kind_of(rejection.reason) for rejection in rejected]
    examples: dict[str, str] = {}
    if rejected_out is not None:  # otherwise the first rejection is shown in full
        for kind, rejection in zip(kinds, rejected, strict=True):
            examples.setdefault(kind, f", such as {rejection.value!r}" if rejection.column and rejection.value else "")
    reasons = ", ".join(f"{count} × {kind}{examples.get(kind, '')}" for kind, count in Counter(kinds).most_common(2))
    if rejected_out is not None:
        write_rejected(rejected, rejected_out)
        where = f"every row with its reason: {rejected_out}"
    else:
        where = f"the first: {rejected[0]}"
    most = f", more than the {max_rejected:.3g} {limit}" if usable else ""
    raise InputError(f"{source}: {bad} of {rows} rows cannot be used{most} ({reasons}); {where}")


def write_rejected(rejected: Iterable[Rejection], path: Path) -> None:
    """Write rejected rows as CSV (file, row, id, column, value, reason). The file is written atomically.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        with whole(path) as beside, beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_HEADER)
            writer.writerows(map(_cells, rejected))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


@contextmanager
def rejected_rows(path: Path) -> Iterator[Callable[[Rejection], None]]:
    """Yield a function that adds a row to a list as :func:`write_rejected` writes it.

    The list is complete when the block ends. Without a rejected row there is none, and an earlier one is removed.
    """
    with ExitStack() as stack:
        writers: list[Any] = []

        def add(rejection: Rejection) -> None:
            if not writers:
                beside = stack.enter_context(whole(path))
                handle = beside.open("w", encoding="utf-8", errors="backslashreplace", newline="")
                writers.append(csv.writer(stack.enter_context(handle), lineterminator="\n"))
                writers[0].writerow(_HEADER)
            writers[0].writerow(_cells(rejection))

        yield add
        if not writers:
            remove_rejected_list(path)


def is_rejected_list(path: Path) -> bool:
    """Return whether a file is a list of rejected rows."""
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
        return file.readline().rstrip("\n") == ",".join(_HEADER)
    return False


def remove_rejected_list(path: Path) -> None:
    """Remove the list of rejected rows left by an earlier run at `path`; any other file is kept."""
    if is_rejected_list(path):
        path.unlink(missing_ok=True)


def _cells(rejection: Rejection) -> list[object]:
    return [getattr(rejection, name) or "" for name in _HEADER]


def _kind_of(reason: str) -> str:
    """Strip the row-specific part of a reason, so that equal reasons can be counted."""
    return re.sub(r"'[^']*'", "…", re.split(r"[,:;(]", reason, maxsplit=1)[0]).strip()
