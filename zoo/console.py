"""How the command line shows things: errors as one line, tables, names to complete."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from zoo.errors import ZooError

F = TypeVar("F", bound=Callable[..., Any])


class ErrorGroup(click.Group):
    """A group of commands that shows a ZooError as one line and exits with the error's own code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ZooError as error:
            failure = click.ClickException(" ".join(str(error).split("\n")))
            failure.exit_code = error.exit_code  # type: ignore[misc]  # click declares it per class
            raise failure from error


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


def set_up_logging() -> None:
    """Show zoo's own messages, and keep those of the libraries below it from people who cannot act on them."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    if logging.getLogger("zoo").level != logging.DEBUG:
        warnings.simplefilter("ignore")


def is_quiet(ctx: click.Context) -> bool:
    """Say whether ``-q`` was given."""
    return bool(ctx.ensure_object(dict).get("quiet"))


def names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a function that completes names of a kind of plugin in the shell."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        if kind == "backbone":
            from zoo import registry

            known = registry.names()
        else:
            from zoo import extensions

            known = [plugin.name for plugin in extensions.plugins() if plugin.kind == kind]
        return [name for name in known if name.lower().startswith(incomplete.lower())]

    return complete


def show_table(header: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print a table: fitted to a terminal, as wide as its content elsewhere."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=1000)
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_header=any(header))
    for name in header:
        table.add_column(name)
    for row in rows:
        # Cells are data: a formula in brackets must not be taken for markup.
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    if title:
        console.print(title, markup=False)
    console.print(table)


def show_json(value: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))


def rejections(rejected: Sequence[object], path: Path) -> list[str]:
    """Say in a few lines which rows were left out and where all of them are written."""
    if not rejected:
        return []
    more = [f"  … and {len(rejected) - 3} more"] if len(rejected) > 3 else []
    return [f"rejected    {len(rejected)} row(s), in {path}", *(f"  {each}" for each in rejected[:3]), *more]


def _add_plugins(_ctx: click.Context, _param: click.Parameter, value: Sequence[Path]) -> None:
    if value:
        from zoo.extensions import add_file

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
