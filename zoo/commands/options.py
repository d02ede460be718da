"""Options and arguments that several commands share, and the names that a shell completes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from zoo.errors import ZooError

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE_OR_FOLDER = click.Path(path_type=Path)

F = TypeVar("F", bound=Callable[..., Any])


class CommaSeparated(click.ParamType[tuple[Any, ...]]):
    """Values separated by commas; repeated ones count once."""

    name = "list"

    def __init__(self, kind: type[int | str] = str) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Split the text."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(dict.fromkeys(self.kind(part.strip()) for part in str(value).split(",") if part.strip()))
        except ValueError:
            self.fail(f"{value!r} is not a list of integers separated by commas", param, ctx)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
resume_option = click.option("--resume", is_flag=True, help="Continue an interrupted run.")
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto takes a GPU if there is one.",
)


def common(function: F) -> F:
    """Add the options of every command; they work before and after its name."""
    options = (
        click.option(
            "--plugin",
            type=FILE,
            multiple=True,
            expose_value=False,
            is_eager=True,
            callback=_add_plugins,
            help="Also use the tasks, featurizers and baselines in this Python file.",
        ),
        click.option(
            "-v", "--verbose", is_flag=True, expose_value=False, callback=_verbose, help="Show more messages."
        ),
        click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=_quiet, help="Print only results."),
    )
    for option in options:
        function = option(function)
    return function


def is_quiet(ctx: click.Context) -> bool:
    """Return whether ``-q`` was given."""
    return bool(ctx.ensure_object(dict).get("quiet"))


def names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a function that completes the names of a kind of plugin in the shell."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        try:
            if kind == "backbone":
                from zoo.registry import backbones

                known = list(backbones.named())
            else:
                from zoo.registry import plugins

                known = [plugin.name for plugin in plugins.plugins() if plugin.kind == kind]
        except ZooError:  # the command itself reports it; a prompt is no place for a message
            return []
        return [name for name in known if name.lower().startswith(incomplete.lower())]

    return complete


def _add_plugins(_ctx: click.Context, _param: click.Parameter, value: Sequence[Path]) -> None:
    if value:
        from zoo.registry.plugins import add_file

        for path in value:
            add_file(path)


def _verbose(_ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger("zoo").setLevel(logging.DEBUG)
        warnings.simplefilter("default")


def _quiet(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(dict)["quiet"] = True
        logging.getLogger("zoo").setLevel(logging.ERROR)
