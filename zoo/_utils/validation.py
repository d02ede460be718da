"""Options validated by pydantic, and arguments of the Python API; errors are InputErrors that name what is wrong."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import fields
from functools import wraps
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import BeforeValidator, Strict, ValidationError

from zoo._utils.wording import python_words, spoken
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

Options = TypeVar("Options", bound=type[Any])
Function = TypeVar("Function", bound=Callable[..., Any])

TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "texts_type": "text, or a list of texts",
    "bool_type": "True or False",
    "tuple_type": "a tuple",
    "path_type": "the path of a file or folder",
    "table_type": "the path of a table, a pandas DataFrame or a zoo table",
    "task_type": "the name of a task or a zoo.Task",
    "tasks_type": "the name of a task or a zoo.Task, or a list of them",
}
"""pydantic's error types → readable descriptions of the expected type."""

WRITTEN = {"int_parsing": "a whole number", "float_parsing": "a number"}
"""The same for values that are written as text."""

WORDS = {
    "Input should be": "must be",
    "Value should have": "must have",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "more than",
}
"""Phrases in pydantic's messages → ours."""


def _plain(kind: type, to: type) -> BeforeValidator:
    """Convert numbers of other libraries, such as NumPy, to Python's; True and False are not numbers."""
    return BeforeValidator(
        lambda value: to(value) if isinstance(value, kind) and not isinstance(value, bool) else value
    )


Whole = Annotated[int, _plain(Integral, int)]
Number = Annotated[float, _plain(Real, float)]
LaxPath = Annotated[Path, Strict(False)]
"""A path that may be given as text."""


def validated(options: Options) -> Options:
    """Make a pydantic dataclass raise InputError, with one line that names the option, instead of pydantic's error."""
    made: Any = options
    checked = made.__init__

    @wraps(checked)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        with python_words():
            try:
                checked(self, *args, **kwargs)
            except ValidationError as error:
                raise InputError(describe(error, [field.name for field in fields(made)])) from None

    made.__init__ = __init__
    return options


PLAIN: dict[str, tuple[Any, str]] = {
    "str": (str, "text"),
    "Path": ((str, PathLike), "a path"),
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "Callable": (Callable, "a function"),
    "Device": (str, "text"),
    "OnError": (str, "text"),
    "OriginChoice": (str, "text"),
    "None": (NoneType, "None"),
}
"""Annotations of arguments that are checked → their types, and these in words."""

OWN = ("Model", "Options", "Ranking", "StudyOptions")
"""Classes of zoo that are checked by their names, because most modules import them for type checkers alone."""


def public(name: str) -> Callable[[Function], Function]:
    """Make a function of the Python API check its arguments against its annotations, and speak of parameters.

    A wrong type, or a wrong number of arguments, is an InputError in one line. Annotations that name anything besides
    `PLAIN`, `OWN` and sequences of these are not checked. Functions that take a line get it in the words of Python.

    Parameters
    ----------
    name : str
        What users call the function, such as ``"zoo.load"``.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        taken = ", ".join(each for each in signature.parameters if each not in ("self", "cls"))

        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with python_words():
                try:
                    given = signature.bind(*args, **kwargs)
                except TypeError as error:
                    raise InputError(f"{name}({taken}): {error}") from None
                for argument, value in given.arguments.items():
                    annotation = str(signature.parameters[argument].annotation)
                    if not _fits(value, annotation):
                        raise InputError(f"{name}: {argument}={_shown(value)}: must be {_in_words(annotation)}")
                    if annotation.startswith("Callable[[str]") and value is not None:
                        given.arguments[argument] = _speaking(value)
                return function(*given.args, **given.kwargs)

        return cast("Function", called)

    return decorate


def _speaking(say: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: say(spoken(line))


def _parts(annotation: str) -> list[tuple[str, str]]:
    """Split a union of types; of each, return its name and what stands in brackets."""
    parts = (part.partition("[") for part in re.split(r" \| (?![^\[]*\])", annotation))
    return [(kind, inner.removesuffix("]")) for kind, _, inner in parts]


def _fits(value: Any, annotation: str) -> bool:
    """Return whether a value has an annotated type; also if that is not one which is checked."""
    return any(_is(value, kind, inner) for kind, inner in _parts(annotation))


def _is(value: Any, kind: str, inner: str) -> bool:
    if kind in ("Sequence", "Iterable"):
        several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
        checked = several and isinstance(value, Collection) and inner != "str"
        return all(_fits(each, inner) for each in value) if checked else several
    if kind in OWN:
        return any(base.__name__ == kind for base in type(value).__mro__)
    return kind not in PLAIN or isinstance(value, PLAIN[kind][0])


def _in_words(annotation: str) -> str:
    words: list[str] = []
    for kind, inner in _parts(annotation):
        if kind in ("Sequence", "Iterable"):
            words.append("several of them" if words else f"a sequence of {_in_words(inner)}")
        else:
            words.append(f"a zoo.{kind}" if kind in OWN else PLAIN.get(kind, ("", kind))[1])
    return " or ".join(words)


def _shown(value: object) -> str:
    """Return a value as it is written in Python, or the name of its type if that is long."""
    text = repr(value)
    return text if len(text) <= 60 and text.isprintable() else type(value).__name__


def first_error(error: ValidationError) -> tuple[tuple[int | str, ...], ErrorDetails]:
    """Return the place and details of the first problem, also where a part was validated by a model of its own."""
    first = error.errors(include_url=False)[0]
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, ValidationError):
        place, details = first_error(inner)
        return (*first["loc"], *place), details
    return first["loc"], first


def reason(problem: ErrorDetails) -> str:
    """Say what is wrong with a value, whose name stands before it: ``must be at least 1``."""
    kind = problem["type"]
    if kind.startswith("missing"):
        return "is missing"
    if wanted := TYPES.get(kind) or WRITTEN.get(kind):
        return f"must be {wanted}"
    if kind == "literal_error":
        choices = problem["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
        return f"must be one of {choices}" if "," in choices else f"must be {choices}"
    text = problem["msg"].removeprefix("Value error, ")
    for words, plain in WORDS.items():
        text = text.replace(words, plain)
    return text


def describe(error: ValidationError, names: Sequence[str] = ()) -> str:
    """Describe the first problem: ``epochs=2.0: must be a whole number``, ``--patience 0: must be at least 1``.

    Parameters
    ----------
    error : ValidationError
    names : sequence of str
        Names of the options in order, for arguments given by position.
    """
    problem = error.errors(include_url=False)[0]
    kind, value = problem["type"], problem["input"]
    place = [str(part) for part in problem["loc"]]
    if place and place[0].isdecimal():
        place[0] = names[int(place[0])]
    name = ".".join(place)
    option = f"--{name.replace('_', '-')}"
    if kind.startswith("missing"):
        return f"{option} {reason(problem)}"
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{option}: there is no such option"
    if kind in TYPES:
        return f"{name}={_shown(value)}: {reason(problem)}"
    shown = "" if isinstance(value, dict | list | tuple) else f" {value}"
    return f"{option}{shown}: {reason(problem)}"
