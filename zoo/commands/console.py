"""Output of the command line: one-line errors, tables, prose and JSON."""

from __future__ import annotations

import atexit
import gc
import json
import logging
import math
import os
import shutil
import sys
import warnings
from contextlib import contextmanager, redirect_stdout, suppress
from textwrap import fill
from typing import TYPE_CHECKING, Any, TextIO

import click

from zoo._utils.python_api import shell_words
from zoo.commands.text_table import lay_out
from zoo.errors import DOCUMENTATION, ZooError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zoo.data.tables.records import Rejection

_JSON_STREAM = f"{__name__}.json"
"""Key of the JSON stream in a context's ``meta``."""


LONGEST_SENTENCE = 200
"""Number of characters of a command's first sentence, so that none is cut."""


class ErrorGroup(click.Group):
    """A group of commands that reports an error as one line and exits with its code.

    Parameters
    ----------
    sections : mapping of str to sequence of click.Command
        Title → commands, in the order of the help.
    """

    _process_goes_on = True

    def __init__(
        self, *args: Any, sections: Mapping[str, Sequence[click.Command]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections or {}
        for command in (each for commands in self.sections.values() for each in commands):
            self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, by section, each with its first sentence."""
        if not self.sections:
            super().format_commands(ctx, formatter)
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(each.name or "", each.get_short_help_str(LONGEST_SENTENCE)) for each in commands])

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line; as a program of its own, unless ``standalone_mode`` is false."""
        self._process_goes_on = not extra.get("standalone_mode", True)
        with shell_words():
            return super().main(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options; ``--plugin`` already runs code here."""
        if "--json" in args:
            ctx.meta[_JSON_STREAM] = ctx.with_resource(_standard_output_to_ourselves(restored=self._process_goes_on))
        with _one_line_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _one_line_errors(lambda: getattr(self.commands.get(ctx.invoked_subcommand or ""), "page", "")):
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
def _one_line_errors(page: Callable[[], str] = str) -> Iterator[None]:
    """Turn errors into one line; `page` returns the page of the documentation about the command."""
    try:
        yield
    except ZooError as error:
        raise Failure(str(error), error.exit_code, error.page or page()) from error
    except BrokenPipeError:  # the reader closed our output; click handles this
        raise
    except OSError as error:  # a full disk, a folder without permission to write
        where = f"{error.filename}: " if error.filename else ""
        logging.getLogger("zoo").debug("operating system error", exc_info=True)
        raise Failure(f"{where}{error.strerror or error}", ZooError.exit_code) from error


class Failure(click.ClickException):
    """An error that is printed as one line.

    Parameters
    ----------
    message : str
    exit_code : int
    page : str
        Page of the documentation, whose address follows on a terminal.
    """

    def __init__(self, message: str, exit_code: int, page: str = "") -> None:
        super().__init__(one_line(message))
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it per class
        self.page = page

    def show(self, file: Any = None) -> None:
        """Print the error."""
        super().show(file)
        if self.page and sys.stderr.isatty():
            click.secho(f"See {page_address(self.page)}", err=True, dim=True)


def page_address(page: str) -> str:
    """Return the address of a page of the documentation."""
    return f"{DOCUMENTATION}/{page}.html"


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
    """Formats log messages, which quote text from elsewhere, without control characters; steps without a level."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a message."""
        message = plain(super().format(record))
        return message.removeprefix("DEBUG: ") if record.levelno == logging.DEBUG else message


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
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str | None = None,
    *,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> None:
    """Print a table, fitted to a terminal; in a pipe, as wide as its content.

    Parameters
    ----------
    header : sequence of str
        Names of the columns; all empty for a table without a header.
    rows : iterable of sequences of str
    title : str, optional
    keep : sequence of str
        Columns whose cells stay on one line.
    drop : sequence of str
        Columns that a narrow terminal leaves out, the least important one first.
    """
    width = terminal_width(sys.stdout)
    table = lay_out(
        [plain(name) for name in header], [[plain(cell) for cell in row] for row in rows], width, keep=keep, drop=drop
    )
    if title:
        click.echo(plain(title))
    for line in table.header:
        click.secho(line, bold=True)
    for line in table.body:
        click.echo(line)
    if table.left_out:
        note = f"no room in {width} columns for: {', '.join(table.left_out)}"
        click.secho(click.wrap_text(note, width or len(note)), dim=True)


def terminal_width(stream: TextIO | None) -> int | None:
    """Return the number of columns of the terminal that a stream writes to; None if it is not a terminal."""
    return shutil.get_terminal_size().columns if stream is not None and stream.isatty() else None


def show_prose(text: str) -> None:
    """Print Markdown, rendered on a terminal, verbatim in a pipe."""
    from rich.console import Console

    console, text = Console(), plain(text)
    if not console.is_terminal:
        click.echo(text)
        return
    from rich.markdown import Markdown

    console.print(Markdown(text, hyperlinks=False))  # print addresses instead of hiding them behind link text


def show_text(text: str = "", *, err: bool = False, wrap: bool = False) -> None:
    """Print text, which may come from elsewhere in parts: a card, a table, a server's answer.

    Parameters
    ----------
    text : str
    err : bool
        Print to standard error.
    wrap : bool
        Break lines between words on a terminal, for sentences.
    """
    lines, width = plain(text).split("\n"), terminal_width(sys.stderr if err else sys.stdout)
    if wrap and width:
        lines = [fill(line, width, break_long_words=False, break_on_hyphens=False) for line in lines]
    click.echo("\n".join(lines), err=err)


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


def rejections(rejected: Sequence[Rejection], path: Path, more: int = 0) -> list[str]:
    """Return a few lines that say which rows were left out, `more` of them rejected, and where the complete list is."""
    lines = []
    for what, found in (
        ("filtered", [each for each in rejected if each.filtered]),
        ("rejected", [each for each in rejected if not each.filtered]),
    ):
        if found:
            count = len(found) + (more if what == "rejected" else 0)
            others = [f"  … and {count - 3} more"] if count > 3 else []
            lines += [f"{what}    {count} row(s), in {path}", *(f"  {each}" for each in found[:3]), *others]
    return lines
