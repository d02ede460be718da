"""Options shared by several commands or declared as dataclass fields, their help, and shell completion of names."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click

from zoo.commands.console import page_address
from zoo.errors import InputError, ZooError

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


def _one_target(_ctx: click.Context, _param: click.Parameter, value: Sequence[str]) -> str | None:
    if len(value) > 1:
        shown = " ".join(f"--target {column}" for column in value)
        raise InputError(f"{shown}: a study has one target; start one for each")
    return value[0] if value else None


ONE_TARGET: dict[str, Any] = {
    "type": str,
    "multiple": True,
    "default": None,
    "show_default": False,
    "callback": _one_target,
    "metavar": "COLUMN",
}
"""Arguments of the option ``--target``, of which a second one is an error."""

SEVERAL: dict[str, Any] = {"type": str, "multiple": True, "default": None, "show_default": False}
"""Arguments of an option that is repeated for each of several targets."""

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
            help="Also use the tasks, featurizers, baselines and networks in this Python file.",
        ),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_verbose,
            help="Say what is read, from where, and how long steps take.",
        ),
        click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=_quiet, help="Print results alone."),
    )
    for add in options:
        function = add(function)
    return function


COMMON = "Common options"
"""Title of the options of every command."""


class Command(click.Command):
    """A command whose help has examples and groups of options.

    Parameters
    ----------
    examples : sequence of (str, str)
        What each does, and its command line.
    groups : mapping of str to sequence of str
        Title → names of parameters. Options in no group are listed first, those of every command last.
    page : str
        Page of the documentation, such as ``"how-to/share"``.
    """

    def __init__(
        self,
        *args: Any,
        examples: Sequence[tuple[str, str]] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        page: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples, self.groups, self.page = examples, groups or {}, page

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, by group, and those of every command."""
        titles = {name: title for title, found in self.groups.items() for name in found}
        titles |= dict.fromkeys(("plugin", "verbose", "quiet", "version"), COMMON)
        records: dict[str, list[tuple[str, str]]] = {"Options": [], **{title: [] for title in self.groups}}
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        for parameter in options:
            if (record := parameter.get_help_record(ctx)) is not None:
                title = COMMON if "--help" in parameter.opts else titles.get(parameter.name or "", "Options")
                records.setdefault(title, []).append(record)
        for title, found in records.items():
            if found:
                with formatter.section(title):
                    formatter.write_dl(found)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples; a long command line is continued on the next line."""
        write_examples(self.examples, formatter)
        if self.page:
            formatter.write(f"\nDocumentation:\n  {page_address(self.page)}\n")
        super().format_epilog(ctx, formatter)


class Group(click.Group, Command):
    """A group of commands with examples in the help."""

    command_class = Command


def write_examples(examples: Sequence[tuple[str, str]], formatter: click.HelpFormatter) -> None:
    """Write examples, each below a comment; what is longer than a line is continued with a backslash."""
    if not examples:
        return
    with formatter.section("Examples"):
        for index, (what, command) in enumerate(examples):
            formatter.write("\n" if index else "")
            indent = " " * formatter.current_indent
            formatter.write(click.wrap_text(f"# {what}", formatter.width, indent, f"{indent}# ") + "\n")
            # Option and value stay together.
            words = [word.replace("\0", " ") for word in re.sub(r"(--\S+) (?!-)", "\\1\0", command).split(" ")]
            lines = [indent + words[0]]
            for word in words[1:]:
                if len(lines[-1]) + len(word) + 3 <= formatter.width:
                    lines[-1] += f" {word}"
                else:
                    lines.append(f"{indent}    {word}")
            formatter.write(" \\\n".join(lines) + "\n")


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
        except ZooError:  # reported when the command runs; completion must not print messages
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


class DeclaredCommand(Command):
    """A command with an option for every field of some dataclasses.

    They are imported only when the options are needed, so that ``zoo --help`` stays fast.

    Parameters
    ----------
    declared : sequence of str
        The dataclasses, as ``"module:Class"``. Fields are annotated with ``pydantic.Field(description=...)``, which is
        the help text.
    without : sequence of str
        Fields that are not options.
    special : mapping of str to dict
        Field → arguments of ``click.Option`` that take precedence over the derived ones.
    """

    def __init__(
        self,
        *args: Any,
        declared: Sequence[str],
        without: Sequence[str] = (),
        special: Mapping[str, Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._declared, self._without, self._special = declared, without, special or {}
        self._complete = False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all parameters: arguments, declared options, other options."""
        if not self._complete:
            options = [option for name in self._declared for option in self._options(name)]
            first = next((i for i, each in enumerate(self.params) if isinstance(each, click.Option)), len(self.params))
            self.params[first:first] = options
            self._complete = True
        return super().get_params(ctx)

    def _options(self, name: str) -> list[click.Option]:
        module, _, attribute = name.partition(":")
        declared = getattr(import_module(module), attribute)
        hints = get_type_hints(declared, include_extras=True)
        return [
            option(field.name, hints[field.name], field.default, self._special.get(field.name, {}))
            for field in fields(declared)
            if field.name not in self._without
        ]


def option(name: str, hint: Any, default: Any, special: Mapping[str, Any]) -> click.Option:
    """Return the option of a field.

    Parameters
    ----------
    name : str
    hint : type
        Annotated with a description.
    default : object
        Of the field.
    special : mapping
        Arguments of ``click.Option`` that take precedence.
    """
    dashed = name.replace("_", "-")
    described = [found.description for found in get_args(hint)[1:] if getattr(found, "description", None)]
    arguments: dict[str, Any] = {"help": described[0] if described else None}
    kind = _plain(hint)
    if kind is bool:
        dashed = dashed if default is False else f"{dashed}/--no-{dashed}"
        arguments |= {"is_flag": True, "default": default}
    else:
        arguments["type"] = _click_type(kind)
        if isinstance(default, tuple):
            default = ",".join(default)
        if isinstance(default, str | int | float):
            arguments |= {"default": default, "show_default": default != ""}
    return click.Option([f"--{dashed}"], **{**arguments, **special})


def _plain(hint: Any) -> Any:
    """Return a type without its annotations and without None."""
    if get_origin(hint) is Annotated:
        return _plain(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        (only,) = (each for each in get_args(hint) if each is not NoneType)
        return _plain(only)
    return hint


def _click_type(kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if get_origin(kind) is tuple:
        return CommaSeparated(int if _plain(get_args(kind)[0]) is int else str)
    return click.Path(path_type=Path) if kind is Path else kind
