"""How the command line shows things: errors as one line, tables, names to complete."""

from __future__ import annotations

import atexit
import gc
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoo.errors import ZooError

if TYPE_CHECKING:
    from rich.table import Table

    from zoo.hub.pull import Pulled
    from zoo.registry.cards import Card

WIDE = 1000
"""Columns of a table that is not printed on a terminal: nothing in it is broken over lines."""

LONGEST_PIECE = 10
"""Characters of a long identifier that stay on a line of a table that is too wide for its terminal."""

F = TypeVar("F", bound=Callable[..., Any])


class ErrorGroup(click.Group):
    """A group of commands that shows what went wrong as one line; a ZooError has its own exit code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options, some of which (``--plugin``) do work already."""
        with _one_line_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _one_line_errors():
            return super().invoke(ctx)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except ZooError as error:
        raise failure(str(error), error.exit_code) from error
    except BrokenPipeError:  # whoever reads our output has had enough; click knows what to do
        raise
    except OSError as error:  # what no module foresaw: a full disk, a folder that may not be written
        where = f"{error.filename}: " if error.filename else ""
        logging.getLogger("zoo").debug("refused by the system", exc_info=True)
        raise failure(f"{where}{error.strerror or error}", ZooError.exit_code) from error


def failure(message: str, exit_code: int) -> click.ClickException:
    """Return the exception that ends the program with one line and an exit code."""
    ends = click.ClickException(one_line(message))
    ends.exit_code = exit_code  # type: ignore[misc]  # click declares it per class
    return ends


def one_line(message: str) -> str:
    """Put a message on one line, without the control characters that a stranger's file may bring into it."""
    return plain(" ".join(message.split("\n")))


def plain(text: str) -> str:
    """Take out the control characters by which a stranger's text could play with the terminal."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")


def table_options(function: F) -> F:
    """Give a command the options that say what of a labelled table is used, and how it is split."""
    options = (
        click.option("--seed", default=0, show_default=True, help="The first seed."),
        click.option(
            "--split",
            type=click.Choice(["random", "composition", "chemsys"]),
            default="random",
            show_default=True,
            help="What may not be in training and in test rows at once: a row, a composition, a set of elements.",
        ),
        click.option("--test", default=0.1, show_default=True, help="Fraction of rows held out for the final error."),
        click.option("--target", help="Column of the target, if the task does not know its name."),
        click.option(
            "--structures",
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder of structure files named after the table's ids.",
        ),
        click.option("--epochs", type=int, help="Longest training.  [default: tuned]"),
        click.option(
            "--max-rejected", default=0.1, show_default=True, help="Stop if a larger fraction of rows is unusable."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def common(function: F) -> F:
    """Give a command the options that all have; they work before and after its name."""
    options = (
        click.option(
            "--plugin",
            type=click.Path(dir_okay=False, path_type=Path),
            multiple=True,
            expose_value=False,
            is_eager=True,
            callback=_add_plugins,
            help="Also use the tasks, featurizers and baselines of this Python file.",
        ),
        click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=_say_more, help="Say more."),
        click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=_say_less, help="Say only results."),
    )
    for option in options:
        function = option(function)
    return function


def collect_seldom() -> None:
    """Look for garbage a tenth as often, hardly ever among what has lived for long, and not when the process ends."""
    gc.set_threshold(10_000, 100, 100)
    atexit.register(gc.freeze)


def set_up_logging() -> None:
    """Show zoo's own messages, and keep those of the libraries below it from people who cannot act on them."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("huggingface_hub").propagate = False  # it shows its messages itself
    if logging.getLogger("zoo").level != logging.DEBUG:
        warnings.simplefilter("ignore")


def is_quiet(ctx: click.Context) -> bool:
    """Say whether ``-q`` was given."""
    return bool(ctx.ensure_object(dict).get("quiet"))


def names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a function that completes names of a kind of plugin in the shell."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        try:
            if kind == "backbone":
                from zoo.registry import backbones

                known = list(backbones.named())
            else:
                from zoo.registry import plugins

                known = [plugin.name for plugin in plugins.plugins() if plugin.kind == kind]
        except ZooError:  # the command itself will say it; a prompt is no place for it
            return []
        return [name for name in known if name.lower().startswith(incomplete.lower())]

    return complete


def show_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None, *, keep: Sequence[str] = ()
) -> None:
    """Print a table: fitted to a terminal, as wide as its content elsewhere.

    Parameters
    ----------
    header : sequence of str
        Names of the columns; all empty for a table without a header.
    rows : iterable of sequences of str
    title : str, optional
    keep : sequence of str
        Columns that are never broken over lines, however narrow the terminal is.
    """
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDE)
    rows = list(rows)
    table = _table(header, rows, keep)
    if console.measure(table, options=console.options.update(width=WIDE)).maximum > console.width:
        table = _table(header, [[_breakable(cell) for cell in row] for row in rows], keep)
    with console.capture() as capture:
        if title:
            console.print(title, markup=False)
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
        table.add_column(Text(name), no_wrap=name in keep, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))  # as Text: a formula in brackets is no markup
    return table


def _breakable(cell: str) -> str:
    """Break a long identifier after underscores, where a reader would."""
    lines = [""]
    for piece in cell.split("_"):
        if lines[-1] and len(lines[-1]) + len(piece) >= LONGEST_PIECE:
            lines.append("")
        lines[-1] += f"{piece}_"
    return "\n".join(lines)[:-1]


def show_card(card: Card, status: str) -> None:
    """Print a model card: what it says of itself in a table, its figures in another, then its prose."""
    counts = card.training.rows
    rows = [
        ("name", card.name),
        ("also", ", ".join(card.aliases)),
        ("title", card.title),
        ("predicts", f"{card.target} ({card.unit})" if card.unit else card.target),
        ("transform", "" if card.transform == "identity" else card.transform),
        ("weights", f"{status}, {card.size / 1e6:.2f} MB" if card.size else status),
        ("Hub", f"{card.repo_id}, {f'commit {card.revision}' if card.revision else 'no commit pinned yet'}"),
        ("license", card.hub.license),
        ("network", _named(card.architecture.model_dump() if card.architecture else {}).removeprefix("network ")),
        ("graph", _named(card.graph.model_dump() if card.graph else {})),
        ("elements", ", ".join(card.elements)),
        ("trained on", f"{card.training.source} ({card.training.license})"),
        ("labels", card.training.labels or ""),
        ("rows", f"{counts.train:,} training, {counts.val:,} validation, {counts.test:,} test" if counts else ""),
        ("ids", card.training.ids or ""),
        ("recipe", card.training.recipe if isinstance(card.training.recipe, str) else _named(card.training.recipe)),
        ("made by", card.command or ""),
        *((file.name, f"{file.size:,} bytes, SHA-256 {file.sha256}") for file in card.files),
        ("notes", card.notes),
    ]
    show_table(("", ""), [row for row in rows if row[1]])
    if card.results:
        header = ("metric", "value", "unit", "rows", "number")
        click.echo()
        show_table(header, ([r.metric, f"{r.value:.4g}", r.unit, r.rows, f"{r.n:,}"] for r in card.results))
    click.echo()
    show_prose(card.body)


def show_prose(text: str) -> None:
    """Print Markdown: rendered on a terminal, as it is elsewhere."""
    from rich.console import Console

    console, text = Console(), plain(text)
    if not console.is_terminal:
        click.echo(text)
        return
    from rich.markdown import Markdown

    console.print(Markdown(text))


def _named(values: Mapping[str, object] | None) -> str:
    """Write names and values in a line: ``width 64, convolutions 4``; leave out what is not given."""
    shown = {name.replace("_", " "): value for name, value in (values or {}).items() if value is not None}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def show_json(value: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))


def bars(*, shown: bool) -> AbstractContextManager[None]:
    """Return a context in which the Hub's client shows progress bars on a terminal alone, or none."""
    from zoo.hub.client import no_bars

    return nullcontext() if shown and sys.stderr.isatty() else no_bars()


def pulled_line(pulled: Pulled, *, pinned: bool) -> str:
    """Say where a backbone was taken from and where it lies.

    Parameters
    ----------
    pulled : Pulled
    pinned : bool
        Whether a registered card pins the digests. What a stranger's repository sends is checked against
        nothing, so it is not called verified.
    """
    origin = {
        "bundled": "from the bundle",
        "cache": "from the Hub's cache",
        "hub": "from the Hub",
        "directory": "a folder of this machine",
    }[pulled.origin]
    commit = f", commit {pulled.revision[:12]}" if pulled.revision else ""
    checked = ", verified" if pinned and pulled.digests else ""
    return f"{pulled.name}: {origin}{commit}{checked}, in {pulled.directory}"


def rejections(rejected: Sequence[object], path: Path) -> list[str]:
    """Say in a few lines which rows were left out and where all of them are written."""
    if not rejected:
        return []
    more = [f"  … and {len(rejected) - 3} more"] if len(rejected) > 3 else []
    return [f"rejected    {len(rejected)} row(s), in {path}", *(f"  {each}" for each in rejected[:3]), *more]


def _add_plugins(_ctx: click.Context, _param: click.Parameter, value: Sequence[Path]) -> None:
    if value:
        from zoo.registry.plugins import add_file

        for path in value:
            add_file(path)


def _say_more(_ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger("zoo").setLevel(logging.DEBUG)
        warnings.simplefilter("default")


def _say_less(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(dict)["quiet"] = True
        logging.getLogger("zoo").setLevel(logging.ERROR)
