"""Files in TOML, checked against a model."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from zoo._utils.validation import first_error, reason
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)

KINDS = {
    "extra_forbidden": "there is no such key",
    "tuple_type": "must be a list",
    "bool_type": "must be true or false",
}
"""pydantic's error types → what is said of a key, where TOML has words of its own."""


def read(path: Path, kind: type[Model]) -> tuple[Model, bytes]:
    """Read a file.

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
        what = KINDS.get(first["type"]) or reason(first)
        raise InputError(f"{path}: {key}: {what}" if key else f"{path}: {what}") from error
