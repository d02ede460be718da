"""Commands whose options are the fields of dataclasses: names, types, defaults and help are declared there alone."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import click

from zoo.commands.options import CommaSeparated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class DeclaredCommand(click.Command):
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
        dashed = f"{dashed}/--no-{dashed}" if default else dashed
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
