"""Versions of the third-party code that a result depends on: the plugins used and their dependencies."""

from __future__ import annotations

import ast
import hashlib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.registry.plugins import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zoo.registry.plugins import Plugin


def versions(used: Iterable[Plugin]) -> dict[str, str]:
    """Return the versions of the plugins' packages and of the packages that they require or import.

    Parameters
    ----------
    used : iterable of Plugin
        Plugins that ship with zoo are skipped.

    Returns
    -------
    dict of str to str
        Distribution → version; a single file, which has none, → the SHA-256 of its bytes.
    """
    found: dict[str, str] = {}
    for plugin in used:
        if plugin.ours:
            continue
        source = _source(plugin)
        if plugin.origin is not None and source is not None:
            found[plugin.distribution] = f"SHA-256 {hashlib.sha256(source.read_bytes()).hexdigest()}"
        found |= installed((plugin.distribution, *_required(plugin), *(_imported(source) if source else ())))
    found.pop(OURS, None)
    return dict(sorted(found.items()))


def installed(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _source(plugin: Plugin) -> Path | None:
    """Return the file of a plugin's module."""
    if plugin.origin is not None:
        return Path(plugin.origin).expanduser()
    with suppress(ImportError, ValueError):
        spec = find_spec(plugin.value.partition(":")[0].strip())
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            return Path(spec.origin)
    return None


def _required(plugin: Plugin) -> Iterator[str]:
    """Yield the names of the distributions required by a plugin's distribution, without extras."""
    from packaging.requirements import InvalidRequirement, Requirement

    with suppress(PackageNotFoundError, InvalidRequirement):
        for requirement in map(Requirement, requires(plugin.distribution) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement.name


def _imported(source: Path) -> Iterator[str]:
    """Yield the names of the distributions that a module imports from, also inside functions."""
    owners = packages_distributions()
    for node in ast.walk(ast.parse(source.read_bytes())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [node.module]
        for module in modules:
            yield from owners.get(module.partition(".")[0], ())
