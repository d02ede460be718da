"""Progress of long jobs: a bar on a terminal, one changing line in a notebook, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORTEST_BAR, LONGEST_BAR = 10, 40
"""Numbers of characters."""


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


class _Meter(ABC):
    """Counts steps; the rate does not include those of an earlier run."""

    def __init__(self, label: str, total: float | None, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self.skipped = 0.0
        self.start = time.monotonic()
        self.note = ""

    def advance(self, steps: float = 1, note: str = "") -> None:
        """Count the steps, and show them if it is time to."""
        self.done += steps
        self.note = note or self.note
        self.show(time.monotonic())

    def skip(self, steps: float, note: str = "") -> None:
        """Count the steps, but not towards the rate."""
        if steps:
            self.skipped += steps
            self.advance(steps, note)

    @abstractmethod
    def show(self, now: float) -> None:
        """Show the state at a time of the monotonic clock."""

    def rate(self, now: float) -> float:
        return (self.done - self.skipped) / max(now - self.start, 1e-9)

    def left(self, now: float) -> float | None:
        """Seconds left, if that can be told."""
        if not self.total or self.done >= self.total or self.done <= self.skipped:
            return None
        return (self.total - self.done) / self.rate(now)

    def line(self, width: int, now: float) -> str:
        """Return one line of at most `width` characters."""
        return fitted_line(
            width, self.label, self.done, self.total, self.unit, self.left(now), self.rate(now), self.note
        )


class _Lines(_Meter):
    """At most one line per tenth of the work or half a minute."""

    last_tenth = 0
    last = 0.0

    def show(self, now: float) -> None:
        """Print a line if one is due."""
        tenth = int(10 * self.done / self.total) if self.total else 0
        if tenth <= self.last_tenth and now - (self.last or self.start) < 30:
            return
        self.last_tenth, self.last = max(tenth, self.last_tenth), now
        of_total = f" of {self.total:g}" if self.total else ""
        rate, left = self.rate(now), self.left(now)
        pace = f", {per_time(rate)}" if rate else ""
        rest = "" if left is None else f", {duration(left)} left"
        tail = f"  {self.note}" if self.note else ""
        print(f"{self.label}: {self.done:g}{of_total} {self.unit}{pace}{rest}{tail}", file=sys.stderr)  # noqa: T201
        self.note = ""


class _NotebookLine(_Meter):
    """One line below the cell of a notebook, which changes while the cell runs."""

    width = 100
    seconds = 0.2
    handle: Any = None
    last = 0.0

    def show(self, now: float) -> None:
        """Replace the line, a few times a second."""
        if self.handle is None:
            from IPython.display import display

            self.handle = display(self._output(now), raw=True, display_id=True)  # type: ignore[no-untyped-call]
            self.last = now
        elif now - self.last >= self.seconds or self.done == self.total:
            self.handle.update(self._output(now), raw=True)
            self.last = now

    def _output(self, now: float) -> dict[str, str]:
        return {"text/plain": self.line(self.width, now)}


def fitted_line(
    width: int,
    label: str,
    done: float,
    total: float | None,
    unit: str,
    left: float | None,
    rate: float | None,
    note: str,
) -> str:
    """Return a line of progress that fits `width` characters.

    The count, the time left and the end of the note, which holds the error, come first; then the label, the bar, the
    beginning of the note and the rate, as far as there is room.

    Examples
    --------
    >>> fitted_line(46, "training", 3, 12, "epochs", 90.0, 0.1, "seed 0: validation MAE 0.12")
    '3/12 epochs  90 s left  validation MAE 0.12'
    >>> fitted_line(70, "training", 3, 12, "epochs", 90.0, 0.1, "seed 0: validation MAE 0.12")
    'training  ━━━────────────  3/12 epochs  90 s left  validation MAE 0.12'
    """
    context, _, message = note.rpartition(": ")
    parts = {
        "label": label,
        "bar": "━" * SHORTEST_BAR,
        "count": f"{done:,.10g}{f'/{total:,.10g}' if total else ''} {unit}".rstrip(),
        "left": "" if left is None else f"{duration(left)} left",
        "rate": per_time(rate) if rate else "",
        "note": message,
    }
    kept = ["count"]

    def joined(names: Iterable[str]) -> str:
        return "  ".join(parts[name] for name in parts if name in names and parts[name])

    for name in ("left", "note", "label", *(["bar"] if total else [])):
        if len(joined([*kept, name])) <= width:
            kept.append(name)
    if "note" in kept and context and len(joined(kept)) + len(context) + 2 <= width:
        parts["note"] = note
    if len(joined([*kept, "rate"])) <= width:
        kept.append("rate")
    if "bar" in kept and total:
        size = min(LONGEST_BAR, SHORTEST_BAR + width - len(joined(kept)))
        full = int(size * min(done / total, 1.0))
        parts["bar"] = "━" * full + "─" * (size - full)
    return joined(kept)[:width]


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


def log_step(start: float, what: str) -> None:
    """Log a finished step, shown by ``-v``, with its duration.

    Parameters
    ----------
    start : float
        Value of :func:`time.monotonic` when it began.
    what : str
        What was done, and from which file.
    """
    logging.getLogger("zoo").debug("%6.2f s  %s", time.monotonic() - start, what)


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
    if quiet or sys.stderr is None or total == 0:  # None where it was closed
        yield _Silent()
    elif _in_notebook():
        yield _NotebookLine(label, total, unit)
    elif not sys.stderr.isatty():
        yield _Lines(label, total, unit)
    else:
        from rich.console import Console
        from rich.progress import Progress, ProgressColumn, Task
        from rich.table import Column
        from rich.text import Text

        console = Console(stderr=True)

        class Line(ProgressColumn):
            def render(self, task: Task) -> Text:
                note = task.fields["note"]
                rate = task.finished_speed or task.speed
                left = None if task.finished else task.time_remaining
                return Text(fitted_line(console.width, label, task.completed, total, unit, left, rate, note))

        with Progress(Line(Column(no_wrap=True)), console=console) as display:
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


def _in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, where a display can be updated."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython and hasattr(ipython, "get_ipython") else None
    return hasattr(shell, "kernel")
