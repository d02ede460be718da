"""Show the descriptions of a dataclass's fields, which are also the help of its command, as its parameters."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def descriptions(described: type) -> dict[str, str]:
    """Return the description of each field that has one, with its default."""
    found = {}
    hints = get_type_hints(described, include_extras=True)
    for field in fields(described):
        for note in getattr(hints[field.name], "__metadata__", ()):
            if text := getattr(note, "description", None):
                found[field.name] = re.sub(r"\s+", " ", text)
    return found


def add(_app: Sphinx, what: str, _name: str, described: Any, _options: Any, lines: list[str]) -> None:
    """Replace the section Parameters of a docstring that refers to the fields."""
    if what != "class" or not is_dataclass(described):
        return
    text = "\n".join(lines)
    if "As described at each field" not in text:
        return
    entries = "\n".join(f"{name}\n    {text}" for name, text in descriptions(described).items())
    section = re.compile(r"(Parameters\n-+\n).*?(?=\n\n\w[\w ]*\n--|\Z)", re.DOTALL)
    lines[:] = section.sub(lambda match: match[1] + entries, text).split("\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Work before napoleon reads the docstring."""
    app.connect("autodoc-process-docstring", add, priority=100)
    return {"parallel_read_safe": True}
