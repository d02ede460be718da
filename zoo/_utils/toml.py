"""Files in TOML, checked against a model."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from zoo._utils.validation import first_error
from zoo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)


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
        what = "there is no such key" if first["type"] == "extra_forbidden" else first["msg"]
        where = f"{path}: {key}" if key else f"{path}"
        raise InputError(f"{where}: {what.removeprefix('Value error, ')}") from error
