"""Options validated by pydantic, whose errors are InputErrors that name the option."""

from __future__ import annotations

from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Strict, ValidationError

from zoo.errors import InputError

Options = TypeVar("Options", bound=type[Any])

TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "True or False",
    "tuple_type": "a tuple",
    "path_type": "the path of a file or folder",
}
"""pydantic's names for wrong types, in words."""


def _plain(kind: type, to: type) -> BeforeValidator:
    """Turn numbers of other libraries, such as NumPy's, into Python's own; True and False are no numbers."""
    return BeforeValidator(
        lambda value: to(value) if isinstance(value, kind) and not isinstance(value, bool) else value
    )


Whole = Annotated[int, _plain(Integral, int)]
Number = Annotated[float, _plain(Real, float)]
LaxPath = Annotated[Path, Strict(False)]
"""A path that may be given as text."""


def validated(options: Options) -> Options:
    """Make a pydantic dataclass raise InputError, one line that names the option, in place of pydantic's error."""
    made: Any = options
    checked = made.__init__

    @wraps(checked)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            checked(self, *args, **kwargs)
        except ValidationError as error:
            raise InputError(describe(error)) from None

    made.__init__ = __init__
    return options


def describe(error: ValidationError) -> str:
    """Describe the first problem: ``epochs=2.0: must be a whole number``, ``--patience 0: must be at least 1``."""
    problem = error.errors(include_url=False)[0]
    kind, value = problem["type"], problem["input"]
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if kind in ("missing_argument", "missing"):
        return f"{name}: is missing"
    if kind == "unexpected_keyword_argument":
        return f"{name}: there is no such option"
    if kind in TYPES:
        shown = repr(value)
        shown = shown if len(shown) <= 60 and "\n" not in shown else f"a {type(value).__name__}"
        place = (
            f"{name}[{problem['loc'][1]}]" if len(problem["loc"]) > 1 and isinstance(problem["loc"][1], int) else name
        )
        return f"{place}={shown}: must be {TYPES[kind]}"
    if kind == "literal_error":
        choices = problem["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
        return f"{option(name)} {value}: must be one of {choices}"
    reason = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    for words, short in (("greater than or equal to", "at least"), ("less than or equal to", "at most")):
        reason = reason.replace(words, short)
    return f"{option(name)} {value}: {reason.replace('greater than', 'more than')}"


def option(name: str) -> str:
    """Return the option of the command line: ``--learning-rate`` for ``learning_rate``."""
    return f"--{name.replace('_', '-')}"
