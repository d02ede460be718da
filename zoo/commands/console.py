"""Output of the command line: one-line errors, tables, prose and JSON."""

from __future__ import annotations

import atexit
import gc
import json
import logging
import math
import os
import sys
import warnings
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from zoo.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rich.table import Table

    from zoo.data.tables.records import Rejection

_JSON_STREAM = f"{__name__}.json"
"""Key of the JSON stream in a context's ``meta``."""

PIPE_WIDTH = 1000
"""Width of tables that are not printed on a terminal, large enough that no row is wrapped."""

LONGEST_PIECE = 10
"""Number of characters of a long identifier kept on one line if the table is too wide for the terminal."""


class ErrorGroup(click.Group):
    """A group of commands that reports an error as one line and exits with its code."""

    _process_goes_on = True

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; as a program of its own, unless ``standalone_mode`` is false."""
        self._process_goes_on = not extra.get("standalone_mode", True)
        return super().main(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options; ``--plugin`` already runs code here."""
        if "--json" in args:
            ctx.meta[_JSON_STREAM] = ctx.with_resource(_standard_output_to_ourselves(restored=self._process_goes_on))
        with _one_line_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _one_line_errors():
            return super().invoke(ctx)


@contextmanager
def _standard_output_to_ourselves(*, restored: bool) -> Iterator[TextIO | None]:
    """Redirect all other output, including that on the file descriptor, to standard error; yield a stream for ours.

    Unless `restored` is true, the redirection lasts until the process ends, because exit handlers may also print.
    """
    ours, others = sys.stdout, sys.stderr
    try:
        descriptor, other = ours.fileno(), others.fileno()
    except (AttributeError, OSError, ValueError):  # closed, or replaced by an object without a descriptor
        with redirect_stdout(others if ours else None):
            yield ours
        return
    ours.flush()
    kept = os.dup(descriptor)
    os.dup2(other, descriptor)
    stream = os.fdopen(os.dup(kept), "w", encoding=ours.encoding, errors=ours.errors)
    try:
        yield stream
    finally:
        with suppress(OSError):  # reported by the code that wrote the output
            stream.close()
        with suppress(OSError):
            ours.flush()
        with suppress(OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).fflush(None)  # C code has a separate buffer
        if restored:
            os.dup2(kept, descriptor)
        os.close(kept)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except ZooError as error:
        raise failure(str(error), error.exit_code) from error
    except BrokenPipeError:  # the reader closed our output; click handles this
        raise
    except OSError as error:  # a full disk, a folder without permission to write
        where = f"{error.filename}: " if error.filename else ""
        logging.getLogger("zoo").debug("operating system error", exc_info=True)
        raise failure(f"{where}{error.strerror or error}", ZooError.exit_code) from error


def failure(message: str, exit_code: int) -> click.ClickException:
    """Return the exception that makes click print one line and exit with a code."""
    ends = click.ClickException(one_line(message))
    ends.exit_code = exit_code  # type: ignore[misc]  # click declares it per class
    return ends


def one_line(message: str) -> str:
    """Put a message on one line, without control characters, which text from elsewhere may contain."""
    return plain(" ".join(message.split("\n")))


def plain(text: str) -> str:
    """Remove characters with which text from elsewhere could manipulate the terminal.

    These are control characters (escape sequences begin with one) and characters that set the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else " " if letter.isspace() else "" for letter in text
    )


class PlainFormatter(logging.Formatter):
    """Formats log messages, which quote text from elsewhere, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a message."""
        return plain(super().format(record))


def set_up_process() -> None:
    """Prepare this process for one command: logging, warnings, and a garbage collector that rarely runs.

    zoo's own messages are shown; those of the libraries below it, which a user cannot act on, are not.
    """
    gc.set_threshold(10_000, 100, 100)
    atexit.register(gc.freeze)  # skips garbage collection at exit, which takes a third of a second with torch
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("huggingface_hub").propagate = False  # it prints its messages itself
    if logging.getLogger("zoo").level != logging.DEBUG:
        warnings.simplefilter("ignore")


def show_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None, *, keep: Sequence[str] = ()
) -> None:
    """Print a table, fitted to a terminal; in a pipe, as wide as its content.

    Parameters
    ----------
    header : sequence of str
        Names of the columns; all empty for a table without a header.
    rows : iterable of sequences of str
    title : str, optional
    keep : sequence of str
        Columns whose cells stay on one line, however narrow the terminal is.
    """
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_WIDTH)
    rows = list(rows)
    table = _table(header, rows, keep)
    if console.measure(table, options=console.options.update(width=PIPE_WIDTH)).maximum > console.width:
        table = _table(header, [[_breakable(cell) for cell in row] for row in rows], keep)
    with console.capture() as capture:
        if title:
            console.print(plain(title), markup=False)
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()), color=console.is_terminal)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], keep: Sequence[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=SIMPLE_HEAD,
        header_style="bold",
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        show_header=any(header),
    )
    for name in header:
        table.add_column(Text(plain(name)), no_wrap=name in keep, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))  # as Text: brackets in formulas are not markup
    return table


def _breakable(cell: str) -> str:
    """Break a long identifier after underscores."""
    lines = [""]
    for piece in cell.split("_"):
        if lines[-1] and len(lines[-1]) + len(piece) >= LONGEST_PIECE:
            lines.append("")
        lines[-1] += f"{piece}_"
    return "\n".join(lines)[:-1]


def show_prose(text: str) -> None:
    """Print Markdown, rendered on a terminal, verbatim in a pipe."""
    from rich.console import Console

    console, text = Console(), plain(text)
    if not console.is_terminal:
        click.echo(text)
        return
    from rich.markdown import Markdown

    console.print(Markdown(text, hyperlinks=False))  # print addresses instead of hiding them behind link text


def show_text(text: str = "", *, err: bool = False) -> None:
    """Print text, which may come from elsewhere in parts: a card, a table, a server's answer."""
    click.echo(plain(text), err=err)


def show_json(value: object) -> None:
    """Print JSON; characters that :func:`plain` would remove are escaped, a number that is not finite becomes null."""
    text = json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False)
    text = "".join(letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text)
    ctx = click.get_current_context(silent=True)
    click.echo(text, file=ctx.meta.get(_JSON_STREAM) if ctx else None)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rejections(rejected: Sequence[Rejection], path: Path) -> list[str]:
    """Return a few lines that say which rows were left out and where the complete list is."""
    lines = []
    for what, found in (
        ("filtered", [each for each in rejected if each.filtered]),
        ("rejected", [each for each in rejected if not each.filtered]),
    ):
        if found:
            more = [f"  … and {len(found) - 3} more"] if len(found) > 3 else []
            lines += [f"{what}    {len(found)} row(s), in {path}", *(f"  {each}" for each in found[:3]), *more]
    return lines
