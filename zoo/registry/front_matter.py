"""YAML front matter of Markdown files: reading, within limits, and writing."""

from __future__ import annotations

from typing import Any

import yaml

from zoo._utils import bounded
from zoo.errors import CardError


def read(text: str, where: str) -> tuple[dict[str, Any], str]:
    """Return the fields of the front matter and the prose that follows it.

    Parameters
    ----------
    text : str
        Markdown that begins with ``---``, YAML, ``---``.
    where : str
        File name, for messages.

    Raises
    ------
    CardError
        If there is no front matter, or it is not a YAML mapping within the limits of :mod:`zoo._utils.bounded`.
    """
    front, body = _split(text, where)
    try:
        data = bounded.parse_yaml(front, first_line=2)
    except bounded.MalformedError as error:
        raise CardError(f"{where}: the front matter cannot be used: {error}") from error
    if not isinstance(data, dict):
        raise CardError(f"{where}: the front matter must be a mapping of fields, not {type(data).__name__}")
    return data, body


def write(front: dict[str, Any], body: str) -> str:
    """Return Markdown from which :func:`read` recovers both."""
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
