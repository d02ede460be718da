"""JSON and YAML from outside: bounded in size, nesting and numbers, and free of duplicate keys.

A stranger's file must exhaust neither memory nor patience, and must be unambiguous. These readers return nothing but
dicts, lists, strings, booleans, None and finite numbers.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

MAX_BYTES = 1_000_000
"""Bytes of a document, unless the caller allows others."""

MAX_DEPTH = 32
"""Levels of nesting; a card has six."""

MAX_VALUES = 100_000
"""Keys and values of a YAML document; a card has a few hundred."""

MAX_INTEGER = 2**63
"""Integers lie strictly between minus this number and this number."""


class MalformedError(ValueError):
    """A document that is not of the announced form, or that exceeds a bound; the message says which."""


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Read a file of at most `limit` bytes; one whose name ends in ``.gz`` is unpacked, to at most as many.

    Raises
    ------
    MalformedError
        If the file is larger, or cannot be unpacked.
    OSError
        If it cannot be read.
    """
    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            data: bytes = file.read(limit + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MalformedError(f"it is not a whole gzip file ({error})") from None
    if len(data) > limit:
        raise MalformedError(f"it is larger than {limit:,} bytes")
    return data


def read_json(path: Path, limit: int = MAX_BYTES) -> Any:
    """Read a JSON file; raises as :func:`read_bytes` and :func:`parse_json` do."""
    return parse_json(read_bytes(path, limit), limit)


def parse_json(data: bytes | str, limit: int = MAX_BYTES, *, lenient: bool = False) -> Any:
    """Parse JSON.

    Parameters
    ----------
    data : bytes or str
        A document in UTF-8.
    limit : int
        Its largest length.
    lenient : bool
        Replace a number that is out of bounds by None and let the last of duplicate keys count, where one faulty
        entry among many must not make the others unreadable.

    Raises
    ------
    MalformedError
        If it is not JSON, or exceeds a bound.
    """
    _check_length(data, limit)

    def number(parse: Callable[[str], Any]) -> Callable[[str], Any]:
        def read(text: str) -> Any:
            try:
                return parse(text)
            except MalformedError:
                if lenient:
                    return None
                raise

        return read

    try:
        value = json.loads(
            data.decode("utf-8-sig") if isinstance(data, bytes) else data,
            parse_int=number(_integer),
            parse_float=number(_real),
            parse_constant=number(_real),
            object_pairs_hook=None if lenient else unique_keys,
        )
    except MalformedError:
        raise
    except json.JSONDecodeError as error:
        raise MalformedError(f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg})") from None
    except UnicodeDecodeError as error:
        raise MalformedError(f"it is not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise MalformedError(f"it is nested more than {MAX_DEPTH} levels deep") from None
    _check_depth(value)
    return value


def parse_yaml(text: str, *, first_line: int = 1) -> Any:
    """Parse YAML of one document without aliases and without tags of its own.

    Dates, and numbers to the base 60 (``1:30``), stay text, as in YAML 1.2.

    Parameters
    ----------
    text : str
        A document of at most `MAX_BYTES` characters.
    first_line : int
        Number of its first line in its file, for messages.

    Raises
    ------
    MalformedError
        If it is not YAML, or exceeds a bound; names the line where there is one.
    """
    import yaml

    _check_length(text, MAX_BYTES)
    loader = _yaml_loader()
    try:
        depth, values = 0, 0
        # The events are read in a loop; building the document is recursive, so nesting is checked first.
        for event in yaml.parse(text, loader):
            if isinstance(event, yaml.AliasEvent):
                raise MalformedError(f"it has YAML aliases (*{event.anchor}), which zoo does not read")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise MalformedError(f"it is nested more than {MAX_DEPTH} levels deep")
            values += isinstance(event, yaml.NodeEvent)
            if values > MAX_VALUES:
                raise MalformedError(f"it has more than {MAX_VALUES:,} keys and values")
        reader = loader(text)
        try:
            reader.first_line = first_line
            return reader.get_single_data()
        finally:
            reader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + first_line}" if mark else ""
        reason = getattr(error, "problem", None) or "a character that YAML forbids"
        raise MalformedError(f"it is not YAML{line}: {reason}") from None


def _check_length(data: bytes | str, limit: int) -> None:
    if len(data) > limit:
        raise MalformedError(f"it is larger than {limit:,} bytes")


def _check_depth(value: object) -> None:
    """Walk level by level, so that no document can exhaust the stack."""
    level, depth = [value], 0
    while level:
        level = [
            each
            for parent in level
            for each in (parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ())
            if isinstance(each, dict | list)
        ]
        depth += 1
        if depth > MAX_DEPTH:
            raise MalformedError(f"it is nested more than {MAX_DEPTH} levels deep")


def _integer(text: str) -> int:
    if len(text) > 20 or not -MAX_INTEGER < (value := _parsed(int, text)) < MAX_INTEGER:
        raise MalformedError(f"the number {text[:12]}… is out of range")
    return value


def _real(text: str) -> float:
    if len(text) > 400 or not math.isfinite(value := _parsed(float, text)):
        raise MalformedError(f"the number {text[:12]} is not finite")
    return value


def _parsed(kind: Callable[[str], T], text: str) -> T:
    try:
        return kind(text)
    except ValueError:
        raise MalformedError(f"{text[:12]!r} is not a number") from None


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON (an ``object_pairs_hook``); raises `MalformedError` if a key is given twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise MalformedError(f"the key {str(twice)[:60]!r} is given twice")
    return found


@cache
def _yaml_loader() -> Any:
    """Return the class that builds plain values alone, from YAML's own types alone."""
    import yaml

    # The C parser is several times faster; PyYAML's wheels have it, some builds from source do not.
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        yaml_constructors: dict[str | None, Any] = {}  # noqa: RUF012 - PyYAML's own registry of a class

    def text(loader: Any, node: Any) -> str:
        return str(loader.construct_scalar(node))

    def integer(loader: Any, node: Any) -> int | str:
        said = text(loader, node)
        if ":" in said:  # to the base 60
            return said
        digits = said.replace("_", "")
        if re.fullmatch(r"[-+]?0[xb][0-9a-fA-F]{1,64}|[-+]?0[0-7]{1,24}", digits):
            value = int(re.sub(r"^([-+]?)0([0-7])", r"\g<1>0o\2", digits), 0)
            return _integer(str(value))
        return _integer(digits)

    def real(loader: Any, node: Any) -> float | str:
        said = text(loader, node)
        if ":" in said:
            return said
        return _real(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", said.replace("_", "").lower()))

    def boolean(loader: Any, node: Any) -> bool:
        if (said := text(loader, node).lower()) not in ("yes", "true", "on", "no", "false", "off"):
            raise MalformedError(f"{said[:12]!r} is not a truth value")
        return said in ("yes", "true", "on")

    def mapping(loader: Any, node: Any) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise MalformedError("a YAML tag does not fit its value")
        pairs = [(loader.construct_object(key), loader.construct_object(value)) for key, value in node.value]
        for key, _ in pairs:
            if not isinstance(key, str | int | float | bool | None):
                raise MalformedError("a key must be a single value")
        return unique_keys(pairs)

    def sequence(loader: Any, node: Any) -> list[Any]:
        if not isinstance(node, yaml.SequenceNode):
            raise MalformedError("a YAML tag does not fit its value")
        return [loader.construct_object(each) for each in node.value]

    def refuse(_loader: Any, node: Any) -> Any:
        raise MalformedError(f"the YAML tag {str(node.tag)[:60]} is not read")

    kinds = {
        "str": text,
        "timestamp": text,
        "merge": text,
        "value": text,
        "int": integer,
        "float": real,
        "bool": boolean,
        "null": lambda _loader, _node: None,
        "map": mapping,
        "seq": sequence,
    }

    def with_line(construct: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def build(loader: Any, node: Any) -> Any:
            try:
                return construct(loader, node)
            except MalformedError as error:
                if str(error).endswith(")"):  # an inner node has named its line
                    raise
                raise MalformedError(f"{error} (line {node.start_mark.line + loader.first_line})") from None

        return build

    for kind, construct in kinds.items():
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", with_line(construct))
    Loader.add_constructor(None, with_line(refuse))
    return Loader
