"""YAML front matter: split it from the prose, read it without running anything, write it."""

from __future__ import annotations

from typing import Any

import yaml

from zoo.errors import CardError

# The C parser is several times faster; PyYAML's wheels have it, some builds from source do not.
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(text: str, where: str) -> tuple[dict[str, Any], str]:
    """Return the fields of a front matter, and the prose after it.

    Parameters
    ----------
    text : str
        Markdown that begins with ``---``, YAML, ``---``.
    where : str
        File name, for messages.

    Raises
    ------
    CardError
        If there is no front matter, or it is not a mapping in YAML, or has aliases: no card needs them, and a few
        lines of them stand for gigabytes.
    """
    front, body = _split(text, where)
    try:
        if "*" in front and any(isinstance(token, yaml.AliasToken) for token in yaml.scan(front, _Loader)):
            raise CardError(f"{where}: the front matter has YAML aliases (*name), which zoo does not read")
        data = _Loader(front).get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 2}" if mark else ""
        reason = getattr(error, "problem", None) or "a character that YAML forbids"
        raise CardError(f"{where}: the front matter is not YAML{line}: {reason}") from error
    except (RecursionError, ValueError) as error:  # absurd nesting; a date such as 2021-99-99
        raise CardError(f"{where}: the front matter cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CardError(f"{where}: the front matter must be a mapping of fields, not {type(data).__name__}")
    return data, body


def write(front: dict[str, Any], body: str) -> str:
    """Return Markdown that :func:`read` gives back as it was."""
    # default_flow_style=None keeps lists of elements and digests on one line each.
    header = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    return f"---\n{header}---\n\n{body.strip()}\n"


def _split(text: str, where: str) -> tuple[str, str]:
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != "---":
        raise CardError(f"{where}: the first line must be '---', where the YAML front matter begins")
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :]).strip()
    raise CardError(f"{where}: the front matter has no end; close it with a line '---'")
