"""Progress of long jobs: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bar(Protocol):
    """What a long job reports its progress to."""

    def advance(self, steps: float = 1, note: str = "") -> None:
        """Report `steps` more steps as done; `note` replaces the text after the bar."""
        ...

    def skip(self, steps: float, note: str = "") -> None:
        """Report `steps` as done by an earlier run; they do not count towards the rate."""
        ...


class _Silent:
    def advance(self, steps: float = 1, note: str = "") -> None:
        """Say nothing."""

    def skip(self, steps: float, note: str = "") -> None:
        """Say nothing."""


class _Lines:
    """At most one line per tenth of the work or half a minute."""

    def __init__(self, label: str, total: float | None, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self.skipped = 0.0
        self.start = self.last = time.monotonic()
        self.last_tenth = 0

    def advance(self, steps: float = 1, note: str = "") -> None:
        """Count the steps, and print a line if one is due."""
        self.done += steps
        now = time.monotonic()
        tenth = int(10 * self.done / self.total) if self.total else 0
        if tenth <= self.last_tenth and now - self.last < 30:
            return
        self.last_tenth, self.last = max(tenth, self.last_tenth), now
        elapsed = max(now - self.start, 1e-9)
        rate = (self.done - self.skipped) / elapsed
        of_total = f" of {self.total:g}" if self.total else ""
        pace = f", {per_time(rate)}" if rate else ""
        left = (
            f", {duration((self.total - self.done) / rate)} left"
            if rate and self.total and self.done < self.total
            else ""
        )
        tail = f"  {note}" if note else ""
        print(f"{self.label}: {self.done:g}{of_total} {self.unit}{pace}{left}{tail}", file=sys.stderr)  # noqa: T201

    def skip(self, steps: float, note: str = "") -> None:
        """Count the steps, but not towards the rate."""
        if not steps:
            return
        self.skipped += steps
        self.advance(steps, note)


def duration(seconds: float) -> str:
    """Format a time in a convenient unit.

    >>> duration(42.0), duration(150.0), duration(8000.0), duration(200_000.0)
    ('42 s', '2.5 min', '2.2 h', '2.3 days')
    """
    for limit, unit, name in ((100, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}" if unit == 1 else f"{seconds / unit:.1f} {name}"
    return f"{seconds / 86_400:.1f} days"


def per_time(rate: float) -> str:
    """Format a rate, given per second, in a unit in which it is not a small fraction.

    >>> per_time(1234.5), per_time(2.0), per_time(0.05), per_time(0.001)
    ('1.23e+03/s', '2/s', '3/min', '3.6/h')
    """
    for unit, name in ((1, "s"), (60, "min")):
        if rate * unit >= 1:
            return f"{rate * unit:.3g}/{name}"
    return f"{rate * 3600:.3g}/h"


@contextmanager
def progress(label: str, total: float | None, unit: str = "", *, quiet: bool = False) -> Iterator[Bar]:
    """Show the progress of the work inside a ``with`` block.

    Parameters
    ----------
    label : str
        Description of the work.
    total : float or None
        Number of steps; None if it is unknown.
    unit : str
        The plural of what is counted ("epochs").
    quiet : bool
        Show nothing.

    Yields
    ------
    Bar
    """
    if quiet or sys.stderr is None:  # nobody's, where it was closed
        yield _Silent()
    elif not sys.stderr.isatty():
        yield _Lines(label, total, unit)
    else:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            Task,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                speed = task.finished_speed or task.speed
                return Text(per_time(speed) if speed else "", style="progress.data.speed")

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TaskProgressColumn(),
            Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
        )
        with Progress(*columns, console=Console(stderr=True)) as display:
            task = display.add_task(label, total=total, note="")

            class _Rich:
                def advance(self, steps: float = 1, note: str = "") -> None:
                    if note:
                        display.update(task, advance=steps, note=note)
                    else:
                        display.update(task, advance=steps)

                def skip(self, steps: float, note: str = "") -> None:
                    if not steps:
                        return
                    display.reset(task, completed=int(display.tasks[0].completed + steps), note=note)

            yield _Rich()
