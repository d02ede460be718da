"""Options and files in TOML, validated by pydantic; errors are InputErrors that name the option or key."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Strict, ValidationError

from zoo._utils.python_api import python_words, shown
from zoo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

Options = TypeVar("Options", bound=type[Any])
Model = TypeVar("Model", bound=BaseModel)

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

TOML_TYPES = {
    "extra_forbidden": "there is no such key",
    "tuple_type": "must be a list",
    "bool_type": "must be true or false",
}
"""The same for the keys of a TOML file."""

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
        return f"{name}={shown(value)}: {reason(problem)}"
    text = "" if isinstance(value, dict | list | tuple) else f" {value}"
    return f"{option}{text}: {reason(problem)}"


def read_toml(path: Path, kind: type[Model]) -> tuple[Model, bytes]:
    """Read a file in TOML, and check it against a model.

    Returns
    -------
    BaseModel
        Of the given kind.
    bytes
        Content of the file.

    Raises
    ------
    InputError
        If the file is missing, is not TOML, or has an unknown, missing or invalid key; names it.
    """
    try:
        raw = path.read_bytes()
        return kind.model_validate(tomllib.loads(raw.decode())), raw
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        place, first = first_error(error)
        key = ".".join(map(str, place))
        what = TOML_TYPES.get(first["type"]) or reason(first)
        raise InputError(f"{path}: {key}: {what}" if key else f"{path}: {what}") from error
