"""Calls of the Python API: checks of their arguments, and messages that speak of parameters.

Errors and messages are written in the words of the command line; a call from Python gets them in those of Python.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from numbers import Integral, Real
from os import PathLike
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from zoo.errors import InputError, ZooError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTION = re.compile(r"(?<![\w-])--(compare scratch|plugin FILE\.py|[a-z]+(?:-[a-z]+)*)(?![\w-])( (?=[A-Z]{3}))?")
"""An option of the command line; a value in capitals follows with "=" in Python."""

_PARAMETERS = {
    "baseline": "baselines",
    "compare": "compare_scratch",
    "compare scratch": "compare_scratch=True",
    "log-of": "log",
    "no-log": "log=False",
    "plugin": "zoo.registry.add_file",
    "plugin FILE.py": "zoo.registry.add_file('FILE.py')",
    **{flag: f"{flag}=True" for flag in ("fast", "force", "known", "log", "resume", "strict", "unseen")},
}
"""Option → what it is called in Python, where that is not its name with underscores."""

_READER: ContextVar[Mapping[str, str] | None] = ContextVar("reader")
"""Own names of parameters of the outermost call in Python; None if it is a command."""


@contextmanager
def shell_words() -> Iterator[None]:
    """Leave messages as they are written: in the words of the command line, which speak of options."""
    token = _READER.set(None)
    try:
        yield
    finally:
        _READER.reset(token)


@contextmanager
def python_words(**own: str) -> Iterator[None]:
    """Put the errors of a function of the Python API into the words of Python: ``--n-train`` is ``n_train``.

    Where such functions call each other, the outermost speaks to the reader; if that is a command, nothing is changed.

    Parameters
    ----------
    own : str
        Option → its parameter, where this API has a name of its own.
    """
    if _READER.get(own) is not own:
        yield
        return
    token = _READER.set(own)
    try:
        yield
    except ZooError as error:
        error.args = (spoken(str(error)), *error.args[1:])
        raise
    finally:
        _READER.reset(token)


def spoken(text: str) -> str:
    """Put a message that speaks of options into the words of the reader.

    Examples
    --------
    >>> spoken("--n-train 9: too few; continue with --resume, or give --data TABLE")
    'n_train 9: too few; continue with resume=True, or give data=TABLE'
    """
    own = _READER.get({})
    if own is None:
        return text
    known = {**_PARAMETERS, **own}
    return _OPTION.sub(lambda it: known.get(it[1], it[1].replace("-", "_")) + ("=" if it[2] else ""), text)


def _in_words_of_the_reader(record: logging.LogRecord) -> bool:
    record.msg, record.args = spoken(record.getMessage()), ()
    return True


logging.getLogger("zoo").addFilter(_in_words_of_the_reader)


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
                        raise InputError(f"{name}: {argument}={shown(value)}: must be {_in_words(annotation)}")
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


def shown(value: object) -> str:
    """Return a value as it is written in Python, or the name of its type if that is long."""
    text = repr(value)
    return text if len(text) <= 60 and text.isprintable() else type(value).__name__
